"""What makes arrays a snapshot of event-time windows."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from eddy.models.windows.clock import WindowClock
from eddy.models.windows.kernel import COUNTERS
from eddy.models.windows.steps import CELL


def checked(state: dict[str, NDArray[Any]], clock: WindowClock) -> dict[str, NDArray[Any]]:
    """Return a snapshot's arrays; ValueError where they do not belong together or to the clock."""
    try:
        length_us, zone = int(state["length_us"][0]), state["zone"].tobytes().decode()
        n, m = len(state["keys"]), len(state["windows"])
        shapes: dict[str, tuple[int, ...]] = {
            "first_seen": (n,),
            "last_seen": (n,),
            "is_pool": (n,),
            "counters": (COUNTERS,),
        }
        shapes |= dict.fromkeys(CELL.names or (), (m, n))
        wrong = [name for name, shape in shapes.items() if state[name].shape != shape]
    except (KeyError, IndexError, TypeError, UnicodeDecodeError) as error:
        raise ValueError(f"not windows: {error}") from error
    if (length_us, zone) != (clock.length_us, clock.zone):
        raise ValueError(f"windows of {length_us} us in {zone}")
    if wrong or (np.diff(state["windows"]) <= 0).any():
        raise ValueError(f"not windows: {wrong or 'out of order'}")
    return state


def spread(windows: NDArray[np.int64]) -> int:
    """Return how many columns keep windows apart."""
    return int(windows[-1] - windows[0]) + 1 if len(windows) else 1
