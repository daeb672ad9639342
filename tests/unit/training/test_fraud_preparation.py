"""From files to the table: features point in time, labels in time, whatever the chunks."""

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from eddy.datasets.history.transactions import labelled_records
from eddy.datasets.simulation.transactions.stream import TransactionSimulation, labels, simulate
from eddy.models.features.names import CARD, FEATURES, OWN, TERMINAL
from eddy.models.labels import Labels
from eddy.schemas.errors import ConfigError
from eddy.schemas.keys import hash_text
from eddy.training.transactions.preparation import prepare
from eddy.training.transactions.settings import Preparation
from eddy.training.transactions.table import DAY_US, FRAUD, GENUINE, UNKNOWN
from eddy.training.transactions.table_files import read_table

START = datetime(2024, 1, 1, tzinfo=UTC)
DELAY_US, GRACE_US = 7 * DAY_US, 3_600_000_000


def micros(moment):
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def oracle(rows, known):
    """The definitions, row by row: `known` gives when an event was known to be a fraud."""
    out = []
    for i, row in enumerate(rows):
        t, before = row["t"], rows[: i + 1]
        day = START + timedelta(microseconds=t - micros(START))
        event = [row["amount"], float(day.weekday() >= 5), float(day.hour <= 6)]
        card = []
        for days in (1, 7, 30):
            there = [r["amount"] for r in before if r["card"] == row["card"]]
            times = [r["t"] for r in before if r["card"] == row["card"]]
            inside = [a for a, at in zip(there, times, strict=True) if at > t - days * DAY_US]
            card += [len(inside), sum(inside) / len(inside)]
        terminal = []
        for days in (1, 7, 30):
            ids = [
                r["id"]
                for r in before
                if r["terminal"] == row["terminal"]
                and t - DELAY_US - days * DAY_US < r["t"] <= t - DELAY_US
            ]
            frauds = sum(known.get(event_id, np.inf) <= t for event_id in ids)
            terminal += [len(ids), frauds / len(ids) if ids else 0.0]
        out.append(event + card + terminal)
    assert (len(OWN), len(CARD), len(TERMINAL)) == (3, 6, 6)
    return np.array(out)


@pytest.fixture(scope="module")
def drawn():
    random = np.random.default_rng(8)
    rows = []
    for k in range(500):
        t = micros(START) + k * 50 * DAY_US // 500 + int(random.integers(1_000)) * 1_000
        rows.append(
            {
                "id": f"e{k}",
                "t": t,
                "card": int(random.integers(6)),
                "terminal": int(random.integers(5)),
                "amount": round(float(random.exponential(30)), 2),
                "fraud": bool(random.random() < 0.2),
            }
        )
    return rows


def lines(rows, tmp_path, with_labels):
    path = tmp_path / "t.jsonl"
    with path.open("w") as file:
        for row in rows:
            at = START + timedelta(microseconds=row["t"] - micros(START))
            event = {
                "event_id": row["id"],
                "occurred_at": at.isoformat(),
                "card_token": f"c{row['card']}",
                "terminal_id": f"t{row['terminal']}",
                "amount": row["amount"],
            }
            if with_labels:
                event["is_fraud"] = row["fraud"]
            file.write(json.dumps(event) + "\n")
    return path


@pytest.mark.parametrize("chunk_rows", [7, 500])
def test_features_are_those_of_the_definitions(drawn, tmp_path, chunk_rows):
    path = lines(drawn, tmp_path, with_labels=True)
    chunks = labelled_records(path, chunk_rows=chunk_rows)
    done = prepare(chunks, Labels.of(()), Preparation(), tmp_path / "table.parquet")
    assert (done.rows, done.labelled, done.rejected) == (500, 500, 0)
    assert done.frauds == sum(row["fraud"] for row in drawn)
    table = read_table(tmp_path / "table.parquet")
    known = {row["id"]: row["t"] + DELAY_US for row in drawn if row["fraud"]}
    np.testing.assert_allclose(table.features, oracle(drawn, known), rtol=1e-9)
    assert (table.labelled_at - table.occurred_at == DELAY_US).all()
    assert table.events[3] == hash_text("e3")


def test_a_label_counts_from_when_it_became_known(drawn, tmp_path):
    """Labels in a file: some come after the delay, one is taken back; none leaks."""
    random, verdicts = np.random.default_rng(2), []
    known, last = {}, {}
    for row in drawn:
        if row["fraud"]:
            at = row["t"] + int(random.integers(1, 20 * 24)) * 3_600_000_000
            verdicts.append((row["id"], True, at))
            known[row["id"]] = at + GRACE_US
            last[row["id"]] = FRAUD
    given = Labels(
        np.array([hash_text(event_id) for event_id, _, _ in verdicts], np.uint64),
        np.array([fraud for _, fraud, _ in verdicts]),
        np.array([at for _, _, at in verdicts]),
    )
    chunks = labelled_records(lines(drawn, tmp_path, with_labels=False))
    prepare(chunks, given, Preparation(), tmp_path / "table.parquet")
    table = read_table(tmp_path / "table.parquet")
    expected = oracle(drawn, known)
    np.testing.assert_allclose(table.features, expected, rtol=1e-9)
    assert expected[:, FEATURES.index("terminal_risk_30d")].any()
    assert table.is_fraud.tolist() == [last.get(row["id"], UNKNOWN) for row in drawn]


def test_simulated_records_with_their_labels(tmp_path):
    """Malformed and doubled records among them; vectors become columns."""
    options = TransactionSimulation(days=20, customers=60, vector=3, genuine_labels=0.5)
    path = tmp_path / "t.jsonl"
    payloads = [r.payload for r in simulate(4, options)]
    path.write_bytes(b"\n".join(p.replace(b"\n", b" ") for p in payloads if p))
    given = Labels.of(label for _, label in labels(4, options))
    done = prepare(labelled_records(path), given, Preparation(), tmp_path / "table.parquet")
    table = read_table(tmp_path / "table.parquet")
    assert done.rows == len(table)
    assert 0 < done.rejected < 0.01 * len(payloads)
    assert table.names == (*FEATURES, "v1", "v2", "v3")
    assert not np.isnan(table.features).any()
    assert {UNKNOWN, GENUINE, FRAUD} == set(table.is_fraud.tolist())
    known = table.labelled
    assert (table.labelled_at[known] > table.occurred_at[known]).all()


def test_nothing_to_prepare_is_an_error_that_leaves_no_file(tmp_path):
    (tmp_path / "t.jsonl").write_text("")
    with pytest.raises(ConfigError, match="empty"):
        prepare(
            labelled_records(tmp_path / "t.jsonl"), Labels.of(()), Preparation(), tmp_path / "out"
        )
    (tmp_path / "t.jsonl").write_text("{}\n{}\n")
    with pytest.raises(ConfigError, match="2 records, no events"):
        prepare(
            labelled_records(tmp_path / "t.jsonl"), Labels.of(()), Preparation(), tmp_path / "out"
        )
    assert [path.name for path in tmp_path.iterdir()] == ["t.jsonl"]
