"""The lake's jobs and questions as a person or a cron line runs them."""

import json

import pytest

from eddy.app.commands.lake.sql import sql
from eddy.app.commands.options import FileOptions
from eddy.schemas.errors import ConfigError, MissingResource
from tests.support.commands import invoke
from tests.support.lake_jobs import job_world, keep, of_day, streamed

DAY = "2024-03-01"


@pytest.fixture(scope="module")
def lake(object_store, tmp_path_factory):
    folder = tmp_path_factory.mktemp("lake")
    config = object_store.lake(folder)
    world = job_world(config, folder)
    said = streamed(1, 900, anomaly_rate=0.01)
    keep(config, said.rows, files=1)
    names = ("catalog", "warehouse", "endpoint", "access_key_id", "secret_access_key")
    lines = [f'{name} = "{getattr(config, name)}"' for name in names]
    (folder / "eddy.toml").write_text(
        "\n".join(["[lake]", *lines, "[domains.rides]", "window_rides = 150", "min_window = 60"])
        + f'\n[storage]\nregistry = "{folder}/models"\n'
    )
    return world, said, folder / "eddy.toml"


@pytest.fixture
def eddy(lake):
    def run(*arguments: str):
        return invoke("lake", *arguments, "--config", lake[2])

    return run


def test_a_back_fill_tells_machines_what_each_day_came_to(lake, eddy) -> None:
    done = json.loads(
        eddy("cluster-rides", "--since", DAY, "--until", "2024-03-03", "--json").stdout
    )
    assert [one["summary"]["day"] for one in done] == [DAY, "2024-03-02", "2024-03-03"]
    assert done[0]["summary"]["compared"]["equal"] == len(of_day(lake[1].rows, DAY))
    assert done[2]["summary"]["rides"] == 0
    again = eddy("cluster-rides", "--date", DAY).stdout
    assert "kept" in again
    assert f"exports/json/rides/dt={DAY}" in again


def test_results_go_where_they_are_told(lake, eddy) -> None:
    bucket = lake[0].config.bucket
    done = eddy("cluster-rides", "--date", DAY, "--prefix", f"s3://{bucket}/other", "--json")
    assert json.loads(done.stdout)[0]["url"] == f"s3://{bucket}/other/json/rides/dt={DAY}"
    with pytest.raises(ConfigError, match="s3://BUCKET"):
        eddy("cluster-rides", "--date", DAY, "--prefix", "/tmp/x")


def test_a_day_without_rides_says_where_rides_come_from(eddy) -> None:
    assert "eddy lake load" in eddy("cluster-rides", "--date", "2020-01-01").stdout


def test_a_day_that_is_not_over_is_refused(eddy) -> None:
    with pytest.raises(ConfigError, match="not over"):
        eddy("cluster-rides", "--date", "2999-01-01")


def test_export_names_what_it_wrote(lake, eddy, tmp_path) -> None:
    target = tmp_path / "x.csv"
    args = ("history_rides", "--date", DAY, "--format", "csv", "--output", str(target))
    assert str(target) in eddy("export", *args).stdout
    (done,) = json.loads(eddy("export", *args, "--json").stdout)
    assert done["rows"] == len(of_day(lake[1].rows, DAY))
    default = json.loads(eddy("export", "--date", DAY, "--json").stdout)
    assert [one["table"] for one in default] == ["anomalies_rides"]


def test_answers_for_people_and_for_machines(eddy) -> None:
    question = "select source.offset, ['[x]'] as l from history_rides order by 1, score limit 5"
    table = eddy("sql", question, "--limit", "2")
    assert '["[x]"]' in table.stdout
    assert "the first 2 rows" in table.stderr
    rows = json.loads(eddy("sql", question, "--json").stdout)
    assert rows[0] == {"offset": 0, "l": ["[x]"]}
    assert len(rows) == 5
    lines = eddy("sql", question, "--csv").stdout.splitlines()
    assert lines[:2] == ['"offset","l"', '0,"[""[x]""]"']
    assert len(lines) == 6


def test_answers_of_every_type_are_shown(eddy) -> None:
    question = (
        "select 1 as a, 2 as a, 0.1::decimal(3,2) as d, 'nan'::double as n, date '2024-01-01' as x,"
        " sum(1) as h, 'a'::blob as b, interval 1 day as i, null as z, uuid() is not null as u"
    )
    (row,) = json.loads(eddy("sql", question, "--json").stdout)
    assert (row["a"], row["a_1"], row["d"], row["n"], row["x"]) == (1, 2, 0.1, None, "2024-01-01")
    assert (row["h"], row["b"], row["z"], row["u"]) == (1, "YQ==", None, True)
    assert "2024-01-01" in eddy("sql", question).stdout
    assert "2024-01-01" in eddy("sql", question, "--csv").stdout


def test_a_wrong_question_and_a_missing_lake_say_what_to_do(eddy, tmp_path) -> None:
    with pytest.raises(ConfigError, match="nosuch"):
        eddy("sql", "select nosuch from history_rides")
    with pytest.raises(ConfigError, match="--csv or --json"):
        eddy("sql", "select 1", "--csv", "--json")
    (tmp_path / "eddy.toml").write_text(f'[lake]\ncatalog = "sqlite:///{tmp_path}/none.db"\n')
    with pytest.raises(MissingResource, match="eddy lake create"):
        sql("select 1", source=FileOptions(config=tmp_path / "eddy.toml"))
