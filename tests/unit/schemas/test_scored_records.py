"""Scored events as JSON: what msgspec would write, and what every reader of tables takes."""

import json
from datetime import UTC, datetime, timedelta

import msgspec
import numpy as np
import pytest

from eddy.schemas.anomalies import ModelRef, Source
from eddy.schemas.decoding import Decoder
from eddy.schemas.rides import Ride
from eddy.schemas.scored import Scored
from eddy.schemas.scored_records import JudgedEvents, prepare, scored_records, verdicts
from eddy.schemas.spans import Spans
from tests.support.corpus import HARMLESS, RIDE, extended, ride, spelled

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MODEL = ModelRef("rides", "7", "ab" * 32, datetime(2024, 1, 2, tzinfo=UTC))
TOPIC = 'events.rides "é"'


def judged(payloads, scores=None, flagged=(), times=None, offsets=None):
    """Return rides as judged, each of which must be a valid one."""
    decoder, spans = Decoder(Ride, max_skew_s=300.0), Spans.of(payloads)
    columns = decoder.decode(spans.addresses, spans.lengths, np.full(len(payloads), -1)).columns
    assert columns.valid.all()
    return JudgedEvents(
        events=spans,
        offsets=np.arange(len(payloads)) if offsets is None else np.array(offsets),
        occurred_at=columns.occurred_at if times is None else np.array(times),
        scores=np.zeros(len(payloads)) if scores is None else np.array(scores),
        flagged=np.array(flagged, np.int64),
        event=lambda row: decoder.reread(payloads[row]),
    )


def published(one: JudgedEvents) -> list[bytes | None]:
    return scored_records(one, MODEL, TOPIC, 3).texts()


def event_of(payload: bytes) -> bytes:
    """Return the event within the record that is published of it."""
    (record,) = published(judged([payload]))
    return bytes(msgspec.json.decode(record, type=Scored).event)


