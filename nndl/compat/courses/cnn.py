"""The convolutional network, with the layers that a star-import of the originals brings
along."""

from __future__ import annotations

import numpy as np

from ...cnn import ThreeLayerConvNet
from .layer_utils import *
