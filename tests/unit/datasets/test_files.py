"""Files of rides become records: one for each row, in order, whatever is in them."""

import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from eddy.datasets.history.rides import KM_PER_MILE, RideRecord, ride_records
from eddy.schemas.errors import ConfigError, MissingResource
from eddy.schemas.rides import Ride

DATA = Path(os.environ.get("EDDY_DATA", Path(__file__).parents[4] / "shared/data"))

GREEN: dict[str, Any] = {
    "VendorID": pa.array([2, 1, None], pa.int32()),
    "lpep_pickup_datetime": [datetime(2023, 12, 1, 0, 27, 37 + i) for i in range(3)],
    "lpep_dropoff_datetime": [datetime(2023, 12, 1, 0, 42, 48), datetime(2023, 12, 1), None],
    "PULocationID": [74, 80, 74],
    "DOLocationID": [243, 25, None],
    "passenger_count": [1, None, 3],
    "trip_distance": [4.8, None, 0.0],
    "fare_amount": [22.6, -3.0, None],
    "extra": [1.0, 1.0, 1.0],
}


def records(path: Path, **options: Any) -> list[bytes]:
    return [record for chunk in ride_records(path, **options) for record in chunk]


def rows(path: Path, **options: Any) -> list[dict[str, Any]]:
    return [json.loads(record) for record in records(path, **options)]


def parquet(path: Path, columns: dict[str, Any], name: str = "rides.parquet") -> Path:
    pq.write_table(pa.table(columns), path / name)
    return path / name


def csv_file(path: Path, text: str, name: str = "rides.csv") -> Path:
    (path / name).write_text(text)
    return path / name


def test_records_have_the_fields_of_a_ride() -> None:
    assert RideRecord.__struct_fields__ == Ride.__struct_fields__


def test_green_taxi(tmp_path: Path) -> None:
    first, second, third = rows(parquet(tmp_path, GREEN, "green.parquet"))
    assert first == {
        "event_id": "green-00000000",
        "occurred_at": "2023-12-01T00:27:37Z",
        "ride_id": "green-00000000",
        "vendor_id": 2,
        "pickup_zone": 74,
        "dropoff_zone": 243,
        "distance_km": 4.8 * KM_PER_MILE,
        "duration_s": 911.0,
        "fare": 22.6,
        "currency": "USD",
        "passengers": 1.0,
    }
    assert second["distance_km"] is None
    assert second["duration_s"] == -(27 * 60 + 38)
    assert second["passengers"] is None
    assert third["vendor_id"] is third["dropoff_zone"] is third["fare"] is None
    assert third["duration_s"] is None


def test_the_records_are_rides(tmp_path: Path) -> None:
    ride = msgspec.json.decode(records(parquet(tmp_path, GREEN))[0], type=Ride)
    assert ride.occurred_at == datetime(2023, 12, 1, 0, 27, 37, tzinfo=UTC)


def test_yellow_taxi(tmp_path: Path) -> None:
    yellow = {name.replace("lpep", "tpep"): column for name, column in GREEN.items()}
    assert rows(parquet(tmp_path, yellow)) == rows(parquet(tmp_path, GREEN))


def test_a_layout_without_vendor_and_fare(tmp_path: Path) -> None:
    few = {n: c for n, c in GREEN.items() if n not in ("VendorID", "fare_amount")}
    row = rows(parquet(tmp_path, few))[0]
    assert row["vendor_id"] is None
    assert "fare" not in row
    assert "currency" not in row


def test_csv_and_parquet_give_the_same_records(tmp_path: Path) -> None:
    table = pa.table(GREEN).to_pandas()  # gaps turn integers into 74.0
    table.to_csv(tmp_path / "rides.csv", index=False)
    assert records(tmp_path / "rides.csv") == records(parquet(tmp_path, GREEN))


