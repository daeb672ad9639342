"""Judged intervals that late payments may still revise, packed by entity."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from eddy.models.arrays import Ints
from eddy.models.detectors.forecast_band.episodes import NO_EPISODE, NONE, Episode, Flag

_COLUMNS = np.dtype(
    [
        ("observed", "f8"),
        ("expected", "f4"),
        ("lower", "f4"),
        ("upper", "f4"),
        ("below", "f4"),
        ("above", "f4"),
        ("confidence", "f4"),
        ("score", "f4"),
        ("side", "i1"),
        ("known", "?"),
        ("payments", "i8"),
        ("awaited", "f4"),
        ("missed", "f4"),
        ("muted", "u1"),
    ]
)


class ClosedInterval:
    """One closed window of all entities that there were when it closed.

    Attributes
    ----------
    window : int
    cells : structured ndarray, shape (n,)
        By slot: observed volume and number of payments; the forecast with its band and, above and
        below it, the distances that would score 1.0; score, and the side it is flagged on; payments
        awaited, and missed since the last one, see `silence`; why nothing is told, see
        `scoring.Alarms`.
    """

    def __init__(self, window: int, cells: NDArray[np.void]) -> None:
        self.window = window
        self.cells = cells

    @classmethod
    def blank(cls, window: int, count: int) -> "ClosedInterval":
        """Return the interval of `count` entities, nothing known of it."""
        return cls(window, np.zeros(count, _COLUMNS))

    def __len__(self) -> int:
        return len(self.cells)

    def clear(self, slots: Ints) -> None:
        """Forget what was said of some slots: they are nobody's, or somebody else's."""
        there = slots[slots < len(self.cells)]
        self.cells[there] = np.zeros(1, _COLUMNS)[0]

    def flag(self, slot: int) -> Flag:
        """Return what was said of an entity; nothing where it came later."""
        if slot >= len(self.cells):
            return Flag(self.window, 0, 0.0)
        cell = self.cells[slot]
        return Flag(self.window, int(cell["side"]), float(cell["score"]))


class Runs:
    """The episode up to the oldest interval that may change, by entity; 25 bytes each."""

    def __init__(self) -> None:
        self._state = _empty_runs(0)

    def __len__(self) -> int:
        return len(self._state["start"])

    def grow(self, count: int) -> None:
        """Make room for `count` entities in all."""
        if count > len(self):
            new = _empty_runs(count - len(self))
            self._state = {k: np.concatenate([v, new[k]]) for k, v in self._state.items()}

    def forget(self, slots: Ints) -> None:
        """Clear entities."""
        for name, array in _empty_runs(1).items():
            self._state[name][slots] = array[0]

    def of(self, slot: int) -> Episode:
        """Return an entity's run, `NO_EPISODE` where there is none."""
        s = self._state
        if s["start"][slot] == NONE:
            return NO_EPISODE
        return Episode(
            int(s["start"][slot]),
            int(s["side"][slot]),
            float(s["worst"][slot]),
            int(s["worst_window"][slot]),
            True,
        )

    def keep(self, slot: int, episode: Episode) -> None:
        """Take over an entity's run; one that is not open is none."""
        kept = episode if episode.is_open else NO_EPISODE
        s = self._state
        s["start"][slot], s["side"][slot] = kept.start, kept.side
        s["worst"][slot], s["worst_window"][slot] = kept.worst, kept.worst_window

    @property
    def running(self) -> NDArray[np.bool_]:
        """Which entities have one, shape (n,)."""
        return np.asarray(self._state["start"] != NONE)

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """Return the state as named arrays, copied."""
        return {f"run_{name}": array.copy() for name, array in self._state.items()}

    def restore(self, state: dict[str, NDArray[Any]]) -> None:
        """Take over a state that `snapshot` returned."""
        self._state = {name: state[f"run_{name}"].copy() for name in self._state}


def _empty_runs(count: int) -> dict[str, NDArray[Any]]:
    return {
        "start": np.full(count, NONE, np.int64),
        "side": np.zeros(count, np.int8),
        "worst": np.zeros(count),
        "worst_window": np.full(count, NONE, np.int64),
    }
