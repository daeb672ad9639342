"""Files of events into history: each of them whole or not at all, and once."""

import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyiceberg.table import Table

from eddy.app.domains import BUILT_IN, domain, domain_row
from eddy.app.lake.load import HistoryLoad
from eddy.app.settings import Settings
from eddy.datasets.simulation.rides import RideSimulation, simulate
from eddy.lake import loading, tables
from eddy.lake.catalog import create, load, open_catalog
from eddy.lake.loading import FileLoad, notes
from eddy.schemas.errors import ConfigError, MissingResource, Unavailable
from eddy.schemas.rides import Ride
from eddy.schemas.scored import VERDICTS
from tests.support.commands import invoke
from tests.support.corpus import POISON, ride

START = datetime(2024, 3, 1, tzinfo=UTC)


@pytest.fixture
def settings(object_store, tmp_path):
    lake = object_store.lake(tmp_path)
    specs = [tables.history(name, domain(name).event_type) for name in BUILT_IN]
    create(lake, specs)
    return Settings(lake=lake)


def table(settings: Settings, name: str = "rides") -> Table:
    spec = tables.history(name, domain(name).event_type)
    return load(open_catalog(settings.lake), settings.lake, spec)


def rows(settings: Settings, name: str = "rides") -> list[dict]:
    found = table(settings, name).scan().to_arrow().to_pylist()
    return sorted(found, key=lambda row: (row["source"]["topic"], row["source"]["offset"]))


def job(settings: Settings, name: str = "rides", *, judge: bool = False) -> HistoryLoad:
    return HistoryLoad(settings, domain_row(name), "UTC", judge=judge)


def loaded(settings: Settings, path: Path, name: str = "rides", **options):
    return job(settings, name, **options).file(path, lambda _: None, None)


def lines(path: Path, records: list[bytes]) -> Path:
    path.write_bytes(b"".join(record + b"\n" for record in records))
    return path


def simulated(count: int) -> list[bytes]:
    options = RideSimulation(start=START, rides=count, malformed_rate=0.0)
    return [record.payload for record in simulate(5, options)]


def test_rejects_show_no_card_number(settings, tmp_path):
    bad = ride(vendor_id=4111111111111111, distance_km="x")
    rejects = []
    job(settings).file(
        lines(tmp_path / "rides.jsonl", [ride(), bad]), lambda _: None, rejects.append
    )
    (told,) = map(json.loads, rejects)
    assert told["record"].encode() == bad.replace(b"4111111111111111", b"************1111")


def test_rows_are_the_events_and_bad_records_are_accounted_for(settings, tmp_path):
    poison = [record for _, record, _ in POISON if record and b"\n" not in record]
    good = [ride(event_id=f"r{n}", vendor_id=10**30 if n == 3 else n, fare=None) for n in range(9)]
    file = lines(tmp_path / "rides.jsonl", good[:5] + poison + good[5:])
    told, rejects = [], []
    done = job(settings).file(file, told.append, rejects.append)
    assert (done.records, done.rows, done.rejected) == (9 + len(poison), 9, len(poison))
    assert sum(told) == done.records
    expected = Counter(reason for _, record, reason in POISON if record and b"\n" not in record)
    assert done.reasons == dict(expected)
    assert [json.loads(line)["row"] for line in rejects] == list(range(5, 5 + len(poison)))
    found = rows(settings)
    numbers = [*range(5), *range(5 + len(poison), 9 + len(poison))]
    assert [row["source"] for row in found] == [
        {"topic": "rides.jsonl", "partition": 0, "offset": number} for number in numbers
    ]
    for row, record in zip(found, good, strict=True):
        sent = msgspec.json.decode(record, type=Ride)
        assert row["occurred_at"] == sent.occurred_at
        assert row["event"]["vendor_id"] == str(sent.vendor_id)
        assert row["event"]["distance_km"] == sent.distance_km
        assert row["event"]["fare"] is None
        unknown = ("score", "verdict", "model", "kafka_topic", "kafka_offset", "kafka_timestamp")
        assert all(row[name] is None for name in unknown)


