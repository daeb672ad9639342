"""`eddy train tpv` through the command line, without a broker."""

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from eddy.app.domains import domain
from eddy.app.settings import load
from eddy.app.training.payment_rows import PaymentRows
from eddy.app.wiring import champion, registry
from eddy.datasets.simulation.payments.stream import PaymentSimulation, simulate
from eddy.schemas.errors import ConfigError, MissingResource
from eddy.streams.reading import TopicRecord
from tests.unit.app.test_models_commands import here, run

__all__ = ["here"]  # a fixture

START = datetime(2024, 1, 1, tzinfo=UTC)


def payment(number, merchant, at, amount=10.0, **fields):
    event = {
        "event_id": f"e{number}",
        "occurred_at": at.isoformat(),
        "merchant_id": merchant,
        "amount": amount,
        "kind": "sale",
        "status": "approved",
    }
    return json.dumps(event | fields).encode()


@pytest.fixture(scope="module")
def payments():
    """Six merchants over seven weeks, an approved sale or two every four hours."""
    random, records = np.random.default_rng(4), []
    for step in range(49 * 6 * 2):
        at = START + timedelta(hours=2 * step, minutes=5)
        for merchant in range(6):
            amount = float(random.uniform(10, 30)) * (1 + step // 2 % 6)
            records.append(
                payment(f"{step}-{merchant}", f"m{merchant}", at, amount, segment="bar", count=2)
            )
    return records


def train(path, *options):
    shape = ["--interval", 14_400, "--epochs", 1, "--width", 4, "--json"]
    done = run("train", "tpv", path, *shape, *options)
    return json.loads(done.stdout), done.stderr


def test_a_network_is_trained_and_published(here, payments):
    path = here / "payments.jsonl"
    path.write_bytes(b"\n".join([*payments, b"{"]))
    made, said = train(path)
    assert "tpv 1 is the champion" in said
    assert made["rejected"] == 1
    assert 0 < made["metrics"]["wape_network"] < 1
    model = champion(load(), domain("tpv"))
    assert model.parameters.network.width == 4
    assert model.parameters.network.slots_per_day == 6
    assert (model.parameters.uses == "network") == bool(made["metrics"]["uses_network"])
    again, said = train(path)
    assert again["sha256"] == made["sha256"]
    assert "eddy promote tpv 2" in said


def test_without_a_network_the_bands_settings_are_published(here, payments):
    path = here / "payments.csv"
    rows = [json.loads(record) for record in payments]
    names = ["occurred_at", "merchant_id", "amount"]  # the least there can be
    lines = [",".join(names), *(",".join(str(row[name]) for name in names) for row in rows)]
    path.write_text("\n".join(lines))
    made, _ = train(path, "--no-network", "--promote")
    assert made["rejected"] == 0
    assert champion(load(), domain("tpv")).parameters.network is None
    assert registry(load()).resolve("tpv", "1").training.settings["network"] is False


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ([], ConfigError),
        (["a.jsonl", "--topic"], ConfigError),
        (["a.jsonl", "--to", "9"], ConfigError),
        (["a.jsonl"], MissingResource),
        (["a.jsonl", "--interval", 7], ConfigError),
        (["a.jsonl", "--zone", "Nowhere/Land"], ConfigError),
        (["few.csv"], ConfigError),
        (["few.jsonl"], ConfigError),
    ],
)
def test_what_cannot_be_trained_on(here, payments, arguments, error):
    (here / "few.jsonl").write_bytes(b"\n".join(payments[:600]))
    (here / "few.csv").write_text("occurred_at,amount\n2024-01-01,3\n")
    with pytest.raises(error):
        run("train", "tpv", *arguments)


def test_payments_add_up_to_what_was_paid_in_whatever_order():
    """Over a change of clocks; refunds, declined and reversed ones among them."""
    options = PaymentSimulation(
        start=datetime(2024, 3, 29, tzinfo=UTC), days=4, merchants=12, malformed_rate=0.0
    )
    records = [record.payload for record in simulate(3, options)]
    rows = PaymentRows("Europe/Berlin", 7_200, 1e9)
    for part in np.array_split(np.random.default_rng(0).permutation(len(records)), 7):
        rows.add([records[k] for k in part])
    totals, wanted, first = rows.totals(), {}, {}
    starts = totals.window_starts_us
    for event in map(json.loads, records):
        moment = datetime.fromisoformat(event["occurred_at"])
        row = int(np.searchsorted(starts, round(moment.timestamp() * 1e6), side="right")) - 1
        name = event["merchant_id"]
        first[name] = min(row, first.get(name, row))
        if event["status"] == "approved":
            amount = event["amount"] * (-1 if event["kind"] == "refund" else 1)
            wanted[row, name] = wanted.get((row, name), 0.0) + amount
    assert len(totals) >= 46  # four days but the last interval, and an hour is gone
    assert set(np.diff(starts)) == {3_600_000_000, 7_200_000_000}
    for column, name in enumerate(totals.merchants):
        since = totals.net[first[name] :, column]
        assert np.isnan(totals.net[: first[name], column]).all()
        # the last interval is left out: what falls into it was counted to the row before it
        expected = [wanted.get((row, name), 0.0) for row in range(first[name], len(totals))]
        np.testing.assert_allclose(since[:-1], expected[:-1], atol=1e-6)


class Reader:
    """Two partitions."""

    def __init__(self, records):
        self._records = records

    def ranges(self, topic):
        return {0: (0, 100), 1: (0, 100)}

    def read(self, topic, start, stop):
        for number in (0, 1):
            for offset, payload in enumerate(self._records[number][: stop.get(number)]):
                yield TopicRecord(topic, number, offset, 1_800_000_000_000, None, payload)


def test_a_topic_adds_up_over_its_partitions():
    at = [START + timedelta(hours=2 * k) for k in range(4)]
    one = [payment(k, "a", at[k], 10.0 + k, segment="bar", country="DE") for k in range(4)]
    two = [payment(9, "b", at[1], 7.0), payment(8, "b", at[1], 2.0, kind="refund")]
    rows = PaymentRows("UTC", 7_200, 300.0)
    rows.read_topic(Reader([one, two]), "t", {}, {}, lambda _: None)
    totals = rows.totals()
    assert totals.merchants == ["a", "b"]
    assert totals.segments == [("bar", "DE"), ("", "")]
    assert totals.net[:, 0].tolist() == [10.0, 11.0, 12.0]  # the last interval may go on
    assert totals.net[1:, 1].tolist() == [5.0, 0.0]
    assert np.isnan(totals.net[0, 1])
    assert totals.payments[:, 1].tolist() == [0, 2, 0]
    assert rows.added == 6
