"""Transactions from files: three layouts, and the labels they hold."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from eddy.datasets.history.transactions import UNSAID, labelled_records, transaction_records
from eddy.schemas.decoding import Decoder
from eddy.schemas.errors import ConfigError
from eddy.schemas.transactions import Transaction

OWN = {
    "event_id": ["a", "b"],
    "occurred_at": ["2024-01-01T00:00:00Z", "2024-01-01T00:00:01.5+01:00"],
    "card_token": ["c1", "c2"],
    "terminal_id": [7, 8],
    "amount": [1.5, -2.0],
}


def written(tmp_path, columns, name="t.parquet"):
    path = tmp_path / name
    pq.write_table(pa.table(columns), path)
    return path


def events(path, **options):
    decoder = Decoder(Transaction, 0.0)
    return [decoder.decode_one(p) for chunk in transaction_records(path, **options) for p in chunk]


def test_own_columns_become_events(tmp_path):
    columns = OWN | {"merchant_id": ["m", None], "vector": [[1.0, 2.0], None]}
    first, second = events(written(tmp_path, columns))
    assert (first.event_id, first.terminal_id, first.amount) == ("a", "7", 1.5)
    assert (first.merchant_id, first.vector) == ("m", [1.0, 2.0])
    assert second.occurred_at.isoformat() == "2023-12-31T23:00:01.500000+00:00"
    assert (second.merchant_id, second.vector) == (None, None)


def test_components_may_stand_in_columns_of_their_own(tmp_path):
    columns = OWN | {"v1": [0.1, 0.2], "v2": [1.1, 1.2]}
    assert [event.vector for event in events(written(tmp_path, columns))] == [
        [0.1, 1.1],
        [0.2, 1.2],
    ]


def test_labels_beside_the_rows(tmp_path):
    columns = OWN | {
        "is_fraud": [True, None],
        "labelled_at": ["2024-01-03T00:00:00Z", None],
        "weight": [1.0, 25.5],
    }
    (chunk,) = labelled_records(written(tmp_path, columns))
    assert chunk.is_fraud.tolist() == [1, UNSAID]
    assert chunk.labelled_at.tolist() == [1_704_240_000_000_000, UNSAID]
    assert chunk.weights.tolist() == [1.0, 25.5]
    assert chunk.event_ids == ["a", "b"]


def test_lines_come_through_untouched_with_their_labels(tmp_path):
    path = tmp_path / "t.jsonl"
    good = {name: cells[0] for name, cells in OWN.items()} | {"is_fraud": True}
    lines = [json.dumps(good), "{", json.dumps(good | {"is_fraud": "?", "event_id": "x"}), ""]
    path.write_text("\n".join(lines))
    (chunk,) = labelled_records(path)
    assert chunk.payloads == [line.encode() for line in lines[:3]]
    assert chunk.is_fraud.tolist() == [1, UNSAID, UNSAID]
    assert chunk.event_ids[0] == "a"
    assert list(transaction_records(path)) == [chunk.payloads]


def test_the_handbooks_layout(tmp_path):
    columns = {
        "TRANSACTION_ID": [0, 1],
        "TX_DATETIME": np.array(["2018-04-01T00:00:31", "2018-04-01T00:02:10"], "M8[ns]"),
        "CUSTOMER_ID": [596, 4961],
        "TERMINAL_ID": [3156, 3412],
        "TX_AMOUNT": [57.16, 81.51],
        "TX_FRAUD": [0, 1],
    }
    path = written(tmp_path, columns)
    first, second = events(path)
    assert (first.event_id, first.card_token, first.terminal_id) == ("0", "596", "3156")
    assert first.occurred_at.isoformat() == "2018-04-01T00:00:31+00:00"
    assert second.amount == 81.51
    (chunk,) = labelled_records(path)
    assert chunk.is_fraud.tolist() == [0, 1]
    assert chunk.labelled_at.tolist() == [UNSAID, UNSAID]


def test_the_ulb_layout_names_no_card(tmp_path):
    columns = {"Time": [0.0, 1.5]} | {f"V{k}": [k / 10, -k / 10] for k in range(1, 29)}
    path = written(tmp_path, columns | {"Amount": [2.69, 0.0], "Class": [0, 1]}, "ulb.parquet")
    first, second = events(path)
    assert first.event_id == first.card_token == first.terminal_id == "ulb-00000000"
    assert (second.occurred_at - first.occurred_at).total_seconds() == 1.5
    assert second.vector == [-k / 10 for k in range(1, 29)]
    (chunk,) = labelled_records(path)
    assert chunk.is_fraud.tolist() == [0, 1]


def test_csv_and_chunks_and_broken_rows(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(
        "occurred_at,card_token,terminal_id,amount,is_fraud\n"
        "2024-01-01 10:00:00,c1,t1,5.0,1\nbroken\n2024-01-01 10:00:01,c2,t2,x,\n"
    )
    chunks = list(labelled_records(path, zone="Europe/Berlin", chunk_rows=2))
    assert [len(chunk) for chunk in chunks] == [2, 1]
    event = Decoder(Transaction, 0.0).decode_one(chunks[0].payloads[0])
    assert event.occurred_at.isoformat() == "2024-01-01T09:00:00+00:00"
    assert event.event_id == "t-00000000"
    assert chunks[0].payloads[1] == b"broken"
    assert chunks[0].is_fraud.tolist() == [1, UNSAID]
    assert b'"amount":"x"' in chunks[1].payloads[0]


def test_layouts_and_zones_that_are_not_known(tmp_path):
    path = written(tmp_path, {"a": [1]})
    with pytest.raises(ConfigError, match="columns a; expected one of"):
        list(labelled_records(path))
    with pytest.raises(ConfigError, match="Nowhere"):
        list(labelled_records(written(tmp_path, OWN), zone="Nowhere"))
    wrong = written(tmp_path, OWN | {"is_fraud": ["yes", "no"]})
    with pytest.raises(ConfigError, match="is_fraud"):
        list(labelled_records(wrong))
