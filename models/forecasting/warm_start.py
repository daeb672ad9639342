"""The start: what history taught of each merchant, for judges that meet them for the first time.

A file of it is mapped, so that all partitions of a process, and all processes of a machine, share
one copy. A judge takes over a merchant when it meets it, and what the segments know when it is new.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from eddy.models.arrays import Ints
from eddy.models.forecasting import mapped
from eddy.models.forecasting.forecaster import Forecaster
from eddy.models.forecasting.silence import Silence
from eddy.schemas.errors import ConfigError

KIND = "eddy-start-1"
UNKNOWN = -1


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """What a start holds for, besides numbers.

    Attributes
    ----------
    zone : str
        IANA time zone: intervals begin at local midnight.
    interval_s : int
    pairs : list of (str, str)
        Trade and country of the segments met, by number.
    begin_us, end_us : int
        First instant of the history and first after it; microseconds since 1970, UTC.
    window : int
        The last interval learned from, as `eddy.models.windows.clock` numbers them.
    """

    zone: str
    interval_s: int
    pairs: list[tuple[str, str]]
    begin_us: int
    end_us: int
    window: int


@dataclass(frozen=True, slots=True, eq=False)
class WarmStart:
    """What is known of n merchants at the end of a history.

    Attributes
    ----------
    head : Head
    keys : ndarray of uint64, shape (n,)
        `eddy.schemas.keys.hash_text` of the merchants' ids, ascending.
    rows : structured ndarray, shape (n,)
        Each merchant's state: fields as in the snapshots of forecaster and silence.
    shared : dict of str to ndarray
        State of segments and calibration.
    sha256 : str
        Of the file's content; empty where it was not read from one. To be part of a judge's
        configuration hash: verdicts depend on it.
    """

    head: Head
    keys: NDArray[np.uint64]
    rows: NDArray[np.void]
    shared: dict[str, NDArray[Any]]
    sha256: str = ""

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Trade and country of each segment, by number: what a fresh judge's segments are."""
        return self.head.pairs

    @classmethod
    def load(cls, path: Path) -> "WarmStart":
        """Map a file.

        Raises
        ------
        MissingResource
            It cannot be read.
        ConfigError
            It is no start, damaged, or of another version.
        """
        file = mapped.read(path, KIND, Head)
        arrays = dict(file.arrays)
        return cls(file.head, arrays.pop("keys"), arrays.pop("rows"), arrays, file.sha256)

    def save(self, path: Path) -> str:
        """Write the file, whole or not at all; return its SHA-256."""
        arrays = {"keys": self.keys, "rows": self.rows} | self.shared
        return mapped.write(path, KIND, self.head, arrays)

    def check(self, zone: str, interval_s: int) -> None:
        """Raise ConfigError where the intervals are others than those of a policy."""
        head = self.head
        if (head.zone, head.interval_s) != (zone, interval_s):
            raise ConfigError(
                f"start: of intervals of {head.interval_s} s in {head.zone}, but intervals are "
                f"{interval_s} s in {zone}; run `eddy tpv history` again"
            )

    def rows_of(self, keys: NDArray[np.uint64]) -> Ints:
        """Return where merchants are in `rows`, shape as given; -1 where unknown."""
        if not len(self.keys):
            return np.full(len(keys), UNKNOWN)
        at = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return np.where(self.keys[at] == keys, at, UNKNOWN)

    def prepare(self, forecaster: Forecaster) -> None:
        """Give a fresh forecaster what the segments know, and its calibration.

        Raises
        ------
        ConfigError
            It counts other segments or slots than the history did.
        """
        try:
            forecaster.baseline.segments.restore(self.shared)
            forecaster.calibration.restore(self.shared)
        except (KeyError, ValueError) as error:
            raise ConfigError(f"start: {error}; run `eddy tpv history` again") from error

    def give(
        self,
        forecaster: Forecaster,
        silence: Silence,
        slots: Ints,
        rows: Ints,
        window: int | None = None,
    ) -> None:
        """Put merchants that were just met into the state that history taught.

        The segment that history knew counts; where it knew none, the one the slot has.

        Parameters
        ----------
        forecaster : Forecaster
        silence : Silence
        slots : ndarray of int64, shape (k,)
            Where they are now; cleared before.
        rows : ndarray of int64, shape (k,)
            What `rows_of` returned; those unknown are left as they are.
        window : int, optional
            The interval they were met in: those since the end of history count as missing.
        """
        slots, states = slots[rows != UNKNOWN], self.rows[rows[rows != UNKNOWN]]
        if not len(slots):
            return
        state = {name: states[name] for name in states.dtype.names or ()}
        segment = state["entity_segment"]
        state["entity_segment"] = np.where(segment > 0, segment, forecaster.baseline.segment[slots])
        state["entity_errors"] = state["entity_errors"] * self._kept(window)
        forecaster.baseline.take(slots, state)
        forecaster.shifts.take(slots, state)
        silence.take(slots, state["silence_volume"], state["silence_payments"])

    def _kept(self, window: int | None) -> NDArray[np.float32]:
        """Return how much of each slot's last error counts: half for each missing interval."""
        slots, last = 86_400 // self.head.interval_s, self.head.window
        missing = np.zeros(slots, np.int64)
        if window is not None and window > last:
            numbers = np.arange(max(last + 1, window - 64 * slots), window)
            missing = np.bincount(numbers % slots, minlength=slots)
        return np.exp2(-missing.astype(np.float64)).astype(np.float32)
