import pytest

from eddy.schemas.errors import Fenced
from eddy.streams.membership import Rejoins


@pytest.fixture
def clock():
    return {"s": 1_000.0}


@pytest.fixture
def rejoins(clock):
    return Rejoins(lambda: clock["s"])


def test_who_is_fenced_on_a_quiet_connection_has_a_double(rejoins):
    with pytest.raises(Fenced, match="another process runs as 'one'"):
        rejoins.count_or_raise("one")


def test_a_process_outlives_any_number_of_disturbances(rejoins, clock):
    for _ in range(20):
        rejoins.disturbed()
        clock["s"] += 5
        rejoins.count_or_raise("one")
        rejoins.count_or_raise("one")


def test_a_double_is_found_after_a_disturbance_too_and_both_causes_are_said(rejoins, clock):
    rejoins.disturbed()
    for _ in range(Rejoins.MOST):
        clock["s"] += 2
        rejoins.count_or_raise("one")
    with pytest.raises(Fenced, match=r"fenced 'one' 4 times after the cluster was away 6 s ago"):
        rejoins.count_or_raise("one")


def test_a_disturbance_of_long_ago_is_no_excuse(rejoins, clock):
    rejoins.disturbed()
    clock["s"] += Rejoins.DISTURBANCE_S + 1
    with pytest.raises(Fenced):
        rejoins.count_or_raise("one")
