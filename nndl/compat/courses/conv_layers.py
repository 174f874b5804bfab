"""UCLA's module of the readable convolutions and poolings."""

from __future__ import annotations

import numpy as np

from ...conv_layers import *
from .layers import *
