"""What can be a row and what cannot: whatever is taken, Arrow takes too."""

import msgspec
import pytest

from eddy.lake import tables
from eddy.lake.sink.rows import Delivered, arrow_of, row_of
from eddy.schemas.errors import RejectedRecord
from eddy.schemas.rides import Ride
from tests.support.lake_sink import MODEL, anomaly, encode

CHANGES, REJECTIONS = tables.changes("rides"), tables.rejections()
HISTORY = tables.history("rides", Ride)
TOO_LARGE = [2**63, 2**64, 2**70, -(2**63) - 1, -(2**70)]


def record(value=None, headers=None, timestamp_ms=1_700_000_000_000):
    return Delivered("topic", 0, 7, timestamp_ms, value, headers or {})


def at_offset(number):
    return encode({**msgspec.to_builtins(anomaly("rides", 1)), "source": raw_source(number)})


def raw_source(number):
    return {"topic": "t", "partition": 0, "offset": msgspec.Raw(str(number).encode())}


def written(spec, one):
    return arrow_of(spec.schema, [row_of(spec, one)]).to_pylist()[0]


@pytest.mark.parametrize("number", TOO_LARGE)
def test_an_integer_that_no_column_holds_is_refused(number):
    with pytest.raises(RejectedRecord, match=r"schema_violation.*source\.offset"):
        row_of(CHANGES, record(at_offset(number)))
    with pytest.raises(RejectedRecord, match="schema_violation: header offset"):
        row_of(REJECTIONS, record(b"x", {"offset": str(number).encode()}))


@pytest.mark.parametrize("number", [2**63 - 1, -(2**63)])
def test_the_largest_that_one_holds_are_taken(number):
    assert written(CHANGES, record(at_offset(number)))["source"]["offset"] == number
    headers = {"offset": str(number).encode()}
    assert written(REJECTIONS, record(b"x", headers))["offset"] == number


@pytest.mark.parametrize("number", TOO_LARGE)
def test_a_label_is_text_and_may_be_any_number(number):
    event = msgspec.Raw(b'{"vendor_id": %d}' % number)
    value = {"model": MODEL, "source": None, "event": event}
    assert written(HISTORY, record(encode(value)))["event"]["vendor_id"] == str(number)


@pytest.mark.parametrize("timestamp_ms", [2**62, -(2**62), 10**15])
def test_a_time_that_is_none_is_refused(timestamp_ms):
    with pytest.raises(RejectedRecord, match="timestamp is no time"):
        row_of(CHANGES, record(at_offset(1), timestamp_ms=timestamp_ms))
