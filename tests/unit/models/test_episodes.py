import pytest

from eddy.models.detectors.forecast_band.episodes import (
    NO_EPISODE,
    EpisodeTransition,
    Flag,
    changes,
    episodes,
)


def flags(text, first=10):
    """``+`` above, ``-`` below, ``.`` within; a digit is an interval above with that score."""
    found = []
    for n, sign in enumerate(text):
        side = 0 if sign == "." else -1 if sign == "-" else 1
        found.append(Flag(first + n, side, float(sign) if sign.isdigit() else 1.1 * abs(side)))
    return found


def runs(text, before=NO_EPISODE):
    return [(e.start, e.side, e.is_open) for e in episodes(before, flags(text))]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("...", []),
        ("+", [(10, 1, True)]),
        ("++.", [(10, 1, False)]),
        ("+.-", [(10, 1, False), (12, -1, True)]),
        ("+-", [(10, 1, False), (11, -1, True)]),
        (".++..+", [(11, 1, False), (15, 1, True)]),
    ],
)
def test_an_episode_is_a_run_on_one_side(text, expected):
    assert runs(text) == expected


def test_a_run_goes_on_from_before():
    (before,) = episodes(NO_EPISODE, flags("++", first=8))
    assert runs("+.", before) == [(8, 1, False)]
    assert runs(".", before) == [(8, 1, False)]
    assert runs("-", before) == [(8, 1, False), (10, -1, True)]


def told(before, after):
    found = changes(episodes(NO_EPISODE, flags(before)), episodes(NO_EPISODE, flags(after)))
    return [(change.op, change.episode.start) for change in found]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("", "+", [("open", 10)]),
        ("+", "++", []),
        ("2", "23", [("update", 10)]),
        ("3", "32", []),
        ("+", "+.", [("close", 10)]),
        ("+", "+-", [("close", 10), ("open", 11)]),
        ("+", ".", [("retract", 10)]),  # a late payment
        ("+.", "..", [("retract", 10)]),
        (".", "+", [("open", 10)]),
        ("..", "+.", [("open", 10), ("close", 10)]),  # late, and over already
        ("++", ".+", [("retract", 10), ("open", 11)]),
        (".+", "++", [("retract", 11), ("open", 10)]),
        ("+.", "++", [("update", 10)]),  # opened again
        ("+.+", "+++", [("retract", 12), ("update", 10)]),  # two become one
    ],
)
def test_what_is_told_is_the_difference(before, after, expected):
    assert told(before, after) == expected


def test_worse_is_told_by_steps_of_a_quarter():
    def told_between(low, high):
        first, second = Flag(10, 1, low), Flag(11, 1, high)
        before, after = episodes(NO_EPISODE, [first]), episodes(NO_EPISODE, [first, second])
        return list(changes(before, after))

    assert told_between(1.0, 1.2) == []
    (change,) = told_between(1.0, 1.26)
    assert isinstance(change, EpisodeTransition)
    assert (change.op, change.episode.worst, change.episode.worst_window) == ("update", 1.26, 11)
