import numpy as np
import pytest

from eddy.schemas.errors import MissingResource
from eddy.streams.control import parse
from eddy.streams.records import ReadError, Records, Run, raise_if_refused


def records(*runs):
    empty = np.empty(0, np.int64)
    return Records(
        list(runs), [], empty, empty, empty, empty, lambda _: None, lambda _: None, list, list
    )


def test_neighbouring_runs_of_a_topic_are_one_segment():
    found = records(Run("a", 0, 0, 5), Run("a", 1, 5, 7), Run("b", 0, 7, 9), Run("a", 0, 9, 10))
    assert list(found.segments()) == [("a", 0, 7), ("b", 7, 9), ("a", 9, 10)]


def test_error_rows_part_segments():
    found = records(Run("a", 0, 0, 5), Run("a", 1, 6, 7))
    assert list(found.segments()) == [("a", 0, 5), ("a", 6, 7)]
    assert list(records().segments()) == []


def test_refused_credentials_end_the_process_others_do_not():
    raise_if_refused(ReadError(-195, "transport", "t", 0))
    with pytest.raises(MissingResource, match="not authorised to read"):
        raise_if_refused(ReadError(29, "denied", "t", 0))


@pytest.mark.parametrize(
    "noise", [None, b"", b"x", b"{}", b'{"command_id":"1","kind":"dance"}', b"\xff"]
)
def test_noise_is_no_command(noise):
    assert parse(noise) is None


def test_a_command_is_parsed_and_newer_fields_are_ignored():
    command = parse(b'{"command_id":"1","kind":"model_promoted","name":"rides","later":1}')
    assert (command.kind, command.name) == ("model_promoted", "rides")
