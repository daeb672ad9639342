"""Drift: river's ADWIN on scores and features; a detector says that the world has changed.

Each value becomes its rank among the first values that were seen (0 to 1, middle rank for equal
ones), so that one setting fits every feature, however heavy its tail. ADWIN (Bifet and Gavaldà
2007) tells when the mean of that changed; with so many values it finds changes that matter to
nobody, so that a shift must also be large. After a drift the values that come then are the first.

A value costs some 1 µs. Which rows are looked at is decided by their event's hash: the same ones on
every replay, however the rows are cut into records.
"""

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray
from river.drift import ADWIN

from models.features.names import OWN
from models.packing import pack, unpack
from schemas.decisions import Decisions

Floats = NDArray[np.float64]

SCORE = "score"
CLOCK = tuple(name for name in OWN if name.startswith("is_"))
"""Features that only say what time it is: they change every evening."""

_KIND = "drift_detectors"
_MIX = np.uint64(0x9E3779B97F4A7C15)
_RECENT = 256
_REPLAYED = 4_096


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
        The mean rank must move by so much from 0.5; 0.1 is a shift by a third of the standard
        deviation, where values are normally distributed.
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
        Event time of the row that gave it away; microseconds since 1970, UTC.
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
        rows = np.flatnonzero(_mixed(decisions.events) % np.uint64(self.settings.every) == 0)
        at = decisions.occurred_at[rows]
        found = self._see(SCORE, decisions.scores[rows], at)
        for place, name in enumerate(decisions.names):
            if name not in CLOCK:
                found += self._see(name, decisions.features[rows, place], at)
        return found

    def snapshot(self) -> bytes:
        """Return the state; of each detector the newest values, from which it is made again."""
        arrays: dict[str, NDArray[Any]] = {"names": np.array(list(self._watched), dtype=np.str_)}
        for place, watched in enumerate(self._watched.values()):
            arrays |= {f"{place}.{name}": held for name, held in watched.arrays().items()}
        return pack(_KIND, arrays)

    def restore(self, state: bytes) -> None:
        """Go on where `snapshot` was taken; ValueError where it is something else."""
        arrays = unpack(_KIND, state)
        self._watched = {}
        for place, name in enumerate(arrays["names"].tolist()):
            held = {part: arrays[f"{place}.{part}"] for part in _Watched.PARTS}
            self._watched[name] = _Watched.of(self.settings, held)

    def _see(self, what: str, values: Floats, at: NDArray[np.int64]) -> list[Drift]:
        known = ~np.isnan(values)
        watched = self._watched.setdefault(what, _Watched(self.settings))
        return watched.see(what, values[known], at[known].tolist())


class _Watched:
    """One column: the values it is compared to, and the detector of their ranks."""

    PARTS = ("reference", "ranks", "recent")

    def __init__(self, settings: DriftSettings) -> None:
        self._settings = settings
        self._begin_anew()

    @classmethod
    def of(cls, settings: DriftSettings, arrays: dict[str, Floats]) -> "_Watched":
        """Make it again from what `arrays` gave."""
        made = cls(settings)
        made._reference = arrays["reference"]
        made._recent = arrays["recent"]
        for rank in arrays["ranks"].tolist():
            made._adwin.update(rank)
        made._ranks = arrays["ranks"].tolist()
        return made

    def arrays(self) -> dict[str, Floats]:
        """Return what it is made of."""
        ranks = np.array(self._ranks[-_REPLAYED:], np.float64)
        return {"reference": self._reference, "ranks": ranks, "recent": self._recent}

    def see(self, what: str, values: Floats, at: Sequence[int]) -> list[Drift]:
        """Take in values; return the drifts they give away."""
        found: list[Drift] = []
        start = 0
        while start < len(values):
            if len(self._reference) < self._settings.reference_rows:
                start += self._refer(values[start:])
                continue
            changed = self._first_change(values[start:])
            if changed is None:
                break
            start += changed + 1
            after = float(np.median(self._recent))
            before = float(np.median(self._reference))
            found.append(Drift(what=what, at=at[start - 1], before=before, after=after))
            self._begin_anew()
        return found

    def _begin_anew(self) -> None:
        self._reference: Floats = np.empty(0)
        self._recent: Floats = np.empty(0)
        self._ranks: list[float] = []
        self._adwin = ADWIN(delta=self._settings.delta)

    def _refer(self, values: Floats) -> int:
        """Complete the reference; return how many values that took."""
        taken = values[: self._settings.reference_rows - len(self._reference)]
        self._reference = np.append(self._reference, taken)
        if len(self._reference) == self._settings.reference_rows:
            self._reference.sort()
        return len(taken)

    def _first_change(self, values: Floats) -> int | None:
        """Return the place of the first value that gives a change away; what follows is unseen."""
        for place, rank in enumerate(_ranks(self._reference, values).tolist()):
            self._adwin.update(rank)
            self._ranks.append(rank)
            if self._adwin.drift_detected:
                shift = abs(self._adwin.estimation - 0.5)
                self._ranks.clear()  # ADWIN begins anew with the next value
                if shift >= self._settings.least_shift:
                    self._remember(values[: place + 1])
                    return place
        self._remember(values)
        del self._ranks[:-_REPLAYED]
        return None

    def _remember(self, values: Floats) -> None:
        self._recent = np.append(self._recent, values)[-_RECENT:]


def _ranks(reference: Floats, values: Floats) -> Floats:
    """Return the middle ranks of values among others, 0 to 1."""
    below = np.searchsorted(reference, values, "left")
    ranks: Floats = (below + np.searchsorted(reference, values, "right")) / (2 * len(reference))
    return ranks


def _mixed(events: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return hashes whose low digits are as good as any: event hashes may be made elsewhere."""
    mixed: NDArray[np.uint64] = (events * _MIX) >> np.uint64(32)
    return mixed
