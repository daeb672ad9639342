"""The Spark job in a Spark of its own, where `make spark-test` has installed it."""

import json
import os
import subprocess
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from eddy.models.features.names import FEATURES
from eddy.models.features.transaction_history import TransactionRows, features_of
from eddy.models.labels import Labels
from eddy.schemas.decoding import Decoder
from eddy.schemas.errors import RejectedRecord
from eddy.schemas.keys import hash_text
from eddy.schemas.transactions import Transaction
from eddy.training.transactions.table_files import read_table
from tests.support.spark_set import spark_set

ROOT = Path(__file__).parents[2]
ENVIRONMENT = Path(os.environ.get("SPARK_ENVIRONMENT", ROOT / ".venv-spark"))
JOB = ROOT / "deploy" / "spark" / "prepare_transactions.py"

pytestmark = [
    pytest.mark.skipif(
        not (ENVIRONMENT / "bin" / "spark-submit").exists(),
        reason="no .venv-spark: `make spark-test` makes it and runs this",
    ),
    pytest.mark.timeout(900),  # a Spark takes long to start
]


@pytest.fixture(scope="module")
def made():
    return spark_set(days=45, customers=250)


@pytest.fixture(scope="module")
def labels(made, tmp_path_factory):
    path = tmp_path_factory.mktemp("labels") / "labels.jsonl"
    path.write_bytes(b"".join(msgspec.json.encode(one) + b"\n" for one in made.labels))
    return path


