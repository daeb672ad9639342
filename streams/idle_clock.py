"""Idle time: a judge's clock goes on while its partition brings no events.

A judge that closes intervals waits for its watermark, and events move it. Where none come, the
engine moves it at the pace of the wall clock, so that silence is noticed. Such a tick is nothing
that the log could tell on replay: it is kept in the metadata of the committed offset, in the same
transaction as what it published, and is taken again at the same place when state is rebuilt.
"""

import time
from collections.abc import Callable, Iterator

import msgspec
import structlog

from eddy.models.judge import TimedJudge, Verdicts

log = structlog.get_logger()

KEPT = 64
"""Ticks in the metadata, one for each offset at which time passed: some 30 bytes each, and brokers
take 4,096 bytes by default."""


class Tick(msgspec.Struct, frozen=True, array_like=True):
    """One step of a judge's clock without an event.

    Attributes
    ----------
    offset : int
        The next offset to judge when it was taken.
    watermark_us : int
        What the watermark became; event time in microseconds since 1970.
    """

    offset: int
    watermark_us: int


class ClockNote(msgspec.Struct, frozen=True, array_like=True):
    """What is committed beside an offset.

    Attributes
    ----------
    lag_us : int or None
        How far the wall clock was ahead of the watermark when the last record came.
    ticks : list of Tick
        The last ones taken, in their order.
    """

    lag_us: int | None = None
    ticks: list[Tick] = []


class IdleClock:
    """The clock of one partition; built with the ticks that came with its committed offset.

    Parameters
    ----------
    note : str
        The committed offset's metadata; anything that is not ours counts as no ticks.
    now_ms : callable
        The wall clock.
    """

    def __init__(
        self, note: str = "", now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000
    ) -> None:
        self._now_ms = now_ms
        known = note_in(note)
        self._lag_us, self._ticks = known.lag_us, known.ticks
        self._replayed = 0
        self._moved = time.monotonic()

    @property
    def note(self) -> str:
        """What must be committed beside the offset; empty where time plays no part."""
        if self._lag_us is None and not self._ticks:
            return ""
        return msgspec.json.encode(ClockNote(self._lag_us, self._ticks)).decode()

    @property
    def last_us(self) -> int:
        """The watermark of the last tick, 0 before the first: tells states at one offset apart."""
        return self._ticks[-1].watermark_us if self._ticks else 0

    def moved(self, judge: TimedJudge, timestamp_ms: int) -> None:
        """Note that records came, the last of them with this timestamp (negative: unknown)."""
        self._moved = time.monotonic()
        if judge.watermark_us is not None:
            at_ms = timestamp_ms if timestamp_ms >= 0 else self._now_ms()
            self._lag_us = at_ms * 1_000 - judge.watermark_us

    def is_idle(self, after_s: float) -> bool:
        """Whether no records have come for so long."""
        return time.monotonic() - self._moved >= after_s

    def advance(self, judge: TimedJudge, position: int) -> Iterator[Verdicts]:
        """Let the judge close what is due by the wall clock; each step is kept as a tick."""
        if judge.watermark_us is None:
            return  # no event yet: there is nothing whose silence could be noticed
        now_ms = self._now_ms()
        if self._lag_us is None:
            self._lag_us = now_ms * 1_000 - judge.watermark_us
        target = now_ms * 1_000 - self._lag_us
        while (due := judge.due_us) is not None and due <= target:
            verdicts = judge.advance(due)
            # of ticks at one offset the last says it all: the way there is the judge's own
            before = [tick for tick in self._ticks if tick.offset != position]
            self._ticks = [*before, Tick(position, due)][-KEPT:]
            self._replayed = len(self._ticks)
            yield verdicts

    def replay(self, judge: TimedJudge, up_to: int) -> None:
        """Take again the ticks at offsets up to and including `up_to`, without output."""
        while self._replayed < len(self._ticks) and self._ticks[self._replayed].offset <= up_to:
            tick = self._ticks[self._replayed]
            self._replayed += 1
            # A checkpoint taken after the tick knows it already.
            if judge.watermark_us is not None and judge.watermark_us < tick.watermark_us:
                judge.advance(tick.watermark_us)

    def next_replay(self) -> int | None:
        """Return the offset before which the next tick must be taken again, None for none."""
        if self._replayed < len(self._ticks):
            return self._ticks[self._replayed].offset
        return None

    def rewind(self) -> None:
        """Begin the replay anew, for a judge that is rebuilt from an earlier offset."""
        self._replayed = 0
        self._moved = time.monotonic()


def note_in(text: str) -> ClockNote:
    """Return what a committed offset's metadata says; nothing where it is not ours."""
    if not text:
        return ClockNote()
    try:
        return msgspec.json.decode(text, type=ClockNote)
    except msgspec.MsgspecError as error:
        log.warning("offset_metadata_ignored", why=str(error))
        return ClockNote()