def test_own_columns(tmp_path: Path) -> None:
    cells = {
        "event_id": ["a", "b"],
        "occurred_at": pa.array([0, 1_500_000], pa.timestamp("us", "UTC")),
        "ride_id": ["r", "s"],
        "vendor_id": ["green", None],
        "distance_km": pa.array([1.5, float("nan")], pa.float32()),
        "duration_s": [60, -1],
        "remark": ["ignored", "too"],
    }
    first, second = rows(parquet(tmp_path, cells))
    assert (first["event_id"], first["ride_id"], first["vendor_id"]) == ("a", "r", "green")
    assert (first["distance_km"], first["duration_s"]) == (1.5, 60.0)
    assert [first["occurred_at"], second["occurred_at"]] == [
        "1970-01-01T00:00:00.000000Z",
        "1970-01-01T00:00:01.500000Z",
    ]
    assert second["distance_km"] is None
    assert "remark" not in first
    assert first["pickup_zone"] is None


def test_own_columns_without_ids(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "occurred_at,distance_km,duration_s\n2024-01-01T00:00:00Z,1,2\n")
    assert rows(path) == [
        {
            "event_id": "rides-00000000",
            "occurred_at": "2024-01-01T00:00:00Z",
            "ride_id": "rides-00000000",
            "vendor_id": None,
            "pickup_zone": None,
            "dropoff_zone": None,
            "distance_km": 1.0,
            "duration_s": 2.0,
        }
    ]


def test_ids_do_not_depend_on_the_chunks(tmp_path: Path) -> None:
    path = parquet(tmp_path, GREEN)
    assert records(path, chunk_rows=1) == records(path, chunk_rows=2) == records(path)


def test_a_long_file_name_still_gives_an_id(tmp_path: Path) -> None:
    path = parquet(tmp_path, GREEN, "x" * 200 + ".parquet")
    msgspec.json.decode(records(path)[0], type=Ride)


def test_wall_clock_times_of_a_zone(tmp_path: Path) -> None:
    path = parquet(tmp_path, GREEN)
    row = rows(path, zone="America/New_York")[0]
    assert row["occurred_at"] == "2023-12-01T05:27:37Z"
    text = "occurred_at,distance_km,duration_s\n2023-12-01 00:27:37,1,2\nnoon,1,2\n"
    assert rows(csv_file(tmp_path, text), zone="America/New_York")[0]["occurred_at"] == (
        "2023-12-01T05:27:37Z"
    )


def test_times_with_an_offset_keep_their_instant(tmp_path: Path) -> None:
    text = "occurred_at,distance_km,duration_s\n2024-01-01T02:00:00+02:00,1,2\n"
    assert rows(csv_file(tmp_path, text))[0]["occurred_at"] == "2024-01-01T00:00:00Z"


def test_cells_that_are_no_numbers_reach_the_decoder_as_they_are(tmp_path: Path) -> None:
    text = (
        "lpep_pickup_datetime,lpep_dropoff_datetime,trip_distance,VendorID,PULocationID\n"
        "2024-01-01 00:00:00,2024-01-01 00:01:00,1.0,2,007\n"
        "soon,2024-01-01 00:01:00,far,two,\n"
        ",,,,74.0\n"
    )
    good, bad, empty = rows(csv_file(tmp_path, text))
    assert (good["vendor_id"], good["pickup_zone"], good["duration_s"]) == (2, "007", 60.0)
    assert (bad["occurred_at"], bad["distance_km"], bad["vendor_id"]) == ("soon", "far", "two")
    assert bad["duration_s"] is None
    assert empty["occurred_at"] is empty["distance_km"] is empty["vendor_id"] is None
    assert empty["pickup_zone"] == 74


def test_broken_csv_rows_come_through_as_text(tmp_path: Path) -> None:
    text = "occurred_at,distance_km,duration_s\n2024-01-01,1\n\n2024-01-01,1,2,3\n2024-01-01,1,2\n"
    path = csv_file(tmp_path, text)
    got = records(path)
    assert got[:3] == [b"2024-01-01,1", b"", b"2024-01-01,1,2,3"]
    assert json.loads(got[3])["event_id"] == "rides-00000003"


