"""What the watchdog does about what it sees."""

import pytest

from eddy.lake.config import LakeConfig
from eddy.lake.sink.connect import ConnectorStatus, TaskStatus
from eddy.lake.sink.connectors import SinkFeed, connectors
from eddy.lake.sink.failed_record import RecordPosition, cause_in, place_in
from eddy.lake.sink.watchdog import Watchdog
from eddy.schemas.errors import Unavailable
from eddy.schemas.rides import Ride
from eddy.schemas.topics import domain_topics

BLAMES = (
    "org.apache.kafka.connect.errors.ConnectException: Exiting WorkerSinkTask\n\tat a.b(C.java)\n"
    "Caused by: org.apache.kafka.connect.errors.DataException: An error occurred converting "
    "record, topic: anomalies.rides, partition, {}, offset: {}\n\tat d.e(F.java)\n"
    'Caused by: java.lang.NumberFormatException: For input string: "abc"\n\t... 21 more\n'
)
STORE = (
    "org.apache.kafka.connect.errors.ConnectException: x\nCaused by: S3Exception: 503 very-secret"
)
RUNS = ConnectorStatus("RUNNING", "", (TaskStatus(0, "RUNNING"),))
STOPPED = ConnectorStatus("STOPPED", "", ())


def failed(trace):
    return ConnectorStatus("RUNNING", "", (TaskStatus(0, "FAILED", trace),))


class Cluster:
    """A Connect cluster in a few words: one connector, what is said of it, and the time."""

    def __init__(self):
        config = LakeConfig(access_key_id="id", secret_access_key="very-secret")
        self.connector = connectors(config, {"rides": SinkFeed(domain_topics("rides"), Ride)})[0]
        self.said, self.now, self.done, self.error = RUNS, 0.0, [], None
        self.dog = Watchdog(self, [self.connector], self._move_on, clock=lambda: self.now)

    def status(self, name):
        return self.said

    def restart_failed(self, name):
        self.done.append("restart")

    def resume(self, name):
        self.done.append("resume")

    def _move_on(self, connector, place, cause):
        self.done.append((place, cause))
        if self.error:
            raise self.error

    def look(self, said=None, after=0.0):
        self.now += after
        self.said = said or self.said
        return self.dog.look()[self.connector.name]


@pytest.fixture
def cluster():
    return Cluster()


def test_what_runs_is_left_alone(cluster):
    assert cluster.look() == "runs"
    assert cluster.done == []


def test_a_failure_is_restarted_after_longer_and_longer_waits(cluster):
    assert cluster.look(failed(STORE)) == "restarted"
    assert cluster.look(after=1.0) == "waits"
    assert cluster.look(after=1.1) == "restarted"
    assert cluster.look(after=2.1) == "waits"
    assert cluster.look(after=2.0) == "restarted"
    for _ in range(20):
        cluster.look(after=60.1)
    assert cluster.done == ["restart"] * 23


def test_a_wait_is_bounded(cluster):
    for _ in range(30):
        assert cluster.look(failed(STORE), after=60.1) == "restarted"


def test_who_ran_for_a_while_is_restarted_at_once(cluster):
    for _ in range(5):
        cluster.look(failed(STORE), after=60.1)
    cluster.look(RUNS, after=1.0)
    cluster.look(RUNS, after=61.0)
    cluster.look(failed(STORE))
    assert cluster.look(failed(STORE), after=2.1) == "restarted"


def test_a_record_is_blamed_when_it_fails_the_task_again(cluster):
    assert cluster.look(failed(BLAMES.format(1, 8))) == "restarted"
    assert cluster.look(failed(BLAMES.format(1, 8)), after=2.1) == "moved_on"
    cause = 'java.lang.NumberFormatException: For input string: "abc"'
    assert cluster.done == ["restart", (RecordPosition("anomalies.rides", 1, 8), cause)]


def test_another_record_is_given_its_second_chance(cluster):
    cluster.look(failed(BLAMES.format(1, 8)))
    assert cluster.look(failed(BLAMES.format(1, 9)), after=2.1) == "restarted"
    assert cluster.look(failed(BLAMES.format(0, 9)), after=60.1) == "restarted"


def test_where_moving_on_fails_it_is_tried_again_later(cluster):
    cluster.error = Unavailable("the store is away")
    cluster.look(failed(BLAMES.format(1, 8)))
    assert cluster.look(after=2.1) == "waits"
    assert cluster.look(after=0.1) == "waits"
    cluster.error = None
    assert cluster.look(after=60.1) == "moved_on"
    assert len(cluster.done) == 3


def test_what_a_crash_left_stopped_is_resumed(cluster):
    assert cluster.look(STOPPED) == "resumed"
    assert cluster.done == ["resume"]


def test_what_is_paused_stays_so(cluster):
    paused = ConnectorStatus("PAUSED", "", (TaskStatus(0, "PAUSED"),))
    assert cluster.look(paused) == "waits"
    assert cluster.done == []


def test_a_cause_is_told_without_secrets(cluster):
    cluster.error = Unavailable("later")
    cluster.look(failed(BLAMES.format(0, 1).replace("abc", "very-secret")))
    cluster.look(after=2.1)
    assert "very-secret" not in str(cluster.done)


@pytest.mark.parametrize("trace", ["", STORE, "An error occurred converting record"])
def test_a_trace_without_a_record_blames_none(trace):
    assert place_in(trace) is None
    assert cause_in(trace)
