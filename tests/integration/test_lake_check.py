"""The check finds what it is there to find: on a real store, with records of topics made up."""

from dataclasses import replace

import msgspec
import pytest

from eddy.lake import catalog, tables
from eddy.lake.sink.comparison import OffsetRange, TableComparison
from eddy.lake.sink.rows import Delivered, arrow_of, row_of
from eddy.schemas.anomalies import Source
from eddy.schemas.rides import Ride
from eddy.schemas.scored import Scored
from tests.support.lake_sink import MODEL, anomaly, encode

TOPIC = "anomalies.rides"
ANOMALIES, CHANGES = tables.anomalies("rides"), tables.changes("rides")
ALL = OffsetRange(TOPIC, 0, 0, 100, 100)
HISTORY, REJECTIONS = tables.history("rides", Ride), tables.rejections()


@pytest.fixture
def lake(lake_config):
    catalog.create(lake_config, [ANOMALIES, CHANGES, HISTORY, REJECTIONS])
    return lake_config


def said(number: int, offset: int, op: str = "open", **where) -> Delivered:
    value = encode(anomaly("rides", number, op))
    return replace(Delivered(TOPIC, 0, offset, 1_700_000_000_000, value, {}), **where)


def write(lake, spec, records):
    table = catalog.load(catalog.open_catalog(lake), lake, spec)
    table.append(arrow_of(table.schema(), [row_of(spec, one) for one in records]))


def compare(lake, spec, records, *, aside=(), stretches=(ALL,)):
    with TableComparison() as comparison:
        comparison.add_records(records, spec.kind)
        comparison.add_aside(list(aside))
        comparison.set_ranges(stretches)
        return comparison.compare(spec, catalog.load(catalog.open_catalog(lake), lake, spec))


def counts(verdict):
    names = ("missing", "pending", "set_aside", "duplicates", "doubled", "extra")
    return {name: getattr(verdict, name) for name in names if getattr(verdict, name)}


@pytest.mark.parametrize("spec", [ANOMALIES, CHANGES], ids=["final states", "changes"])
def test_all_is_there(lake, spec):
    records = [said(n, n) for n in range(10)]
    write(lake, spec, records)
    verdict = compare(lake, spec, records)
    assert (verdict.records, verdict.rows, counts(verdict)) == (10, 10, {})


@pytest.mark.parametrize("spec", [ANOMALIES, CHANGES], ids=["final states", "changes"])
def test_every_kind_of_difference(lake, spec):
    records = [said(n, n) for n in range(10)]
    held = [said(n, n) for n in (0, 1, 1, 2, 5)]  # 5 twice, 3, 4, 6 to 9 not there, 20 too much
    write(lake, spec, [*held, said(20, 20)])
    stretch = OffsetRange(TOPIC, 0, 0, 100, 8)
    verdict = compare(lake, spec, records, aside=[(TOPIC, 0, 4)], stretches=[stretch])
    doubled = {"doubled": 1} if spec is ANOMALIES else {}
    assert counts(verdict) == {
        "missing": 3,
        "pending": 2,
        "set_aside": 1,
        "duplicates": 1,
        **doubled,
        "extra": 1,
    }
    assert f"missing: {TOPIC}[0]@3" in verdict.examples
    assert f"twice: {TOPIC}[0]@1" in verdict.examples
    assert f"extra: {TOPIC}[0]@20" in verdict.examples


def test_the_newest_change_of_an_anomaly_is_enough(lake):
    records = [said(1, 0), said(1, 1, "update"), said(1, 2, "close"), said(2, 3)]
    write(lake, ANOMALIES, [records[2], records[3]])
    assert counts(compare(lake, ANOMALIES, records)) == {}
    write(lake, CHANGES, [records[2], records[3]])
    assert counts(compare(lake, CHANGES, records)) == {"missing": 2}


def test_an_older_change_is_not(lake):
    records = [said(1, 0), said(1, 1, "close")]
    write(lake, ANOMALIES, records[:1])
    assert counts(compare(lake, ANOMALIES, records)) == {"missing": 1}


