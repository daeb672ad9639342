"""What is known of merchants besides numbers: names, segments, countries; by slot."""

from typing import Any

import holidays
import msgspec
import numpy as np
from numpy.typing import NDArray

from eddy.models.forecasting.calendar import SegmentLocation
from eddy.schemas.payments import Payment

MOST_SEGMENTS = 32
"""Pairs of trade and country told apart; further ones share the first, of those with neither."""

_COUNTRIES = frozenset(holidays.list_supported_countries(include_aliases=True))


class Merchants:
    """Names and segments by slot.

    Parameters
    ----------
    zone : str
        IANA time zone of all of them.
    pairs : list of (str, str), optional
        Trade and country of the segments that are known already.
    """

    def __init__(self, zone: str, pairs: list[tuple[str, str]] | None = None) -> None:
        self._zone = zone
        self._names: list[str] = []
        self._pairs = list(pairs or [("", "")])
        self._segment_of = {pair: number for number, pair in enumerate(self._pairs)}

    def __len__(self) -> int:
        return len(self._names)

    def meet(self, slot: int, name: str, payment: Payment) -> int:
        """Take in who has a slot from now on, with a first payment; return the segment."""
        if slot >= len(self._names):
            self._names += [""] * (slot + 1 - len(self._names))
        self._names[slot] = name
        country = (payment.country or "").upper()
        pair = (payment.segment or "", country if country in _COUNTRIES else "")
        if pair not in self._segment_of and len(self._pairs) < MOST_SEGMENTS:
            self._segment_of[pair] = len(self._pairs)
            self._pairs.append(pair)
        return self._segment_of.get(pair, 0)

    def name(self, slot: int) -> str:
        """Return the merchant's id."""
        return self._names[slot]

    def country(self, segment: int) -> str | None:
        """Return the country of a segment, whose holidays count."""
        return self._pairs[segment][1] or None if segment < len(self._pairs) else None

    def trade(self, segment: int) -> str:
        """Return the trade of a segment; nothing of the first, which is of all others."""
        return self._pairs[segment][0] if segment < len(self._pairs) else ""

    def places(self) -> list[SegmentLocation]:
        """Return where each of the `MOST_SEGMENTS` segments is, also those not met yet."""
        return [
            SegmentLocation(self._zone, self.country(segment)) for segment in range(MOST_SEGMENTS)
        ]

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """Return the state as named arrays."""
        text = msgspec.msgpack.encode([self._names, self._pairs])
        return {"merchants": np.frombuffer(text, np.uint8)}

    def restore(self, state: dict[str, NDArray[Any]]) -> None:
        """Take over a state that `snapshot` returned; ValueError where it is none."""
        kind = tuple[list[str], list[tuple[str, str]]]
        try:
            names, pairs = msgspec.msgpack.decode(state["merchants"].tobytes(), type=kind)
        except msgspec.MsgspecError as error:
            raise ValueError(f"merchants: {error}") from error
        self._names, self._pairs = names, pairs
        self._segment_of = {pair: number for number, pair in enumerate(pairs)}
