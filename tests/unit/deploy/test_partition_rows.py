"""What Spark's workers do, without Spark: partitions by hand, batch by batch."""

import msgspec
import numpy as np
import pyarrow as pa
import pytest

from eddy.deploy.spark.partition_rows import (
    PLACE,
    VERDICTS,
    decode,
    decode_labels,
    describe_cards,
    describe_terminals,
    name_of,
)
from eddy.models.features.names import CARD, FEATURES, OWN, TERMINAL
from eddy.models.features.transaction_history import HistorySettings
from eddy.schemas.errors import ConfigError
from eddy.schemas.keys import hash_text
from tests.support.spark_set import spark_set

FILES = {"s3:/lake/a.jsonl": 0, "s3:/lake/b.jsonl": 1}
SETTINGS = HistorySettings()


@pytest.fixture(scope="module")
def made():
    return spark_set(days=45, customers=40)


def records(payloads, name="s3://lake/b.jsonl"):
    return pa.RecordBatch.from_pydict(
        {
            "record": pa.array(payloads, pa.binary()),
            "file": pa.array([name] * len(payloads)),
            "block": pa.array([0] * len(payloads), pa.int64()),
            "line": pa.array(range(len(payloads)), pa.int64()),
        }
    )


def table(mapped, batches):
    return pa.Table.from_batches(list(mapped(batches)))


@pytest.fixture(scope="module")
def rows(made):
    """The events with what was said of each, as Spark joins them."""
    whole = records(made.payloads)
    decoded = table(decode(FILES, 3), [whole.slice(at, 700) for at in range(0, len(whole), 700)])
    decoded = decoded.filter(pa.compute.is_null(decoded["reason"])).drop_columns("reason")
    said = table(decode_labels(FILES), [records(list(map(msgspec.json.encode, made.labels)))])
    given = {}
    for one in said.to_pylist():
        verdict = {name: one[name] for name in (*PLACE, "known_at", "is_fraud")}
        given.setdefault(one["event"], []).append(verdict)
    kind = pa.list_(
        pa.struct(
            [(name, pa.int64()) for name in (*PLACE, "known_at")] + [("is_fraud", pa.bool_())]
        )
    )
    verdicts = pa.array([given.get(event) for event in decoded["event"].to_pylist()], kind)
    return decoded.append_column(VERDICTS, verdicts)


def in_partitions(rows, entity, mapped, batch_rows):
    """Describe three partitions, and put the rows into their order again."""
    partition = rows[entity].to_numpy() % 3
    parts = []
    for number in range(3):
        part = rows.filter(pa.array(partition == number)).combine_chunks()
        parts.append(table(mapped, part.to_batches(max_chunksize=batch_rows)))
    return pa.concat_tables(parts).sort_by([(name, "ascending") for name in PLACE])


def test_records_become_the_columns_that_the_stream_has(made, rows):
    assert (rows["event"].to_numpy().view(np.uint64) == made.rows.events).all()
    assert (rows["card"].to_numpy().view(np.uint64) == made.rows.cards).all()
    assert (rows["terminal"].to_numpy().view(np.uint64) == made.rows.terminals).all()
    assert (rows["occurred_at"].to_numpy() == made.rows.occurred_at).all()
    vectors = np.array([rows[f"v{k}"].to_numpy() for k in (1, 2, 3)]).T
    assert np.array_equal(vectors, made.vectors, equal_nan=True)
    assert set(rows["file"].to_pylist()) == {1}


@pytest.mark.parametrize("batch_rows", [64, 100_000])
def test_partitions_give_the_streams_features_bit_by_bit(made, rows, batch_rows):
    late = []
    described = in_partitions(
        rows, "terminal", describe_terminals(SETTINGS, late.append), batch_rows
    )
    assert VERDICTS not in described.column_names
    described = in_partitions(described, "card", describe_cards(SETTINGS, late.append), batch_rows)
    for place, name in enumerate(FEATURES):
        assert np.array_equal(described[name].to_numpy(), made.features[:, place]), name
        assert len(np.unique(made.features[:, place])) > 1, f"{name} tells nothing here"
    assert late == [0] * 6


def test_features_come_in_the_order_that_spark_is_told_of(rows):
    mapped = describe_cards(SETTINGS, lambda _: None)
    (batch,) = mapped(rows.drop_columns(VERDICTS).slice(0, 5).combine_chunks().to_batches())
    assert batch.schema.names[-len(OWN + CARD) :] == [*OWN, *CARD]


def test_rows_that_came_too_late_are_counted(rows):
    """The second half of a day's rows before the first, with no time allowed for that."""
    late = []
    backwards = rows.slice(0, 200).sort_by([("occurred_at", "descending")]).combine_chunks()
    strict = HistorySettings(lateness_s=0.0)
    for batch in describe_terminals(strict, late.append)(backwards.to_batches()):
        assert batch.num_rows == 200
        assert set(TERMINAL) <= set(batch.schema.names)
    assert late[0] > 0


def test_broken_records_say_why_and_keep_their_place():
    good = (
        b'{"event_id":"e","occurred_at":"2026-01-01T00:00:00Z","card_token":"c",'
        b'"terminal_id":"t","amount":1.5}'
    )
    decoded = table(decode(FILES, 0), [records([b"", good, b"{"], "s3://lake/a.jsonl")]).to_pylist()
    assert [row["reason"] for row in decoded] == ["empty", None, "malformed_json"]
    assert decoded[1]["event"] % 2**64 == hash_text("e")
    assert [(row["file"], row["line"]) for row in decoded] == [(0, 0), (0, 1), (0, 2)]


def test_labels_of_others_are_left_out_and_a_broken_one_names_its_file():
    at = '"labelled_at":"2026-01-02T00:00:00Z"'
    lines = [
        f'{{"event_id":"e1","verdict":"duplicate",{at}}}',
        f'{{"event_id":"e2","verdict":"fraud",{at}}}',
        f'{{"event_id":"e3","verdict":"fraud","domain":"rides",{at}}}',
        f'{{"event_id":"e4","verdict":"expected",{at}}}',
    ]
    said = table(decode_labels(FILES), [records([line.encode() for line in lines])]).to_pylist()
    assert [(row["line"], row["is_fraud"]) for row in said] == [(1, True), (3, False)]
    with pytest.raises(ConfigError, match=r"s3://lake/b\.jsonl"):
        table(decode_labels(FILES), [records([b"{}"])])


def test_one_file_has_one_name():
    spelled = ("file:///data/a%20b.jsonl", "file:/data/a b.jsonl")
    assert {name_of(one) for one in spelled} == {"file:/data/a b.jsonl"}


def test_a_line_that_is_no_label_is_not_quoted():
    line = b'{"event_id": "e", "verdict": "4111111111111111", "labelled_at": 0}'
    with pytest.raises(ConfigError, match=r"b\.jsonl: a line is no label: \w+Error$"):
        list(decode_labels(FILES)([records([line])]))
