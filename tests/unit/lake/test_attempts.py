"""One attempt at a commit: what came of it is found out, also where the answer was lost."""

import pyarrow as pa
import pytest
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.exceptions import CommitFailedException

from eddy.lake import catalog as catalogs
from eddy.lake.compaction.reading import arrow_schema
from eddy.lake.single_attempt import once
from eddy.lake.tables import clusters

TABLE = clusters("rides")


@pytest.fixture
def table(lake_config):
    catalogs.create(lake_config, [TABLE])
    return catalogs.load(catalogs.open_catalog(lake_config), lake_config, TABLE)


def rows(table, *ids: str) -> pa.Table:
    return pa.Table.from_pylist([{"anomaly_id": one} for one in ids], schema=arrow_schema(table))


def test_a_commit_whose_answer_was_lost_is_done_and_whole(table, monkeypatch):
    commit, lost = SqlCatalog.commit_table, []

    def answer_is_lost(*arguments):
        commit(*arguments)
        lost.append(True)
        raise CommitFailedException("another was quicker")

    with monkeypatch.context() as patch:
        patch.setattr(SqlCatalog, "commit_table", answer_is_lost)
        once(table).append(rows(table, "a", "b"))
    assert lost == [True]
    assert table.refresh().scan().to_arrow()["anomaly_id"].to_pylist() == ["a", "b"]


def test_where_another_was_quicker_nothing_is_tried_again(table):
    attempt = once(table)
    table.catalog.load_table(table.name()).append(rows(table, "a"))
    with pytest.raises(CommitFailedException):
        attempt.append(rows(table, "b"))
    assert table.refresh().scan().to_arrow()["anomaly_id"].to_pylist() == ["a"]
