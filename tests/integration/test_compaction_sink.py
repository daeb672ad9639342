"""Compaction of tables that the real sink connector writes, while it writes."""

from datetime import date
from functools import partial
from pathlib import Path

from eddy.lake import catalog as catalogs
from eddy.lake.compaction.commits import sink_offsets, sink_properties
from eddy.lake.compaction.day_files import days_of
from eddy.lake.tables import anomalies
from eddy.sandbox.connect import EmbeddedConnect
from tests.support.brokers import Kafka
from tests.support.lake_rows import LakeTable, key
from tests.support.lake_sink import SinkWorld, anomaly, encode, send, wait_for
from tests.support.lake_world import ObjectStore

DAY = date(2026, 3, 1)


def test_compacted_while_the_sink_commits_to_the_same_day(
    kafka: Kafka, connect: EmbeddedConnect, object_store: ObjectStore, tmp_path: Path
) -> None:
    with SinkWorld(kafka, connect.url, object_store, tmp_path, {"rides": {}}) as world:
        world.feed()
        lake, spec = world.settings.lake, anomalies("rides")
        catalog = catalogs.open_catalog(lake)
        table = LakeTable(spec, partial(catalogs.load, catalog, lake, spec), tmp_path)
        sent = 0

        def say(count: int, op: str) -> None:
            nonlocal sent
            for number in range(0, count, 50):
                values = [anomaly("rides", n, op) for n in range(number, number + 50)]
                send(world, world.topics["rides"].anomalies, map(encode, values), partition=1)
            sent += count

        def rows() -> int:
            return sum(day.rows for day in days_of(table.load()).values())

        say(100, "open")
        wait_for(lambda: rows() == 100, "the sink's rows")
        written = days_of(table.load())[DAY].files
        before = sorted(map(key, table.rows()))
        table.compactor().run([DAY])
        assert sorted(map(key, table.rows())) == before  # the sink's types come out as they were
        (mine,) = days_of(table.load())[DAY].files
        assert mine.partition == written[0].partition
        columns = {field.field_id for field in table.load().schema().fields}
        assert set(mine.lower_bounds) & columns == set(written[0].lower_bounds) & columns
        say(100, "close")
        while len([row for row in table.rows() if row["op"] == "close"]) < 100:
            table.compactor().run([DAY])
        table.compactor().run([DAY])
        ended = {row["anomaly_id"]: row["op"] for row in table.rows()}
        assert len(table.rows()) == len(ended) == 100
        assert set(ended.values()) == {"close"}
        # the sink goes on from where it is, whoever committed last
        now = table.load()
        assert sink_offsets(now.current_snapshot()) == {
            name: value for name, value in sink_properties(now).items() if name.startswith("kafka")
        }
        say(50, "update")
        wait_for(lambda: rows() == 150, "rows after compaction")
        verdict = world.drain()
        assert verdict.missing == 0
