"""Records into columns: the fast path for plain ones, the strict path for the rest."""

import ctypes
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from eddy.schemas.columns import Columns, Program
from eddy.schemas.decoding.plain import PlainDecoder
from eddy.schemas.decoding.strict import StrictDecoder
from eddy.schemas.errors import RejectedRecord
from eddy.schemas.fields import OCCURRED_AT

_YEAR_9999_MS = 253_402_300_800_000


@dataclass(frozen=True, slots=True)
class Decoded:
    """What became of a batch of n records.

    Attributes
    ----------
    columns : Columns
        n rows; the rejected ones are not valid.
    rejected : list of (int, RejectedRecord)
        Row and reason, by ascending row.
    plain : int
        How many rows took the fast path.
    """

    columns: Columns
    rejected: list[tuple[int, RejectedRecord]]
    plain: int


class Decoder:
    """Decodes the records of one topic.

    Parameters
    ----------
    event_type : type
        The typed struct of the topic's events.
    max_skew_s : float
        How far `occurred_at` may lie behind a record's own timestamp, in seconds; not negative.
        The record's timestamp is the clock, so that a replay gives the same answer.

    Examples
    --------
    >>> from eddy.schemas.rides import Ride
    >>> decoder = Decoder(Ride, max_skew_s=300.0)
    >>> kept, addresses, lengths = buffers([None, b'{"event_id": 7}'])
    >>> decoded = decoder.decode(addresses, lengths, [-1, -1])
    >>> for row, why in decoded.rejected:
    ...     print(row, why)
    0 empty: the record has no value
    1 schema_violation: event_id: expected str, got int
    """

    def __init__(self, event_type: type[msgspec.Struct], max_skew_s: float) -> None:
        if not 0 <= max_skew_s < math.inf:
            raise ValueError(f"max_skew_s must be finite and not negative, not {max_skew_s}")
        self.program = Program.of(event_type)
        self._max_skew_s = max_skew_s
        self._plain = PlainDecoder(self.program)
        self._strict = StrictDecoder(event_type)

    def prepare(self) -> None:
        """Load the compiled fast path now instead of with the first batch.

        Takes a second at most where a process on this machine has done it before, else several.
        """
        self.decode([], [], [])

    def decode(
        self, addresses: ArrayLike, lengths: ArrayLike, record_times_ms: ArrayLike
    ) -> Decoded:
        """Decode n records where they lie in memory.

        Parameters
        ----------
        addresses, lengths : array_like of int64, shape (n,)
            Where the records are and their bytes; no bytes or fewer stand for no value. The memory
            must stay as it is until this returns.
        record_times_ms : array_like of int64, shape (n,)
            The records' own timestamps in milliseconds since 1970; negative where unknown.
        """
        starts = np.ascontiguousarray(addresses, np.int64)
        sizes = np.ascontiguousarray(lengths, np.int64)
        times_ms = np.asarray(record_times_ms, np.int64)
        if not starts.shape == sizes.shape == times_ms.shape == (starts.size,):
            raise ValueError(f"shapes differ: {starts.shape}, {sizes.shape}, {times_ms.shape}")
        columns = Columns.blank(self.program, starts.size)
        plain = self._plain.decode(starts, sizes, columns)
        rejected = self._decode_rest(starts, sizes, columns) if plain < starts.size else []
        late = self._reject_future(columns, times_ms)
        if late:
            rejected = sorted(rejected + late, key=lambda row_and_why: row_and_why[0])
        return Decoded(columns, rejected, plain)

    def decode_one(self, payload: bytes | None) -> Any:
        """Return one record as an event; RejectedRecord where it cannot be one.

        The skew is not checked: a payload alone carries no clock.
        """
        return self._strict.decode(payload)

    def reread(self, payload: bytes) -> Any:
        """Return the event of a record that was found valid before, in a third of the time."""
        return self._strict.reread(payload)

    def _decode_rest(
        self, starts: NDArray[np.int64], sizes: NDArray[np.int64], columns: Columns
    ) -> list[tuple[int, RejectedRecord]]:
        rejected: list[tuple[int, RejectedRecord]] = []
        rows: list[int] = []
        events: list[Any] = []
        rest = np.flatnonzero(~columns.valid)
        for row, start, size in zip(
            rest.tolist(), starts[rest].tolist(), sizes[rest].tolist(), strict=True
        ):
            try:
                payload = ctypes.string_at(start, size) if size > 0 else None
                events.append(self._strict.decode(payload))
                rows.append(row)
            except RejectedRecord as why:
                rejected.append((row, why))
        columns.fill(rows, events, self.program)
        return rejected

    def _reject_future(
        self, columns: Columns, times_ms: NDArray[np.int64]
    ) -> list[tuple[int, RejectedRecord]]:
        """Take back rows from the future, measured against their records' own time."""
        latest_us = np.minimum(times_ms, _YEAR_9999_MS) * 1_000 + round(self._max_skew_s * 1e6)
        late = columns.valid & (times_ms >= 0) & (columns.occurred_at > latest_us)
        if not late.any():
            return []
        columns.valid[late] = False
        detail = f"{OCCURRED_AT}: more than {self._max_skew_s:g} s after the record's own timestamp"
        return [
            (row, RejectedRecord("future_timestamp", detail))
            for row in np.flatnonzero(late).tolist()
        ]


def buffers(
    payloads: Sequence[bytes | None],
) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]]:
    """Lay payloads out in memory for `Decoder.decode`.

    Returns
    -------
    kept : ndarray of uint8
        Holds the bytes; must live as long as the addresses are used.
    addresses, lengths : ndarray of int64, shape (n,)
        -1 is the length of None.
    """
    missing = [row for row, payload in enumerate(payloads) if payload is None]
    there = cast(
        "Sequence[bytes]", [payload or b"" for payload in payloads] if missing else payloads
    )
    lengths = np.fromiter(map(len, there), np.int64, len(payloads))
    kept = np.frombuffer(b"".join((*there, b"\0")), np.uint8)
    addresses = kept.ctypes.data + np.cumsum(lengths) - lengths
    lengths[missing] = -1
    return kept, addresses, lengths
