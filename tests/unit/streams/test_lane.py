import pytest

from eddy.schemas.errors import CircuitOpen
from eddy.schemas.rejections import Rejection
from eddy.streams.lane import CircuitBreaker

BAD = Rejection(
    reason="malformed_json",
    detail="d",
    topic="t",
    partition=0,
    offset=7,
    key=None,
    payload=b"x",
    trace="t-0-7",
)


def test_the_fuse_holds_while_enough_is_good():
    fuse = CircuitBreaker(0.9, 100)
    for _ in range(50):
        fuse.count(100, 89, "toy", BAD)


def test_the_fuse_waits_for_a_full_window():
    fuse = CircuitBreaker(0.9, 100)
    fuse.count(99, 99, "toy", BAD)


def test_the_fuse_blows_and_says_what_was_last():
    fuse = CircuitBreaker(0.9, 100)
    fuse.count(50, 50, "toy", BAD)
    with pytest.raises(CircuitOpen, match="toy: 95% of the last 100 .*malformed_json: d at t-0-7"):
        fuse.count(50, 45, "toy", BAD)


def test_old_sins_are_forgotten():
    fuse = CircuitBreaker(0.9, 100)
    fuse.count(99, 99, "toy", BAD)
    fuse.count(100, 0, "toy", None)
    fuse.count(99, 99, "toy", BAD)
