"""Columns: one-dimensional numpy arrays, one element a row unless said otherwise."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Ints = NDArray[np.int64]
Slots = NDArray[np.int32]
"""Places in tables of a fixed size."""
Codes = NDArray[np.uint8]
"""One of a few cases each, by number."""
Keys = NDArray[np.uint64]
"""Hashes of entities' keys."""
Flags = NDArray[np.bool_]
