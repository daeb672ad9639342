"""Every shape of record that the product publishes goes through the real connector to its table."""

import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta, timezone

import pytest

from eddy.app.demo import settings as demo_settings
from eddy.app.domains import domain
from eddy.app.lake.dead_letters import delivered
from eddy.datasets.simulation.payments.stream import PaymentSimulation
from eddy.datasets.simulation.payments.stream import simulate as simulate_payments
from eddy.datasets.simulation.rides import RideSimulation
from eddy.datasets.simulation.rides import simulate as simulate_rides
from eddy.lake import catalog
from eddy.lake.sink.rows import arrow_of, row_of
from eddy.lake.tables import TableSpec
from eddy.schemas.anomalies import Reason
from eddy.schemas.decoding import Decoder
from tests.support.corpus import FUTURE, HARMLESS, POISON, ride
from tests.support.lake_sink import ROOT, SinkWorld, anomaly, encode, send, wait_for
from tests.support.offsets import committed

DOMAINS = {
    "rides": {"window_rides": 150, "min_window": 60},
    "tpv": {"interval_s": 3600, "delay_s": 30, "lateness_s": 7200},
}
ODD_TEXT = 'a\0b\u2028 \\ " 🚕 \u202e' + "é" * 500
EARLY, LATE = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
WHEN = datetime(2026, 3, 1, tzinfo=UTC)


def odd_anomalies(name: str) -> list[bytes]:
    """Return what no judge says in a test's time, or only seldom: every op, extreme values."""
    ops = [anomaly(name, 0, op) for op in ("open", "update", "close", "retract")]
    nothing = anomaly(name, 1, actual={}, reasons=[], labels=[], direction=None)
    everything = anomaly(
        name,
        2,
        episode_id=ODD_TEXT,
        event_id=ODD_TEXT,
        occurred_at=EARLY,
        window_start=EARLY,
        window_end=LATE,
        detected_at=LATE,
        score=1e308,
        percentile=1.0,
        direction="below",
        actual={ODD_TEXT: 5e-324, "": -1e308, "infinite": float("inf"), "none": float("nan")},
        reasons=[Reason(ODD_TEXT, float("nan"), -0.0, float("-inf"))] * 3,
        labels=[ODD_TEXT, ""],
        suppressed_by=["snooze"],
    )
    zone = timezone(timedelta(hours=5, minutes=30))
    elsewhere = anomaly(name, 3, occurred_at=WHEN.astimezone(zone))
    return [encode(one) for one in (*ops, nothing, everything, elsewhere)]


@pytest.fixture(scope="module")
def world(kafka, connect, object_store, tmp_path_factory):
    """Both domains were judged by ``eddy run``, odd and bad records too; all is in tables."""
    folder = tmp_path_factory.mktemp("sink")
    engine = {"publish_scored": True}
    with SinkWorld(
        kafka, connect.url, object_store, folder, DOMAINS, engine=engine, history=True
    ) as world:
        world.feed()
        sent = {"rides": send_rides(world), "tpv": send_payments(world)}
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "eddy", "run", "--config", str(world.file)],
                cwd=ROOT,
                env=demo_settings.environment(),
                stdout=log,
                stderr=log,
            )
        try:
            wait_for(
                lambda: process.poll() is not None or judged(world) == sent, "all is judged", 90
            )
        finally:
            process.terminate()
            assert process.wait(60) == 0, (folder / "log").read_text()[-3000:]
        for name, topics in world.topics.items():
            send(world, topics.anomalies, odd_anomalies(name))
        world.verdict = world.drain()
        yield world


def judged(world: SinkWorld) -> dict[str, int]:
    """Return by domain how many records the engine has behind it."""
    return {
        name: sum(committed(world.bootstrap, world.prefix, topics.events, 2).values())
        for name, topics in world.topics.items()
    }


