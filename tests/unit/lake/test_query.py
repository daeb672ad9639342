"""Questions to the tables: what is answered, what is refused, and that secrets stay secret."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from eddy.lake.query import ask, connect
from eddy.lake.store import Folder, filesystem
from eddy.schemas.errors import ConfigError, MissingResource, Unavailable
from tests.support.lake_jobs import JobWorld, job_world, keep, streamed


@pytest.fixture(scope="module")
def world(object_store, tmp_path_factory) -> JobWorld:
    folder = tmp_path_factory.mktemp("lake")
    config = replace(object_store.lake(folder), secret_access_key="wJalr'secret")
    world = job_world(config, folder)
    keep(world.config, streamed(3, 300).rows, files=1)
    return world


@pytest.fixture(scope="module")
def connection(world):
    with connect(world.config) as opened:
        yield opened


@pytest.fixture
def answer(world, connection):
    def asked(sql: str, limit: int | None = None):
        return ask(connection, sql, world.config, limit)

    return asked


def test_every_table_is_there_by_its_name(answer) -> None:
    names = answer("show tables").rows.to_pydict()["name"]
    assert {"anomalies_rides", "clustered_rides", "history_rides", "rejections"} <= set(names)
    assert answer("select * from clustered_rides").rows.num_rows == 0


def test_times_are_those_of_utc(answer, world) -> None:
    rows = answer("select min(occurred_at) as first, count(*) as n from history_rides").rows
    first = rows.to_pylist()[0]["first"]
    assert datetime(2024, 3, 1, tzinfo=UTC) <= first < datetime(2024, 3, 1, 1, tzinfo=UTC)
    days = answer("select distinct occurred_at::date::varchar d from history_rides order by 1")
    assert days.rows["d"][0].as_py() == "2024-03-01"


def test_nested_columns_are_reached_by_dots(answer) -> None:
    found = answer("select max(event.distance_km) m from history_rides where source.partition = 1")
    assert found.rows["m"][0].as_py() > 1.0


@pytest.mark.parametrize(("limit", "is_cut"), [(10, True), (None, False), (100_000, False)])
def test_no_more_than_the_limit(answer, limit, is_cut) -> None:
    found = answer("select * from history_rides", limit)
    assert found.is_cut == is_cut
    assert found.rows.num_rows == (10 if is_cut else answer("from history_rides").rows.num_rows)


def test_exactly_the_limit_is_not_cut(answer) -> None:
    found = answer("select * from range(7)", 7)
    assert (found.rows.num_rows, found.is_cut) == (7, False)


@pytest.mark.parametrize(
    "sql",
    [
        "from history_rides",
        "describe history_rides",
        "summarize history_rides",
        "with x as (select 1 as a) select a from x",
        "values (1), (2)",
        "explain select count(*) from history_rides",
        "explain analyze select count(*) from history_rides",
        "select 1;",
    ],
)
def test_questions_are_answered(answer, sql) -> None:
    assert answer(sql).rows.num_rows > 0


@pytest.mark.parametrize(
    "sql",
    [
        "",
        "select 1; select 2",
        "create table x as select 1",
        "delete from history_rides",
        "insert into history_rides select * from history_rides",
        "drop view history_rides",
        "set threads = 1",
        "attach 'x.db'",
        "install spatial",
        "load spatial",
        "pragma database_list; select 1",
        "create secret x (type s3, key_id 'a')",
        "copy (select 1) to '{warehouse}/x.csv'",
        "explain analyze copy (select 1) to '{warehouse}/x.csv'",
        "explain analyze create table x as select 1",
        "/* x */ explain analyze copy (select 1) to '{warehouse}/x.csv'",
    ],
)
def test_all_else_is_refused(answer, world, sql) -> None:
    with pytest.raises(ConfigError, match="sql: "):
        answer(sql.format(warehouse=world.config.warehouse))
    warehouse = Folder(filesystem(world.config), world.config.warehouse.removeprefix("s3://"))
    assert warehouse.read("x.csv") is None


@pytest.mark.parametrize(
    "sql",
    [
        "select * from read_text('/etc/hostname')",
        "select * from '/etc/hostname'",
        "select * from glob('/*')",
        "select * from read_csv('http://127.0.0.1:9/x.csv')",
        "select * from read_blob('s3://{bucket}/elsewhere/x')",
        "select * from iceberg_scan('s3://{bucket}/elsewhere/x')",
        "select * from world",
        "select * from iceberg_scan('/tmp/x')",
    ],
)
def test_nothing_but_the_lake_is_read(answer, world, sql) -> None:
    with pytest.raises((ConfigError, Unavailable)) as said:
        answer(sql.format(bucket=world.config.bucket))
    assert "disabled by configuration" in str(said.value) or "does not exist" in str(said.value)


def test_the_settings_stay_as_they_are_in_notebooks_too(world) -> None:
    import duckdb

    with connect(world.config) as connection:
        for sql in ("set enable_external_access = true", "set allowed_directories = ['/']"):
            with pytest.raises(duckdb.Error):
                connection.execute(sql)


def test_what_duckdb_says_is_passed_on(answer) -> None:
    with pytest.raises(ConfigError, match=r"nosuch.*not found"):
        answer("select nosuch from history_rides")
    with pytest.raises(ConfigError, match="syntax error"):
        answer("selec 1")


@pytest.mark.parametrize(
    "sql",
    [
        "select * from duckdb_secrets()",
        "select * from duckdb_settings()",
        "select * from which_secret('s3://x/y', 's3')",
        "select * from sql_auto_complete('create sec')",
    ],
)
def test_the_secret_is_not_to_be_had(answer, world, sql) -> None:
    try:
        text = str(answer(sql).rows.to_pylist())
    except ConfigError as error:
        text = str(error)
    assert world.config.secret_access_key not in text


def test_the_secret_is_in_no_error(answer, world) -> None:
    quoted = world.config.secret_access_key.replace("'", "''")
    with pytest.raises(ConfigError) as said:
        answer(f"select '{quoted}' + nosuch")
    assert "wJalr" not in str(said.value) or quoted in str(said.value)
    with pytest.raises(ConfigError) as said:
        answer(f'select "{world.config.secret_access_key}"')
    assert world.config.secret_access_key not in str(said.value)


def test_a_lake_without_tables_says_what_to_do(lake_config) -> None:
    with pytest.raises(MissingResource, match="eddy lake create"):
        connect(lake_config)
    with pytest.raises(MissingResource, match="eddy lake create"):
        connect(lake_config, ["history_rides"])


def test_a_store_that_does_not_answer_is_unavailable(world) -> None:
    with connect(world.config) as connection:
        gone = replace(world.config, endpoint="http://127.0.0.1:9")
        assert ask(connection, "select 1", gone).rows.num_rows == 1
    with pytest.raises(Unavailable):
        connect(gone)
