import pytest

from eddy.models.judge import TimedJudge
from eddy.streams.idle_clock import KEPT, IdleClock, note_in
from tests.support.toy import TOY, IntervalJudge, ToyJudge, ToyPolicy, toy

SECOND = 1_000_000


def judge(watermark_us=None):
    policy = ToyPolicy(interval_s=1.0)
    made = IntervalJudge(policy, TOY.default_model(), None)
    if watermark_us is not None:
        made.watermark_us = made.begin_us = watermark_us
    return made


def closed(clock, made, position=7):
    return [step.closed for step in clock.advance(made, position)]


@pytest.fixture
def wall():
    return {"ms": 5_000_000}


@pytest.fixture
def clock(wall):
    return IdleClock(now_ms=lambda: wall["ms"])


def test_only_judges_that_know_time_are_timed():
    assert isinstance(judge(), TimedJudge)
    assert toy(ToyPolicy(interval_s=1.0)).is_timed
    assert not isinstance(ToyJudge(ToyPolicy(), TOY.default_model(), None), TimedJudge)
    assert not toy(ToyPolicy()).is_timed


def test_event_time_goes_on_at_the_pace_of_the_wall_clock(clock, wall):
    made = judge(10 * SECOND)
    clock.moved(made, wall["ms"])
    wall["ms"] += 999
    assert closed(clock, made) == []
    wall["ms"] += 1_001
    assert len(closed(clock, made)) == 2
    assert made.watermark_us == 12 * SECOND
    # of ticks at one offset the last says it all
    assert [tick.watermark_us for tick in note_in(clock.note).ticks] == [12 * SECOND]


def test_a_tick_is_in_the_note_before_its_verdicts_are_published(clock, wall):
    made = judge(10 * SECOND)
    clock.moved(made, wall["ms"])
    wall["ms"] += 1_000
    for _ in clock.advance(made, 7):
        assert len(note_in(clock.note).ticks) == 1


def test_before_the_first_event_nothing_passes(clock, wall):
    wall["ms"] += 10**9
    assert closed(clock, judge()) == []
    assert clock.note == ""


def test_after_a_restart_time_goes_on_where_the_last_tick_was(clock, wall):
    made = judge(10 * SECOND)
    clock.moved(made, wall["ms"])
    wall["ms"] += 1_000
    closed(clock, made)
    again = IdleClock(clock.note, now_ms=lambda: wall["ms"])
    restored = judge(10 * SECOND)
    again.replay(restored, 7)
    assert restored.watermark_us == made.watermark_us == 11 * SECOND
    wall["ms"] += 3_000  # while nothing ran
    assert len(closed(again, restored)) == 3


def test_a_state_that_knows_a_tick_does_not_take_it_again(clock, wall):
    made = judge(10 * SECOND)
    clock.moved(made, wall["ms"])
    wall["ms"] += 1_000
    closed(clock, made)
    made.begin_us -= SECOND  # taking it again would close this one
    IdleClock(clock.note).replay(made, 7)
    assert made.begin_us == 10 * SECOND


def test_ticks_wait_for_their_offset(clock, wall):
    made = judge(10 * SECOND)
    clock.moved(made, wall["ms"])
    wall["ms"] += 1_000
    closed(clock, made, position=7)
    again, restored = IdleClock(clock.note), judge(10 * SECOND)
    assert again.next_replay() == 7
    again.replay(restored, 6)
    assert restored.watermark_us == 10 * SECOND
    again.replay(restored, 7)
    assert again.next_replay() is None
    again.rewind()
    assert again.next_replay() == 7


def test_the_note_stays_within_what_brokers_take(clock, wall):
    made = judge(10**15)
    clock.moved(made, wall["ms"])
    for number in range(2 * KEPT):
        wall["ms"] += 1_000
        assert len(closed(clock, made, position=10**12 + number)) == 1
    assert len(note_in(clock.note).ticks) == KEPT
    assert len(clock.note) < 4_096


@pytest.mark.parametrize("note", ["", "somebody else's", "[[1]]", '{"a": 1}'])
def test_metadata_of_others_is_no_ticks(note):
    assert note_in(note).ticks == []
    assert IdleClock(note).note == ""
