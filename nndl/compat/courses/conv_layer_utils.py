"""UCLA's module of the sandwiches with a convolution."""

from __future__ import annotations

import numpy as np

from .layer_utils import *
