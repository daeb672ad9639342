from hypothesis import given
from hypothesis import strategies as st

from eddy.app.simulate.tally import RecallCounts


def test_nothing_seen_is_no_score():
    score = RecallCounts().score()
    assert (score.precision, score.recall) == (None, None)


def test_what_was_judged_while_warming_up_does_not_count():
    tally = RecallCounts()
    for name in "ab":
        tally.inject(name, "teleport")
    tally.judge("a", "warming")
    tally.judge("b", "anomaly")
    tally.flag("b")
    score = tally.score()
    assert (score.injected, score.recall, tally.warming) == (1, 1.0, 1)


def test_not_yet_judged_is_not_missed():
    tally = RecallCounts()
    tally.inject("a", "teleport")
    assert tally.score().recall is None
    assert tally.missed() == {}


def test_natural_oddities_are_false_alarms():
    tally = RecallCounts()
    tally.inject("a", "teleport")
    for name in "ab":
        tally.judge(name, "anomaly")
        tally.flag(name)
    assert tally.score().precision == 0.5


def test_the_missed_are_told_by_kind():
    tally = RecallCounts()
    for name in "abc":
        tally.inject(name, "stuck_gps")
        tally.judge(name, "normal")
    tally.flag("b")
    assert tally.missed() == {"stuck_gps": 2}


def test_a_record_sent_twice_counts_once():
    tally = RecallCounts()
    for _ in range(2):
        tally.inject("a", "teleport")
        tally.judge("a", "anomaly")
        tally.flag("a")
    score = tally.score()
    assert (score.injected, score.found, score.flagged) == (1, 1, 1)


NAMES = st.sets(st.integers(0, 30).map(str))


@given(injected=NAMES, judged=NAMES, warming=NAMES, flagged=NAMES)
def test_the_score_is_set_arithmetic(injected, judged, warming, flagged):
    tally = RecallCounts()
    flagged &= judged - warming  # what is flagged was judged
    for name in injected:
        tally.inject(name, "kind")
    for name in judged:
        tally.judge(name, "warming" if name in warming else "normal")
    for name in flagged:
        tally.flag(name)
    score, truth = tally.score(), injected & (judged - warming)
    assert score.injected == len(truth)
    assert score.found == len(truth & flagged)
    assert score.recall == (len(truth & flagged) / len(truth) if truth else None)
    assert score.precision == (len(injected & flagged) / len(flagged) if flagged else None)
    assert sum(tally.missed().values()) == score.injected - score.found
