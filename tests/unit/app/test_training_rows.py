import pytest

from eddy.app.domains import domain_row
from eddy.app.training.training_rows import TrainingRows
from eddy.schemas.errors import MissingResource
from eddy.streams.reading import TopicRecord


def ride(number, distance_km=2.0, occurred_at="2026-01-01T00:00:00Z"):
    return (
        f'{{"event_id":"e{number}","occurred_at":"{occurred_at}","ride_id":"r",'
        f'"vendor_id":1,"pickup_zone":74,"dropoff_zone":null,"distance_km":{distance_km},'
        f'"duration_s":{number}}}'
    ).encode()


def rows():
    return TrainingRows(domain_row("rides"), ("duration_s", "distance_km"), 300.0)


def test_columns_come_in_the_order_asked_for():
    collected = rows()
    collected.add([ride(60, 1.5), ride(120, 2.5)])
    collected.add([ride(180, 3.5)])
    assert collected.values().tolist() == [[60, 1.5], [120, 2.5], [180, 3.5]]


def test_what_the_stream_rejects_is_left_out_and_counted():
    collected = rows()
    collected.add([ride(60), b"{", None, ride(1, "1e30"), ride(120)])
    assert collected.values()[:, 0].tolist() == [60, 120]
    assert collected.rejected == 3


def test_the_future_is_judged_by_the_records_own_time():
    collected = rows()
    collected.add([ride(60), ride(61, occurred_at="2026-01-01T00:10:00Z")], [1_767_225_600_000] * 2)
    assert collected.values()[:, 0].tolist() == [60]


def test_nothing_is_a_table_without_rows():
    assert rows().values().shape == (0, 2)


def test_files_one_after_the_other(tmp_path):
    for name, first in (("a", 1), ("b", 11)):
        (tmp_path / f"{name}.jsonl").write_bytes(b"\n".join(map(ride, range(first, first + 10))))
    collected, counts = rows(), []
    collected.read_files([tmp_path / "b.jsonl", tmp_path / "a.jsonl"], "UTC", counts.append)
    assert collected.values()[:, 0].tolist() == [*range(11, 21), *range(1, 11)]
    assert sum(counts) == 20


class Reader:
    """Two partitions whose records come interleaved."""

    def ranges(self, topic):
        return {0: (0, 3), 1: (0, 3)}

    def read(self, topic, start, stop):
        for offset in range(3):
            for number in (1, 0):
                if start.get(number, 0) <= offset < stop.get(number, 3):
                    yield TopicRecord(topic, number, offset, -1, None, ride(10 * number + offset))


def test_a_topic_is_read_as_each_partitions_judge_sees_it():
    collected, counts = rows(), []
    collected.read_topic(Reader(), "t", {0: 1}, {1: 2}, counts.append)
    assert collected.values()[:, 0].tolist() == [1, 2, 10, 11]
    assert sum(counts) == 4


def test_an_empty_range_says_so():
    with pytest.raises(MissingResource, match="no records"):
        rows().read_topic(Reader(), "t", {0: 9, 1: 9}, {}, lambda _: None)
