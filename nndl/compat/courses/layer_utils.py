"""The sandwiches, with the layers that they are made of."""

from __future__ import annotations

import numpy as np

from ... import layer_utils as sandwiches
from ...layer_utils import *
from .fast_layers import *
from .layers import *

# CS231n writes the batch-normalized sandwich in two ways.
affine_batchnorm_relu_forward = sandwiches.affine_bn_relu_forward
affine_batchnorm_relu_backward = sandwiches.affine_bn_relu_backward