def send_rides(world: SinkWorld) -> int:
    options = RideSimulation(start=WHEN, rides=1_000, rides_per_day=800.0)
    simulated = [record.payload for record in simulate_rides(7, options)]
    odd = [payload for _, payload in HARMLESS] + [payload for _, payload, _ in (*POISON, FUTURE)]
    send(world, world.topics["rides"].events, simulated)
    send(world, world.topics["rides"].events, [*odd, None, ride(vendor_id=2**70)], partition=1)
    return len(simulated) + len(odd) + 2


def send_payments(world: SinkWorld) -> int:
    options = PaymentSimulation(start=WHEN, days=12, merchants=5, payments_per_day=60.0)
    simulated = [record.payload for record in simulate_payments(7, options)]
    bad = [b"{", b"null"]
    send(world, world.topics["tpv"].events, [*simulated, *bad])
    return len(simulated) + len(bad)


def specs(world: SinkWorld) -> list[tuple[str, TableSpec]]:
    return [(topic, spec) for c in world.connectors for topic in c.topics for spec in c.tables]


def test_nothing_is_missing_doubled_or_set_aside(world):
    for one in world.verdict.tables:
        assert one.records == one.rows > 0, one
        assert (one.missing, one.pending, one.duplicates, one.extra) == (0, 0, 0, 0), one
        assert one.set_aside == 0, one
    assert all(world.client.status(one.name).runs for one in world.connectors)


def test_every_row_is_what_its_record_says(world):
    """Also: what the watchdog would write in the connector's place is the same."""
    opened = catalog.open_catalog(world.settings.lake)
    for topic, spec in specs(world):
        table = catalog.load(opened, world.settings.lake, spec)
        found = {
            (row["kafka_topic"], row["kafka_partition"], row["kafka_offset"]): row
            for row in table.scan().to_arrow().to_pylist(maps_as_pydicts="strict")
            if row["kafka_topic"] == topic
        }
        records = world.records(topic)
        assert len(found) == len(records) > 0
        wanted = arrow_of(table.schema(), [row_of(spec, delivered(one)) for one in records])
        for row in wanted.to_pylist(maps_as_pydicts="strict"):
            place = (row["kafka_topic"], row["kafka_partition"], row["kafka_offset"])
            assert found[place] == row, place


def test_history_holds_the_events_as_they_were_sent(world):
    for name, topics in world.topics.items():
        decode = Decoder(domain(name).event_type, 300.0).decode_one
        sent = {(one.partition, one.offset): one for one in world.records(topics.events)}
        rows = {
            (row["source"]["partition"], row["source"]["offset"]): row
            for row in world.rows(f"history_{name}")
        }
        rejected = {
            (int(one.headers["partition"]), int(one.headers["offset"]))
            for one in world.records(topics.rejections)
        }
        assert rows.keys() == sent.keys() - rejected
        for place, row in rows.items():
            event = decode(sent[place].value)
            assert row["occurred_at"] == event.occurred_at
            for field in set(event.__struct_fields__) - {"occurred_at"}:
                value = getattr(event, field)
                is_label = field in ("vendor_id", "pickup_zone", "dropoff_zone")
                wanted = str(value) if is_label and value is not None else value
                assert row["event"][field] == wanted, (place, field)


def test_rejections_are_kept_byte_for_byte(world):
    rows = {(r["topic"], r["partition"], r["offset"]): r for r in world.rows("rejections")}
    reasons = Counter()
    for topics in world.topics.values():
        for record in world.records(topics.events):
            row = rows.get((record.topic, record.partition, record.offset))
            if row is not None:
                assert row["payload"] == record.value
                reasons[row["reason"]] += 1
    assert sum(reasons.values()) == len(rows)
    assert reasons.keys() == {
        "empty", "too_large", "malformed_json", "schema_violation", "future_timestamp"
    }  # fmt: skip


def test_both_domains_told_anomalies_of_every_kind(world):
    for name in world.topics:
        told = Counter(row["op"] for row in world.rows(f"anomaly_changes_{name}"))
        assert set(told) == {"open", "update", "close", "retract"}
        judged = [r for r in world.rows(f"anomalies_{name}") if r["detector"] != "toy"]
        assert judged, f"no judge of {name} found anything"