def test_a_change_that_is_newer_than_what_is_looked_at_is(lake):
    write(lake, ANOMALIES, [said(1, 50, "close")])
    stretch = OffsetRange(TOPIC, 0, 0, 2, 100)
    assert counts(compare(lake, ANOMALIES, [said(1, 0)], stretches=[stretch])) == {}


def test_a_change_in_a_table_that_is_not_folded_is_doubled(lake):
    records = [said(1, 0), said(1, 1, "close")]
    write(lake, ANOMALIES, records)
    assert counts(compare(lake, ANOMALIES, records)) == {"doubled": 1}


def test_what_retention_took_is_asked_of_nobody(lake):
    records = [said(n, n) for n in range(5, 10)]
    write(lake, CHANGES, [said(n, n) for n in range(10)])
    stretch = OffsetRange(TOPIC, 0, 5, 100, 100)
    assert counts(compare(lake, CHANGES, records, stretches=[stretch])) == {}


def test_other_partitions_and_topics_are_others(lake):
    write(lake, CHANGES, [said(1, 0, topic="other"), said(1, 0, partition=1)])
    assert counts(compare(lake, CHANGES, [said(1, 0)])) == {"missing": 1}


def test_tombstones_have_no_row(lake):
    assert compare(lake, CHANGES, [said(1, 0, value=None)]).records == 0


def test_rejections_without_a_value_do(lake):
    headers = {"reason": b"empty", "partition": b"3"}
    record = said(1, 0, value=None, headers=headers)
    assert counts(compare(lake, REJECTIONS, [record])) == {"missing": 1}
    write(lake, REJECTIONS, [record])
    assert counts(compare(lake, REJECTIONS, [record])) == {}


def test_an_event_that_was_scored_twice_has_one_row_after_compaction(lake):
    at = anomaly("rides", 1).occurred_at
    event = {"event_id": "e", "ride_id": "r", "vendor_id": 2**70, "pickup_zone": None}
    fields = {"dropoff_zone": "z", "distance_km": 1.0, "duration_s": 2.0}
    scored = Scored(
        occurred_at=at,
        score=None,
        verdict="warming",
        model=MODEL,
        source=Source("events.rides", 0, 7),
        event=encode_raw({**event, **fields}),
    )
    records = [said(1, offset, value=encode(scored)) for offset in (0, 1)]
    write(lake, HISTORY, records[1:])
    assert counts(compare(lake, HISTORY, records)) == {}
    write(lake, HISTORY, records[:1])
    assert counts(compare(lake, HISTORY, records)) == {"doubled": 1}


def test_a_stranger_without_an_id_has_its_row(lake):
    """Null, absent, or what the sink takes for text: one of them is found by where it stands."""
    plain = msgspec.to_builtins(anomaly("rides", 1))
    del plain["anomaly_id"]
    told = [({"anomaly_id": None}, None), ({}, None), ({"anomaly_id": 5}, "5")]
    for offset, (own, written) in enumerate(told):
        record = said(1, offset, value=encode(plain | own))
        here = [OffsetRange(TOPIC, 0, offset, offset + 1, 100)]
        assert counts(compare(lake, ANOMALIES, [record], stretches=here)) == {"missing": 1}
        row = said(1, offset, value=encode(plain | {"anomaly_id": written}))
        write(lake, ANOMALIES, [row])
        assert counts(compare(lake, ANOMALIES, [record], stretches=here)) == {}


def test_an_event_without_a_source_has_its_row(lake):
    for offset, source in enumerate([None, {"topic": "a"}]):
        record = said(1, offset, value=encode({"verdict": "normal", "source": source}))
        here = [OffsetRange(TOPIC, 0, offset, offset + 1, 100)]
        assert counts(compare(lake, HISTORY, [record], stretches=here)) == {"missing": 1}
        write(lake, HISTORY, [record])
        assert counts(compare(lake, HISTORY, [record], stretches=here)) == {}


def encode_raw(value):
    return msgspec.Raw(encode(value))
