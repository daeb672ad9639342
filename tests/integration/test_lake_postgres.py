"""The sink as in production: PostgreSQL as the catalog, stores that keep their data on a disk."""

import shutil
from datetime import UTC, datetime

import pytest

from eddy.lake.query import ask
from eddy.lake.query import connect as ask_tables
from tests.support.lake_sink import SinkWorld, anomaly, encode, send
from tests.support.lake_world import persistent_store


@pytest.fixture(params=["embedded", "versitygw"])
def disk_store(request, tmp_path_factory):
    if request.param == "versitygw" and not shutil.which("versitygw"):
        pytest.skip("versitygw is not on the PATH")
    with persistent_store(tmp_path_factory.mktemp("store"), request.param) as store:
        yield store


def test_what_was_said_is_in_the_tables_once(kafka, connect, postgres, disk_store, tmp_path):
    said = [anomaly("rides", i, op) for i in range(200) for op in ("open", "close")]
    catalog = postgres.new_catalog()
    with SinkWorld(
        kafka, connect.url, disk_store, tmp_path, {"rides": {}}, catalog=catalog
    ) as world:
        world.feed()
        send(world, world.topics["rides"].anomalies, [encode(one) for one in said])
        seen = {one.table: one for one in world.drain().tables}
        assert seen["anomaly_changes_rides"].rows == len(said)
        world.compact()
        assert world.check(is_compacted=True).problems() == []
        with ask_tables(world.settings.lake) as connection:
            question = "select op, count(*) as said, min(occurred_at) as first"
            question += " from anomalies_rides group by op"
            answer = ask(connection, question, world.settings.lake)
    first = datetime(2026, 3, 1, tzinfo=UTC)
    assert answer.rows.to_pylist() == [{"op": "close", "said": 200, "first": first}]
