"""Offsets by time, from a consumer that answers as a cluster in trouble does."""

from types import SimpleNamespace

import confluent_kafka as ck
import pytest

from eddy.schemas.errors import MissingResource
from eddy.streams.connection import Connection
from eddy.streams.reading import TopicReader


class Consumer:
    """Answers what it is told to; all else that is asked of it is a mistake."""

    def __init__(self, *answers, error=None):
        self.answers, self.error = answers, error

    def offsets_for_times(self, asked, timeout):
        assert [one.offset for one in asked] == [1_000, 1_000]
        if self.error is not None:
            raise ck.KafkaException(ck.KafkaError(self.error))
        return list(self.answers)

    def close(self):
        pass


class Reader(TopicReader):
    def __init__(self, consumer):
        super().__init__(Connection("127.0.0.1:9"))
        super().close()
        self._consumer = consumer

    def ranges(self, topic):
        return {0: (0, 10), 1: (0, 20)}


def answer(partition, offset, code=None):
    error = None if code is None else ck.KafkaError(code)
    return SimpleNamespace(partition=partition, offset=offset, error=error)


def test_where_no_record_is_that_young_it_is_the_end():
    reader = Reader(Consumer(answer(0, 3), answer(1, -1)))
    assert reader.offsets_at("t", 1_000) == {0: 3, 1: 20}


def test_a_partition_that_does_not_answer_is_named():
    """Its offset is negative, too."""
    failed = answer(1, -1001, ck.KafkaError.NOT_LEADER_FOR_PARTITION)
    with pytest.raises(MissingResource, match=r"t\[1\]: .*leader"):
        Reader(Consumer(answer(0, 3), failed)).offsets_at("t", 1_000)


def test_a_cluster_that_does_not_answer_is_a_missing_resource():
    with pytest.raises(MissingResource, match="t: "):
        Reader(Consumer(error=ck.KafkaError._TIMED_OUT)).offsets_at("t", 1_000)