def test_the_same_content_adds_nothing_and_the_same_name_is_refused(settings, tmp_path):
    file = lines(tmp_path / "a.jsonl", [ride(event_id="1"), ride(event_id="2")])
    assert loaded(settings, file).present_as is None
    assert loaded(settings, file).present_as == "a.jsonl"
    copy = lines(tmp_path / "b.jsonl", [ride(event_id="1"), ride(event_id="2")])
    again = loaded(settings, copy)
    assert (again.present_as, again.rows) == ("a.jsonl", 0)
    lines(file, [ride(event_id="3")])
    with pytest.raises(ConfigError, match="give it another name"):
        loaded(settings, file)
    assert len(rows(settings)) == 2


def test_a_load_that_ends_halfway_leaves_nothing_and_starts_clean(settings, tmp_path, monkeypatch):
    monkeypatch.setattr(loading, "ROWS_A_WRITE", 8_000)
    file = lines(tmp_path / "half.jsonl", [ride(event_id=str(n)) for n in range(20_000)])

    def killed(_: int) -> None:
        if len(written) > 0:
            raise KeyboardInterrupt

    written: list[int] = []
    before = FileLoad._flush
    monkeypatch.setattr(FileLoad, "_flush", lambda self: (before(self), written.append(1)))
    with pytest.raises(KeyboardInterrupt):
        job(settings).file(file, killed, None)
    assert written, "it ended before anything was written"
    assert rows(settings) == []
    assert notes(table(settings)) == []
    assert loaded(settings, file).rows == 20_000
    assert [row["source"]["offset"] for row in rows(settings)] == list(range(20_000))


def test_two_loads_at_once_add_the_rows_once(settings, tmp_path):
    file = lines(tmp_path / "twice.jsonl", [ride(event_id="1"), ride(event_id="2")])
    slow = job(settings)
    other = lines(tmp_path / "other.jsonl", [ride(event_id="9")])

    def meanwhile(_: int) -> None:
        assert loaded(settings, file).present_as is None
        assert loaded(settings, other).present_as is None

    done = slow.file(file, meanwhile, None)
    assert (done.present_as, done.rows) == ("twice.jsonl", 0)
    assert len(rows(settings)) == 3


def test_a_commit_that_meets_another_is_tried_again(settings, tmp_path, monkeypatch):
    first = lines(tmp_path / "first.jsonl", [ride(event_id="1")])
    second = lines(tmp_path / "second.jsonl", [ride(event_id="2")])
    attempt, attempts = FileLoad._try_to_commit, []

    def contended(self: FileLoad) -> None:
        attempts.append(self)
        if len(attempts) == 1:  # somebody else commits after this one looked
            loaded(settings, second)
        attempt(self)

    monkeypatch.setattr(FileLoad, "_try_to_commit", contended)
    assert loaded(settings, first).rows == 1
    assert len(attempts) == 3
    assert [row["event"]["event_id"] for row in rows(settings)] == ["1", "2"]


def test_the_judge_says_what_it_says_of_the_stream(settings, tmp_path):
    records = simulated(3_000)
    settings.domains["rides"] = {"window_rides": 500, "min_window": 100}
    done = loaded(settings, lines(tmp_path / "judged.jsonl", records), judge=True)
    assert done.rows == len(records)
    found = rows(settings)
    said = Counter(row["verdict"] for row in found)
    assert set(said) == set(VERDICTS)
    for row in found:
        assert (row["score"] is None) == (row["verdict"] == "warming")
        assert row["model"]["name"]
        assert row["verdict"] != "anomaly" or row["score"] >= 1.0


