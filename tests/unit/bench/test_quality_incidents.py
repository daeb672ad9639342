"""How episodes are held against incidents."""

import pytest

from bench.quality.incidents import Span, elsewhere, is_hit, shares
from eddy.datasets.simulation.payments.stream import Incident

HOUR, DAY = 3_600_000_000, 86_400_000_000
DIP = Incident("m-1", "dip", 10 * DAY, 11 * DAY, 0.2, 50.0)
SHIFT = Incident("m-1", "level_shift", 10 * DAY, 40 * DAY, 3.0, 900.0)


@pytest.mark.parametrize(
    ("episode", "incident", "hit"),
    [
        (Span("m-1", 10 * DAY, 10 * DAY + HOUR), DIP, True),
        (Span("m-2", 10 * DAY, 10 * DAY + HOUR), DIP, False),
        (Span("m-1", 9 * DAY, 10 * DAY), DIP, False),
        (Span("m-1", 11 * DAY + HOUR, 11 * DAY + 2 * HOUR), DIP, True),  # the way back
        (Span("m-1", 12 * DAY, 13 * DAY), DIP, False),
        (Span("m-1", 13 * DAY, 14 * DAY), SHIFT, True),
        (Span("m-1", 15 * DAY, 16 * DAY), SHIFT, False),  # the new level is no news any more
    ],
)
def test_an_episode_is_of_an_incident_where_they_overlap(episode, incident, hit):
    assert is_hit(episode, incident) is hit


def test_recall_counts_what_can_be_seen_and_precision_every_episode():
    small = Incident("m-2", "dip", 20 * DAY, 21 * DAY, 0.5, 3.0)
    episodes = [
        Span("m-1", 10 * DAY, 10 * DAY + HOUR),
        Span("m-2", 20 * DAY, 20 * DAY + HOUR),
        Span("m-3", 20 * DAY, 20 * DAY + HOUR),
        Span("m-3", 30 * DAY, 30 * DAY + HOUR),
    ]
    missed = Incident("m-9", "spike", 20 * DAY, 21 * DAY, 5.0, 80.0)
    assert shares(episodes, [DIP, small, missed]) == (0.5, 0.5)
    assert shares([], [DIP]) == (0.0, 0.0)


def test_random_episodes_are_as_many_and_as_long():
    episodes = [Span("m-1", 10 * DAY, 10 * DAY + n * HOUR) for n in range(1, 9)]
    drawn = elsewhere(episodes, 14 * DAY, seed=3)
    assert [s.end_us - s.start_us for s in drawn] == [n * HOUR for n in range(1, 9)]
    assert len({s.merchant for s in drawn}) > 1
    assert min(s.start_us for s in drawn) >= 14 * DAY
