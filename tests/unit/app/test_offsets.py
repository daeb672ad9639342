from datetime import timedelta

import pytest

from eddy.app.replay.offsets import moment, offsets
from eddy.schemas.errors import ConfigError


class Reader:
    def ranges(self, topic):
        return {0: (0, 10), 1: (5, 20)}

    def offsets_at(self, topic, timestamp_ms):
        return {0: timestamp_ms, 1: timestamp_ms}


def test_a_number_is_the_offset_of_every_partition():
    assert offsets(Reader(), "t", "7") == {0: 7, 1: 7}


def test_a_time_is_looked_up():
    assert offsets(Reader(), "t", "1970-01-01T00:00:01.5Z") == {0: 1_500, 1: 1_500}


def test_nothing_given_is_no_bound():
    assert offsets(Reader(), "t", None) == {}


@pytest.mark.parametrize("given", ["yesterday", "2026-01-01T00:00:00", "-1", "²"])
def test_anything_else_is_refused(given):
    with pytest.raises(ConfigError, match="--from/--to"):
        offsets(Reader(), "t", given)


def test_a_moment_keeps_its_offset():
    assert moment("2026-01-01T00:00:00+02:00", "--start").utcoffset() == timedelta(hours=2)