def test_csv_with_odd_bytes(tmp_path: Path) -> None:
    path = tmp_path / "rides.csv"
    head = b"\xef\xbb\xbf Occurred_At ,DISTANCE_KM,duration_s,vendor_id\r\n"
    path.write_bytes(head + b'2024-01-01,1,2,"a ""b"", \xff"\r\n')
    assert rows(path)[0]["vendor_id"] == 'a "b", �'


@pytest.mark.parametrize("end", [b"", b"\n"])
def test_json_lines_are_untouched(tmp_path: Path, end: bytes) -> None:
    lines = [b'{"event_id":1}', b"{", b"", b"\xff\x00", b' {"a": 1} \r', b"x" * 100_000]
    path = tmp_path / "rides.jsonl"
    path.write_bytes(b"\n".join(lines) + end)
    assert records(path, chunk_rows=4) == lines


def test_an_empty_file_of_lines_has_no_records(tmp_path: Path) -> None:
    (tmp_path / "rides.ndjson").write_bytes(b"")
    assert records(tmp_path / "rides.ndjson") == []


def test_a_table_without_rows_has_no_records(tmp_path: Path) -> None:
    path = tmp_path / "rides.parquet"
    pq.write_table(pa.table(GREEN).slice(0, 0), path)
    assert records(path) == []


def test_an_unknown_layout_names_what_it_found_and_expects(tmp_path: Path) -> None:
    path = parquet(tmp_path, {"pickup": [1], "miles": [2]})
    with pytest.raises(ConfigError, match=r"pickup, miles.*occurred_at.*lpep_pickup.*tpep_pickup"):
        records(path)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("rides.parquet", b"no parquet"),
        ("rides.parquet", b""),
        ("rides.csv", b""),
        ("rides.csv", b'occurred_at,distance_km,duration_s\n"' + b"x" * 200_000),
        ("rides.txt", b"x"),
        ("rides", b"x"),
    ],
)
def test_files_of_no_kind(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigError, match=name):
        records(tmp_path / name)


@pytest.mark.parametrize("name", ["a.parquet", "a.csv", "a.jsonl"])
def test_a_file_that_is_not_there(tmp_path: Path, name: str) -> None:
    with pytest.raises(MissingResource, match="No such file"):
        records(tmp_path / name)


def test_an_unknown_zone(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Gotham"):
        records(parquet(tmp_path, GREEN), zone="America/Gotham")


def test_without_pyarrow_the_extra_is_named(tmp_path: Path, monkeypatch: Any) -> None:
    path = parquet(tmp_path, GREEN)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ConfigError, match=r"eddy-stream\[train\]"):
        records(path)


def real(month: str) -> Path:
    path = DATA / f"rides/green_tripdata_{month}.parquet"
    if not path.exists():
        pytest.skip(f"no real rides at {path}")
    return path


@pytest.mark.parametrize("month", ["2022-01", "2023-12"])
def test_every_real_row_becomes_the_ride_it_is(month: str) -> None:
    path = real(month)
    table = pd.read_parquet(path)
    rides = [msgspec.json.decode(record, type=Ride) for record in records(path)]
    assert len(rides) == len(table)
    km = np.array([ride.distance_km for ride in rides])
    assert (km == (table["trip_distance"] * KM_PER_MILE).to_numpy()).all()
    passed = table["lpep_dropoff_datetime"] - table["lpep_pickup_datetime"]
    seconds = np.array([ride.duration_s for ride in rides])
    assert (seconds == passed.dt.total_seconds().to_numpy()).all()
    began = [ride.occurred_at.replace(tzinfo=None) for ride in rides]
    assert began == table["lpep_pickup_datetime"].dt.to_pydatetime().tolist()
    assert [ride.pickup_zone for ride in rides] == table["PULocationID"].tolist()
    if "passenger_count" in table:
        assert (
            sum(ride.passengers is None for ride in rides) == table["passenger_count"].isna().sum()
        )
