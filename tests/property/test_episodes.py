"""Whatever changes, and in whatever order: who hears the changes knows the episodes."""

from hypothesis import given
from hypothesis import strategies as st

from eddy.models.detectors.forecast_band.episodes import (
    NO_EPISODE,
    EpisodeTransition,
    Flag,
    changes,
    episodes,
)

sides = st.sampled_from([-1, 0, 0, 1])
scores = st.floats(1.0, 30.0)
intervals = st.lists(st.tuples(sides, scores), min_size=1, max_size=8)
revisions = st.lists(st.tuples(st.integers(0, 7), sides, scores), max_size=12)


def flags(judged):
    return [Flag(n, side, score) for n, (side, score) in enumerate(judged)]


def heard(known: dict[int, tuple[int, bool]], change: EpisodeTransition) -> None:
    start, episode = change.episode.start, change.episode
    if change.op == "retract":
        assert start in known, "nothing that was not told can be taken back"
        del known[start]
        return
    assert (change.op == "open") == (start not in known), "opened once, and before all else"
    known[start] = (episode.side, change.op != "close")


@given(intervals, revisions)
def test_hearing_the_changes_is_knowing_the_episodes(judged, late):
    known: dict[int, tuple[int, bool]] = {}
    so_far: list[tuple[int, float]] = []
    steps = [("closed", one) for one in judged] + [("late", one) for one in late]
    for kind, one in steps:
        before = episodes(NO_EPISODE, flags(so_far))
        if kind == "closed":
            so_far.append(one)
        elif one[0] < len(so_far):
            so_far[one[0]] = one[1:]
        after = episodes(NO_EPISODE, flags(so_far))
        for change in changes(before, after):
            heard(known, change)
        assert known == {e.start: (e.side, e.is_open) for e in after}


@given(intervals, st.integers(0, 8))
def test_where_the_run_so_far_is_cut_changes_nothing(judged, at):
    whole = episodes(NO_EPISODE, flags(judged))
    first = episodes(NO_EPISODE, flags(judged)[:at])
    run = first[-1] if first and first[-1].is_open else NO_EPISODE
    rest = episodes(run, flags(judged)[at:])
    done = first[:-1] if run.is_open else first
    assert done + rest == whole
