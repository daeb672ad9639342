"""Who is told of what: the policy's exceptions, laid out by slot."""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np

from eddy.models.arrays import Codes, Flags, Ints
from eddy.models.detectors.forecast_band.scoring import SNOOZED, SPECIAL, TOLD
from eddy.models.domains.tpv.policy import Selection, TpvPolicy

_NOBODY = np.uint64(0)


class Rules:
    """What holds for n merchants under one policy; built anew when the policy changes.

    Nothing of it is state: it follows from the policy and from who has which slot.

    Parameters
    ----------
    policy : TpvPolicy
    name, segment : callable
        Of a slot.
    """

    def __init__(
        self, policy: TpvPolicy, name: Callable[[int], str], segment: Callable[[int], str]
    ) -> None:
        self._policy, self._name, self._segment = policy, name, segment
        self._zone = ZoneInfo(policy.timezone)
        self._selections: Sequence[Selection] = [
            *policy.rules,
            *policy.snoozes,
            *policy.calendars,
        ]
        self._all = sum(
            1 << k for k, selection in enumerate(self._selections) if _is_all(selection)
        )
        self._by_merchant = _bits(selection.merchants for selection in self._selections)
        self._by_segment = _bits(selection.segments for selection in self._selections)
        self._concerned = np.zeros(0, np.uint64)
        self.above, self.below = np.zeros(0, np.bool_), np.zeros(0, np.bool_)
        self.min_absolute, self.min_relative = np.zeros(0), np.zeros(0)

    @property
    def cold_score(self) -> float:
        """See `eddy.models.detectors.forecast_band.scoring.AlarmLimits`."""
        return self._policy.cold_start_score

    @property
    def publish_suppressed(self) -> bool:
        """See `eddy.models.detectors.forecast_band.scoring.AlarmLimits`."""
        return self._policy.publish_suppressed

    def __len__(self) -> int:
        return len(self._concerned)

    def make_room(self, count: int) -> None:
        """Have entries for so many slots."""
        more = count - len(self)
        if more <= 0:
            return
        self._concerned = np.concatenate([self._concerned, np.zeros(more, np.uint64)])
        for name in ("above", "below", "min_absolute", "min_relative"):
            array = getattr(self, name)
            setattr(self, name, np.concatenate([array, np.zeros(more, array.dtype)]))

    def meet(self, slots: Ints) -> None:
        """Look up what concerns the merchants that have these slots now."""
        if self._selections:
            bits = [self._concerning(slot) for slot in slots.tolist()]
            self._concerned[slots] = np.array(bits, np.uint64)
        self._settle(slots)

    def muted(self, begin_us: int, count: int) -> Codes:
        """Return why nothing is told of an interval, by slot: `TOLD`, `SNOOZED` or `SPECIAL`.

        Parameters
        ----------
        begin_us : int
            When it begins.
        count : int
            For the first so many slots.
        """
        muted = np.full(count, TOLD, np.uint8)
        begin = datetime.fromtimestamp(begin_us / 1e6, UTC)
        day = begin.astimezone(self._zone).date()
        first = len(self._policy.rules)
        for number, snooze in enumerate(self._policy.snoozes, first):
            if snooze.begin <= begin < snooze.end:
                muted[self._whom(number, count)] = SNOOZED
        for number, special in enumerate(self._policy.calendars, first + len(self._policy.snoozes)):
            if day in special.days:
                muted[self._whom(number, count)] = SPECIAL
        return muted

    def _concerning(self, slot: int) -> int:
        by_name = self._by_merchant.get(self._name(slot), 0)
        return self._all | by_name | self._by_segment.get(self._segment(slot), 0)

    def _settle(self, slots: Ints) -> None:
        policy = self._policy
        self.above[slots] = policy.directions != "below"
        self.below[slots] = policy.directions != "above"
        self.min_absolute[slots], self.min_relative[slots] = (
            policy.min_absolute,
            policy.min_relative,
        )
        for number, rule in enumerate(policy.rules):
            concerned = slots[self._whom(number, len(self))[slots]]
            if rule.directions is not None:
                self.above[concerned] = rule.directions != "below"
                self.below[concerned] = rule.directions != "above"
            if rule.min_absolute is not None:
                self.min_absolute[concerned] = rule.min_absolute
            if rule.min_relative is not None:
                self.min_relative[concerned] = rule.min_relative

    def _whom(self, number: int, count: int) -> Flags:
        return np.asarray(self._concerned[:count] & np.uint64(1 << number) != _NOBODY, np.bool_)


def _is_all(selection: Selection) -> bool:
    return not selection.merchants and not selection.segments


def _bits(names: Iterable[list[str]]) -> dict[str, int]:
    bits: dict[str, int] = {}
    for number, several in enumerate(names):
        for name in several:
            bits[name] = bits.get(name, 0) | 1 << number
    return bits