def test_files_of_the_taxi_commission_are_read(settings, tmp_path):
    times = np.datetime64("2024-03-01T00") + np.arange(40)
    columns = {
        "lpep_pickup_datetime": pa.array(times.astype("M8[us]")),
        "lpep_dropoff_datetime": pa.array((times + np.timedelta64(1, "h")).astype("M8[us]")),
        "trip_distance": pa.array(np.linspace(1, 5, 40)),
        "VendorID": pa.array(np.full(40, 2)),
        "PULocationID": pa.array(np.full(40, 74)),
    }
    file = tmp_path / "green.parquet"
    pq.write_table(pa.table(columns), file)
    assert loaded(settings, file).rows == 40
    found = rows(settings)
    assert found[0]["event"]["distance_km"] == 1.609344
    assert found[0]["event"]["pickup_zone"] == "74"
    files = table(settings).inspect.files().to_pylist()
    days = {file["partition"]["occurred_at_day"] for file in files}
    assert len(days) == 2


def test_payments_are_loaded_too(settings, tmp_path):
    file, when = tmp_path / "payments.csv", START.isoformat()
    file.write_text(f"occurred_at,merchant_id,amount\n{when},m1,12.5\n{when},m2,-1\n")
    done = loaded(settings, file, "tpv")
    assert (done.rows, done.rejected) == (1, 1)
    (row,) = rows(settings, "tpv")
    assert (row["event"]["merchant_id"], row["event"]["amount"]) == ("m1", 12.5)
    assert row["event"]["count"] == 1


def test_transactions_are_loaded_too(settings, tmp_path):
    file, when = tmp_path / "transactions.csv", START.isoformat()
    header = "occurred_at,card_token,terminal_id,amount\n"
    file.write_text(f"{header}{when},c1,t1,12.5\n{when},,t2,-1\n")
    done = loaded(settings, file, "transactions", judge=True)
    assert (done.rows, done.rejected) == (1, 1)
    (row,) = rows(settings, "transactions")
    assert (row["event"]["card_token"], row["event"]["amount"]) == ("c1", 12.5)


def test_a_catalog_that_is_gone_is_no_defect(settings, tmp_path):
    file = lines(tmp_path / "rides.jsonl", [ride(event_id="1")])
    catalog = Path(settings.lake.catalog.removeprefix("sqlite:///"))
    kept, begun = catalog.read_bytes(), job(settings)
    with pytest.raises(Unavailable, match="say the same again"):
        begun.file(file, lambda _: catalog.write_bytes(b"no database, " * 100), None)
    with pytest.raises(Unavailable):
        begun.file(file, lambda _: None, None)
    catalog.write_bytes(kept)
    assert loaded(settings, file).rows == 1


def test_what_cannot_be_is_said(settings, tmp_path, object_store):
    with pytest.raises(MissingResource, match="cannot read"):
        loaded(settings, tmp_path / "none.jsonl")
    bare = Settings(lake=object_store.lake(tmp_path))
    create(bare.lake, [])
    with pytest.raises(MissingResource, match="eddy lake create"):
        job(bare)


def test_the_command_tells_what_it_did(settings, tmp_path, monkeypatch):
    for name in ("catalog", "warehouse", "endpoint", "access_key_id", "secret_access_key"):
        monkeypatch.setenv(f"EDDY_LAKE__{name.upper()}", getattr(settings.lake, name))
    file = lines(tmp_path / "told.jsonl", [ride(), b"{}", b"no"])
    rejects = tmp_path / "rejects.jsonl"
    result = invoke("lake", "load", file, "--json", "--rejects", rejects)
    assert result.exit_code == 0, result.output
    (done,) = json.loads(result.stdout)
    assert (done["rows"], done["rejected"]) == (1, 2)
    assert done["reasons"] == {"malformed_json": 1, "schema_violation": 1}
    assert len(rejects.read_text().splitlines()) == 2
    shown = invoke("lake", "load", file)
    assert "its content is there" in " ".join(shown.output.split())
