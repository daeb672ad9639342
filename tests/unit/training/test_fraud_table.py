"""The training table as a file, and its labels."""

import json
from dataclasses import fields
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from eddy.models.labels import Labels
from eddy.schemas.errors import ConfigError, MissingResource
from eddy.schemas.keys import hash_text
from eddy.schemas.labels import Label
from eddy.training.transactions.labels import label_lines, labels_of_events
from eddy.training.transactions.table import (
    FRAUD,
    GENUINE,
    NO_TIME,
    UNKNOWN,
    empty,
    with_silence_as_genuine,
)
from eddy.training.transactions.table_files import TableWriter, read_table, write_table
from tests.support.fraud_tables import START_US, table, without_labels_after


def same(first, second):
    return all(
        np.array_equal(
            getattr(first, f.name), getattr(second, f.name), equal_nan=f.name == "scores"
        )
        if f.name != "names"
        else first.names == second.names
        for f in fields(first)
    )


def test_a_table_is_read_as_it_was_written(tmp_path):
    written = without_labels_after(table(days=10), 12)
    assert written.labelled.any()
    assert not written.labelled.all()
    write_table(written, tmp_path / "table.parquet")
    read = read_table(tmp_path / "table.parquet")
    assert same(written, read)
    assert read.sha256() == written.sha256()
    schema = pq.read_schema(tmp_path / "table.parquet")
    assert schema.field("occurred_at").type == pa.timestamp("us", "UTC")
    assert schema.field("card").type == pa.uint64()
    assert schema.field("is_fraud").type == pa.bool_()


def test_parts_in_any_order_and_folders_of_files_come_out_by_time(tmp_path):
    written = table(days=10)
    middle = len(written) // 2
    for name, rows in (("a", slice(middle, None)), ("b", slice(0, middle))):
        write_table(written.rows(rows), tmp_path / f"{name}.parquet")
    assert same(read_table(tmp_path), written)


def test_event_ids_stand_for_their_hashes(tmp_path):
    written = table(days=1, rows_a_day=3)
    ids = ["a", "b", "c"]
    with TableWriter(tmp_path / "t.parquet", written.names, event_ids=True) as writer:
        writer.write(written, ids)
    without_hash = pq.read_table(tmp_path / "t.parquet").drop_columns(["event", "score", "weight"])
    pq.write_table(without_hash, tmp_path / "t.parquet")
    read = read_table(tmp_path / "t.parquet")
    assert read.events.tolist() == [hash_text(event_id) for event_id in ids]
    assert np.isnan(read.scores).all()
    assert (read.weights == 1).all()


def write_parts(path, parts):
    with TableWriter(path, parts[0].names) as writer:
        for part in parts:
            writer.write(part)


def test_a_failed_writer_leaves_what_was_there(tmp_path):
    path, written = tmp_path / "t.parquet", table(days=2)
    write_table(written, path)
    with pytest.raises(ValueError, match="a part with"):
        write_parts(path, [written.rows(slice(0, 5)), empty(["amount"], 3)])
    assert same(read_table(path), written)
    assert [file.name for file in tmp_path.iterdir()] == ["t.parquet"]


def test_what_is_no_table_is_named(tmp_path):
    with pytest.raises(MissingResource, match="eddy prepare"):
        read_table(tmp_path / "none.parquet")
    (tmp_path / "x.parquet").write_text("x")
    with pytest.raises(ConfigError, match=r"x\.parquet"):
        read_table(tmp_path / "x.parquet")
    pq.write_table(pa.table({"card": [1]}), tmp_path / "x.parquet")
    with pytest.raises(ConfigError, match="occurred_at, is_fraud, labelled_at, event"):
        read_table(tmp_path / "x.parquet")
    with pytest.raises(ConfigError, match="no columns v1"):
        table(days=1).columns(["amount", "v1"])


def test_silence_is_genuine_after_a_while_only():
    before = without_labels_after(table(days=20), 15)
    read = with_silence_as_genuine(before, 7.0)
    old = before.occurred_at <= before.occurred_at[-1] - 7 * 86_400_000_000
    assert read.labelled[old].all()
    assert not read.labelled[~old & ~before.labelled].any()
    assert (read.frauds == before.frauds).all()
    assert with_silence_as_genuine(before, None) is before


def label(event, verdict, day, **more):
    at = datetime(2024, 1, day, tzinfo=UTC)
    return Label(event_id=event, verdict=verdict, labelled_at=at, **more)


def test_the_last_label_known_holds():
    given = Labels.of(
        [
            label("a", "fraud", 3),
            label("b", "genuine", 4),
            label("a", "genuine", 9),
            label("c", "expected", 5),
            label("a", "duplicate", 10),  # says nothing
            label("d", "fraud", 2, domain="rides"),
            label(None, "fraud", 2, anomaly_id="x"),
            label("b", "fraud", 4),  # at once with the other: the later one
        ]
    )
    assert given.left_out == 2
    events = np.array([hash_text(event_id) for event_id in "abcd"], np.uint64)
    is_fraud, labelled_at = labels_of_events(given.last(), events)
    assert is_fraud.tolist() == [GENUINE, FRAUD, GENUINE, UNKNOWN]
    assert labelled_at[3] == NO_TIME
    on_day_5 = round(datetime(2024, 1, 5, tzinfo=UTC).timestamp() * 1e6)
    assert labels_of_events(given.last(on_day_5), events)[0].tolist() == [
        FRAUD,
        FRAUD,
        GENUINE,
        UNKNOWN,
    ]
    assert labels_of_events(given.last(0), events)[0].tolist() == [UNKNOWN] * 4


def test_a_line_that_is_no_label_is_named(tmp_path):
    path = tmp_path / "labels.jsonl"
    good = {"event_id": "e", "verdict": "fraud", "labelled_at": "2024-01-01T00:00:00Z"}
    path.write_text(json.dumps(good) + "\n" + json.dumps(good | {"verdict": "maybe"}) + "\n")
    with pytest.raises(ConfigError, match=r"labels\.jsonl, line 2"):
        list(label_lines(path))


def test_start_is_a_midnight():
    assert START_US % 86_400_000_000 == 0
