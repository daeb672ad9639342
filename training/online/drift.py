"""Drift: river's ADWIN on scores and features detects that their distribution has changed.

Each value becomes its rank among the first values that were seen (0 to 1, middle rank for equal
ones), so that one setting fits every feature, however heavy its tail. ADWIN (Bifet and Gavaldà
2007) tells when the mean of that changed; with so many values it finds changes that matter to
nobody, so that a shift must also be large. After a drift the values that come then are the first.

A value costs some 3 µs. Which rows are looked at is decided by their event's hash: the same ones on
every replay, however the rows are cut into records.
"""

from collections import deque
from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray
from river.drift import ADWIN

from eddy.models.arrays import Floats
from eddy.models.features.names import OWN
from eddy.models.packing import pack, unpack
from eddy.schemas.decisions import Decisions
from eddy.training.online.decision_buffer import spread

SCORE = "score"
CLOCK = tuple(name for name in OWN if name.startswith("is_"))
"""Features that only say what time it is: they change every evening."""

_KIND = "drift_detectors"
_RECENT = 256
_LOOK_EVERY = 32
_REPLAYED = 4_096
_detector: Any = ADWIN  # untyped


class DriftSettings(msgspec.Struct, frozen=True, kw_only=True):
    """When a change is one.

    Attributes
    ----------
    every : int
        One of so many rows is looked at.
    reference_rows : int
        The first values, so many, to which later ones are compared.
    delta : float
        ADWIN's: the chance of a false alarm at a look.
    least_shift : float
        The mean rank of the newest values must be so far from 0.5; 0.1 is a shift by a third of
        the standard deviation, where values are normally distributed.
    """

    every: Annotated[int, Meta(ge=1)] = 10
    reference_rows: Annotated[int, Meta(ge=50)] = 2_000
    delta: Annotated[float, Meta(gt=0, lt=1)] = 1e-4
    least_shift: Annotated[float, Meta(ge=0, lt=0.5)] = 0.1


class Drift(msgspec.Struct, frozen=True, kw_only=True):
    """A change of the distribution.

    Attributes
    ----------
    what : str
        `SCORE` or a feature.
    at : int
        Event time of the row at which it was detected; microseconds since 1970, UTC.
    before, after : float
        Medians of the reference and of the newest values, in the feature's own unit.
    """

    what: str
    at: int
    before: float
    after: float


class DriftDetectors:
    """One detector for scores and each feature; a function of the decisions so far.

    Parameters
    ----------
    settings : DriftSettings
    """

    def __init__(self, settings: DriftSettings | None = None) -> None:
        self.settings = settings or DriftSettings()
        self._watched: dict[str, _Watched] = {}

    def look(self, decisions: Decisions) -> list[Drift]:
        """Return the drifts that these rows give away, in the order of the columns."""
        rows = np.flatnonzero(spread(decisions.events) % np.uint64(self.settings.every) == 0)
        at = decisions.occurred_at[rows]
        drifts = self._see(SCORE, decisions.scores[rows], at)
        for place, name in enumerate(decisions.names):
            if name not in CLOCK:
                drifts += self._see(name, decisions.features[rows, place], at)
        return drifts

    def snapshot(self) -> bytes:
        """Return the state; of each detector the newest values, from which it is made again."""
        arrays: dict[str, NDArray[Any]] = {"names": np.array(list(self._watched), dtype=np.str_)}
        for place, watched in enumerate(self._watched.values()):
            arrays |= {f"{place}.{name}": column for name, column in watched.arrays().items()}
        return pack(_KIND, arrays)

    def restore(self, state: bytes) -> None:
        """Go on where `snapshot` was taken; ValueError where it is something else."""
        arrays = unpack(_KIND, state)
        self._watched = {}
        for place, name in enumerate(arrays["names"].tolist()):
            columns = {part: arrays[f"{place}.{part}"] for part in _Watched.PARTS}
            self._watched[name] = _Watched.of(self.settings, columns)

    def _see(self, what: str, values: Floats, at: NDArray[np.int64]) -> list[Drift]:
        known = ~np.isnan(values)
        watched = self._watched.setdefault(what, _Watched(self.settings))
        return watched.see(what, values[known], at[known].tolist())


class _Watched:
    """One column: the values it is compared to, and the detector of their ranks."""

    PARTS = ("reference", "ranks", "recent", "state")

    def __init__(self, settings: DriftSettings) -> None:
        self._settings = settings
        self._begin_anew()

    @classmethod
    def of(cls, settings: DriftSettings, arrays: dict[str, NDArray[Any]]) -> "_Watched":
        """Restore a column from the result of `arrays`."""
        watched = cls(settings)
        watched._reference = arrays["reference"]
        watched._recent.extend(arrays["recent"].tolist())
        watched._ranks = arrays["ranks"].tolist()
        for rank in watched._ranks:
            watched._adwin.update(rank)
        count, has_changed = arrays["state"].tolist()
        watched._count, watched._has_changed = count, bool(has_changed)
        return watched

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the state as named arrays."""
        return {
            "reference": self._reference,
            "ranks": np.array(self._ranks[-_REPLAYED:], np.float64),
            "recent": np.array(self._recent, np.float64),
            "state": np.array([self._count, self._has_changed], np.int64),
        }

    def see(self, what: str, values: Floats, at: Sequence[int]) -> list[Drift]:
        """Take in values; return the drifts they give away."""
        drifts: list[Drift] = []
        start = 0
        while start < len(values):
            if len(self._reference) < self._settings.reference_rows:
                start += self._refer(values[start:])
                continue
            place = self._first_drift(values[start:])
            if place is None:
                break
            start += place + 1
            before, after = float(np.median(self._reference)), float(np.median(self._recent))
            drifts.append(Drift(what=what, at=at[start - 1], before=before, after=after))
            self._begin_anew()
        return drifts

    def _begin_anew(self) -> None:
        self._reference: Floats = np.empty(0)
        self._recent: deque[float] = deque(maxlen=_RECENT)
        self._ranks: list[float] = []
        self._count, self._has_changed = 0, False
        self._adwin: Any = _detector(delta=self._settings.delta)

    def _refer(self, values: Floats) -> int:
        """Complete the reference; return how many values that took."""
        taken = values[: self._settings.reference_rows - len(self._reference)]
        self._reference = np.append(self._reference, taken)
        if len(self._reference) == self._settings.reference_rows:
            self._reference.sort()
        return len(taken)

    def _first_drift(self, values: Floats) -> int | None:
        """Return the place of the first value that gives a drift away; what follows is unseen."""
        ranks = _ranks(self._reference, values).tolist()
        for place, (value, rank) in enumerate(zip(values.tolist(), ranks, strict=True)):
            self._recent.append(value)
            self._ranks.append(rank)
            self._count += 1
            self._adwin.update(rank)
            if self._adwin.drift_detected:
                self._has_changed = True
                self._ranks.clear()  # ADWIN begins anew with the next value
            # it tells of a change when that has just begun: how large it is, the next values say
            if self._has_changed and self._count % _LOOK_EVERY == 0 and self._is_large():
                return place
        del self._ranks[:-_REPLAYED]
        return None

    def _is_large(self) -> bool:
        mean = float(np.mean(_ranks(self._reference, np.array(self._recent))))
        return abs(mean - 0.5) >= self._settings.least_shift


def _ranks(reference: Floats, values: Floats) -> Floats:
    """Return the middle ranks of values among others, 0 to 1."""
    below = np.searchsorted(reference, values, "left")
    ranks: Floats = (below + np.searchsorted(reference, values, "right")) / (2 * len(reference))
    return ranks