def test_records_are_those_that_msgspec_writes():
    rng = np.random.default_rng(7)
    count = 3_000
    payloads = [ride(event_id=f"r{row}", fare=float(rng.normal())) for row in range(count)]
    scores = np.where(rng.random(count) < 0.1, np.nan, 10 ** rng.uniform(-320, 300, count))
    scores[:6] = [0.0, 1.0, 5e-324, 1.7976931348623157e308, np.inf, 0.1]
    flagged = np.flatnonzero((scores > 1) & ~np.isnan(scores))
    first, last = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999_999, UTC)
    bounds = [(moment - EPOCH) // timedelta(microseconds=1) for moment in (first, last)]
    times = rng.integers(bounds[0], bounds[1], count, endpoint=True)
    times[:5] = [*bounds, -1, 0, 1]
    times[1_000:2_000] //= 1_000_000
    times[1_000:2_000] *= 1_000_000  # whole seconds
    offsets = np.sort(rng.integers(0, 2**63 - 1, count, endpoint=True))
    offsets[0] = 0
    got = published(judged(payloads, scores, flagged, times, offsets))
    names = np.where(np.isnan(scores), "warming", "normal").astype(object)
    names[flagged] = "anomaly"
    assert got == [
        msgspec.json.encode(
            Scored(
                occurred_at=EPOCH + timedelta(microseconds=int(times[row])),
                score=None if np.isnan(scores[row]) else float(scores[row]),
                verdict=names[row],
                model=MODEL,
                source=Source(TOPIC, 3, int(offsets[row])),
                event=msgspec.Raw(payloads[row]),
            )
        )
        for row in range(count)
    ]


def test_leap_days_and_month_ends_are_dates():
    years, months = (1900, 1904, 1970, 2000, 2023, 2024, 2100), range(2, 13)
    starts = [datetime(year, month, 1, tzinfo=UTC) for year in years for month in months]
    days = [start - timedelta(days=1) for start in starts]
    times = [int(day.timestamp()) * 1_000_000 for day in days]
    records = published(judged([ride()] * len(days), times=times))
    found = [msgspec.json.decode(record, type=Scored).occurred_at for record in records]
    assert found == days


def test_a_flagged_row_without_a_score_is_warming():
    assert verdicts(np.array([np.nan, np.nan, 2.0]), np.array([0, 2])).tolist() == [2, 2, 1]


def test_nothing_judged_gives_nothing():
    prepare()
    assert published(judged([])) == []


TAKEN_AS_SENT = {
    "plain": ride(),
    "not ASCII": ride(pickup_zone="Zürich ☃", note="ein Übermaß"),
    "escapes": spelled("pickup_zone", r'"a\"b\\\u0041\ud83d\ude00\u0000"'),
    "a quote at the end of an escape": extended(r',"x":"\\","y":"\\\""'),
    "a name twice": extended(',"fare":1.5,"fare":2.5'),
    "an escaped name twice": extended(r',"fa\u0072e":7'),
    "18 digits": extended(',"x":123456789012345678'),
    "text that looks like a number": ride(pickup_zone="9" * 40, note="1e99999999999"),
    "many decimals": extended(',"x":0.' + "1" * 90),
    "a small power": extended(',"x":1.5e-999'),
    "nested": extended(',"x":{"y":[1,[2,{"z":null}]],"w":true}'),
    "blanks": json.dumps(RIDE, indent=2).encode(),
}  # fmt: skip


@pytest.mark.parametrize("payload", TAKEN_AS_SENT.values(), ids=TAKEN_AS_SENT)
def test_an_event_goes_on_as_it_was_sent(payload):
    assert event_of(payload) == payload


WRITTEN_ANEW = {
    "an integer beyond 64 bits": extended(',"x":' + "9" * 40),
    "a negative one of 19 characters": extended(',"x":-123456789012345678'),
    "an integer that no parser of Java's takes": extended(',"x":' + "9" * 2_000),
    "a number that none takes": extended(',"x":0.' + "1" * 2_000),
    "an exponent that none takes": extended(',"x":1e99999999999'),
    "one within a list": extended(',"x":[[1E+9999999999]]'),
    "one behind text with escapes": extended(r',"x":"\"","y":' + "9" * 40),
    "a name of 55,000 characters": extended(f',"{"n" * 55_000}":1'),
}


@pytest.mark.parametrize("payload", WRITTEN_ANEW.values(), ids=WRITTEN_ANEW)
def test_what_readers_trip_over_is_left_behind(payload):
    event = json.loads(event_of(payload))
    assert event == {name: RIDE[name] for name in event}
    assert event.keys() == RIDE.keys()


@pytest.mark.parametrize("label", [10**18, 2**63, -(2**63) - 1, 10**3000, -(10**20)])
def test_a_label_beyond_64_bits_is_text_or_the_number_it_was(label):
    event = json.loads(event_of(ride(vendor_id=label, pickup_zone=7)))
    assert str(event["vendor_id"]) == str(label)
    assert isinstance(event["vendor_id"], str) == (abs(label) >= 2**63)
    assert event["pickup_zone"] == 7


def test_a_known_number_of_many_digits_keeps_its_value():
    payload = spelled("distance_km", "5.9" + "0" * 500)
    assert json.loads(event_of(payload))["distance_km"] == 5.9


@pytest.mark.parametrize("name", dict(HARMLESS), ids=str)
def test_whatever_is_accepted_is_read_back_as_the_same_event(name):
    payload = dict(HARMLESS)[name]
    decoder = Decoder(Ride, max_skew_s=300.0)
    before, after = decoder.decode_one(payload), decoder.decode_one(event_of(payload))
    for field in Ride.__struct_fields__:
        sent, came = getattr(before, field), getattr(after, field)
        assert came == sent or came == str(sent), field


def test_a_short_event_is_written_anew():
    class Tick(msgspec.Struct):
        occurred_at: datetime
        value: float

    one = JudgedEvents(
        events=Spans.of([b"{}"]), offsets=np.array([5]), occurred_at=np.array([0]),
        scores=np.array([1.5]), flagged=np.array([0]), event=lambda _: Tick(EPOCH, 2.0),
    )  # fmt: skip
    (record,) = scored_records(one, MODEL, "t", 0).texts()
    assert json.loads(record)["event"] == {"occurred_at": "1970-01-01T00:00:00Z", "value": 2.0}
