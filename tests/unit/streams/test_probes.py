from types import SimpleNamespace

from eddy.streams.metrics import Metrics
from eddy.streams.probes import Probes


def test_reads_before_the_first_fetch_do_not_end_a_replay():
    """A slow broker is no end of the topic: nothing was read yet, and all of it is to come."""
    fetched = set()
    partition = SimpleNamespace(position=0, end=10, topic_partition=("t", 0))
    lane = SimpleNamespace(route=SimpleNamespace(stop={0: 10}))
    assignment = SimpleNamespace(
        partitions=[partition], lanes=[lane], is_fetched=lambda one: one.topic_partition in fetched
    )
    probes = Probes(SimpleNamespace(assignment=assignment, idle=True), Metrics(), 60.0)

    def read_nothing(times):
        for _ in range(times):
            probes.read(False)
        return probes.done()

    assert not read_nothing(1_000)
    fetched.add(partition.topic_partition)
    assert not read_nothing(10)
    assert read_nothing(50), "markers may be all that is left before the stop"
    partition.position = 10
    assert read_nothing(0)