def submit(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    settings = {
        "spark.ui.enabled": "false",
        "spark.log.level": "WARN",
        "spark.sql.shuffle.partitions": "4",
        "spark.sql.warehouse.dir": f"{folder}/warehouse",
        # parts of files, so that their order is put to the test
        "spark.sql.files.maxPartitionBytes": "400k",
        "spark.sql.files.openCostInBytes": "1k",
    }
    return subprocess.run(
        [
            ROOT / "deploy" / "spark" / "submit",
            *("--master", "local[2]", "--driver-memory", "700m"),
            *("--driver-java-options", "-XX:+UseSerialGC -XX:TieredStopAtLevel=1"),
            *(word for one in settings.items() for word in ("--conf", "=".join(one))),
            JOB,
            *words,
        ],
        cwd=folder,
        env=os.environ
        | {
            "SPARK_ENVIRONMENT": str(ENVIRONMENT),
            "SPARK_LOCAL_DIRS": str(folder / "local"),
            "TMPDIR": str(folder),
        },
        check=False,
        capture_output=True,
        text=True,
        timeout=600,
    )


def prepared(folder: Path, *words: str) -> dict:
    done = submit(folder, *words, "--partitions", "3")
    assert done.returncode == 0, done.stderr[-4_000:]
    return json.loads(done.stdout.splitlines()[-1])


def by_time(table, rows, features):
    """Return the oracle's features in the order of a table."""
    order = np.argsort(rows.occurred_at, kind="stable")
    assert np.array_equal(table.events, rows.events[order])
    assert np.array_equal(table.occurred_at, rows.occurred_at[order])
    assert np.array_equal(table.cards, rows.cards[order])
    return features[order]


def test_the_table_is_the_streams_value_by_value(made, labels, tmp_path):
    events = tmp_path / "events.transactions"
    events.mkdir()
    third = len(made.payloads) // 3 + 1
    for part in range(3):
        lines = made.payloads[part * third : (part + 1) * third]
        (events / f"{part}.jsonl").write_bytes(b"".join(line + b"\n" for line in lines))
    output = tmp_path / "table"
    said = prepared(
        tmp_path,
        *("--transactions", str(events), "--format", "lines", "--labels", str(labels)),
        *("--output", str(output), "--components", "3"),
    )
    table = read_table(output)
    assert len(table) == len(made.rows.events) > 20_000
    assert said["rows"] == len(table)
    assert said["incomplete"] == 0
    assert sum(said["rejected"].values()) == len(made.payloads) - len(table) > 50
    features = by_time(table, made.rows, made.features)
    for place, name in enumerate(FEATURES):
        assert np.array_equal(table.columns([name])[:, 0], features[:, place]), name
    order = np.argsort(made.rows.occurred_at, kind="stable")
    assert np.array_equal(table.is_fraud, made.is_fraud[order])
    assert np.array_equal(table.labelled_at, made.labelled_at[order])
    vectors = table.columns(["v1", "v2", "v3"])
    assert np.array_equal(vectors, made.vectors[order], equal_nan=True)
    assert said["frauds"] == table.frauds.sum() > 500
    assert said["labelled"] == table.labelled.sum() > table.frauds.sum()
    assert (table.weights == 1).all()
    assert len(list(output.glob("day=*"))) >= 45


def valid_events(made) -> list[Transaction]:
    decoder = Decoder(Transaction, 0.0)
    valid = set(made.rows.events.tolist())
    events = []
    for payload in made.payloads:
        try:
            event = decoder.decode_one(payload)
        except RejectedRecord:
            continue
        if hash_text(event.event_id) in valid:
            events.append(event)
    return events


def as_parquet(events: list[Transaction], path: Path) -> None:
    names = Transaction.__struct_fields__
    columns = {name: [getattr(event, name) for event in events] for name in names}
    pq.write_table(pa.table(columns), path, row_group_size=2_000)


def test_a_sample_of_parquet_files_in_no_order(made, labels, tmp_path):
    """By time, though the files are not; all frauds, and genuine rows that weigh the more."""
    events = valid_events(made)
    assert len(events) == len(made.rows.events)
    events = [events[row] for row in np.random.default_rng(0).permutation(len(events))]
    as_parquet(events[:9_000], tmp_path / "a.parquet")
    as_parquet(events[9_000:], tmp_path / "b.parquet")
    said = prepared(
        tmp_path,
        *("--transactions", f"{tmp_path}/b.parquet,{tmp_path}/a.parquet"),
        *("--labels", str(labels), "--output", "sample"),
        *("--order", "time", "--genuine-share", "0.25"),
    )
    place = {event: row for row, event in enumerate(made.rows.events.tolist())}
    came = np.array([place[hash_text(event.event_id)] for event in events])
    rows = TransactionRows(*(column[came] for column in made.rows))
    order = np.argsort(rows.occurred_at, kind="stable")
    rows = TransactionRows(*(column[order] for column in rows))
    features = features_of(rows, Labels.of(made.labels))
    is_fraud = made.is_fraud[came][order] == 1
    kept = is_fraud | (rows.events % 2**20 < 2**18)
    table = read_table(tmp_path / "sample")
    assert said["rows"] == len(table) == kept.sum()
    assert said["frauds"] == is_fraud.sum()
    kept_rows = TransactionRows(*(column[kept] for column in rows))
    assert np.array_equal(table.columns(FEATURES), by_time(table, kept_rows, features[kept]))
    assert np.array_equal(table.weights, np.where(table.frauds, 1.0, 4.0))
    assert table.weights.sum() == pytest.approx(len(events), rel=0.05)


def test_what_is_wrong_with_the_arguments_is_said(tmp_path):
    (tmp_path / "t.jsonl").write_text("{}\n")
    words = ("--transactions", str(tmp_path / "t.jsonl"), "--output", "table")
    python = [ENVIRONMENT / "bin" / "python", JOB]
    environment = {"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]}

    def says(*more: str) -> str:
        done = subprocess.run(
            [*python, *words, *more], env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 2
        return done.stderr

    assert "unrecognized arguments: --partition 3" in says("--partition", "3")
    assert "--genuine-share: 0: above 0, at most 1" in says("--genuine-share", "0")
    assert "--components: 65: 0 to 64" in says("--components", "65")


def test_paths_that_are_not_there_and_glues_own_arguments(tmp_path):
    """Glue puts words of its own among the arguments; they do not stop the job."""
    done = submit(
        tmp_path,
        *("--job-bookmark-option", "job-bookmark-disable", "--JOB_ID", "j_1", "true"),
        *("--JOB_NAME", "eddy", "--transactions", "nowhere.jsonl", "--output", "table"),
    )
    assert done.returncode == 2, done.stderr[-4_000:]
    # spark-submit puts all that a Python program says onto standard output
    said = [line for line in done.stdout.splitlines() if line.startswith("[PATH_NOT_FOUND]")]
    assert "nowhere.jsonl" in said[0]
    assert not (tmp_path / "table").exists()
