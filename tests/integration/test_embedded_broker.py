"""The embedded broker is a real one: it keeps its data, survives kill -9, and leaves nothing."""

import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from eddy.sandbox.broker import EmbeddedBroker
from eddy.sandbox.java import java_executable
from eddy.sandbox.machine import answers, free_port
from eddy.sandbox.processes import ProcessId
from eddy.sandbox.stack import Stack
from eddy.schemas.errors import MissingResource
from tests.support.brokers import Kafka, embedded_kafka, is_ready

ROOT = Path(__file__).parents[2]


def produce(kafka: Kafka, topic: str, values: list[str], commit: bool = True) -> None:
    """Write `values` in one transaction, and commit or abort it."""
    producer = Producer(
        {
            "bootstrap.servers": kafka.bootstrap,
            "transactional.id": f"test-{uuid.uuid4().hex}",
            "transaction.timeout.ms": 15_000,
        }
    )
    producer.init_transactions(30)
    producer.begin_transaction()
    for value in values:
        producer.produce(topic, value.encode())
    producer.flush(30)
    if commit:
        producer.commit_transaction(30)
    else:
        producer.abort_transaction(30)


def read(kafka: Kafka, topic: str, count: int = 0) -> list[str]:
    """Read everything committed in partition 0 of `topic`, up to its end.

    A broker that was killed shows its end where it was last noted, until it has looked further:
    ends before `count` records are waited out, each time by a consumer that asks anew.
    """
    end = time.monotonic() + 60
    while len(values := read_once(kafka, topic)) < count:
        assert time.monotonic() < end, f"{values} in {topic}"
        time.sleep(0.2)
    return values


def read_once(kafka: Kafka, topic: str) -> list[str]:
    consumer = Consumer(
        {
            "bootstrap.servers": kafka.bootstrap,
            "group.id": uuid.uuid4().hex,
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            "enable.auto.commit": False,
        }
    )
    values = []
    try:
        consumer.assign([TopicPartition(topic, 0, 0)])
        while message := consumer.poll(20):
            if message.error():  # the end of the partition
                return values
            values.append(message.value().decode())
        raise AssertionError(f"no end of {topic} after {values}")
    finally:
        consumer.close()


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """An embedded broker, whichever provider the session has."""
    with embedded_kafka(tmp_path_factory.mktemp("embedded")) as kafka:
        yield kafka


def test_transactions_are_read_back_committed_only(kafka: Kafka) -> None:
    topic = kafka.topic()
    produce(kafka, topic, ["a", "b"])
    produce(kafka, topic, ["never"], commit=False)
    produce(kafka, topic, ["c"])
    assert read(kafka, topic) == ["a", "b", "c"]


def test_every_topic_is_new(kafka: Kafka) -> None:
    compacted = kafka.topic(partitions=3, name="mine", cleanup_policy="compact")
    assert compacted.startswith("mine.")
    assert compacted != kafka.topic(name="mine")


def test_data_outlives_a_restart_and_a_kill(own_broker: Kafka) -> None:
    broker = own_broker.broker
    topic = own_broker.topic()
    produce(own_broker, topic, ["before"])
    first = broker.pid

    broker.restart()
    assert broker.pid != first
    assert read(own_broker, topic) == ["before"]
    produce(own_broker, topic, ["between"])

    broker.kill()
    assert broker.pid is None
    assert not answers(broker.port)
    broker.start()
    assert read(own_broker, topic, 2) == ["before", "between"]
    produce(own_broker, topic, ["after"])
    assert read(own_broker, topic) == ["before", "between", "after"]


def test_the_java_is_the_wheels(embedded: Kafka) -> None:
    if sys.platform != "linux":
        pytest.skip("only Linux tells what a process executes")
    executed = Path(f"/proc/{embedded.broker.pid}/exe").resolve()
    assert executed == java_executable().resolve()


def test_a_taken_port_is_named(embedded: Kafka, tmp_path: Path) -> None:
    port = embedded.broker.port
    second = EmbeddedBroker(tmp_path, port, is_ready=is_ready, port_setting="--port")
    with pytest.raises(MissingResource, match=rf"port {port} .*already taken.*--port"):
        second.start()
    assert embedded.broker.pid


def test_a_folder_in_use_is_named(embedded: Kafka) -> None:
    folder = embedded.broker.directory
    second = EmbeddedBroker(folder, free_port(), is_ready=is_ready)
    with pytest.raises(MissingResource, match=rf"already runs on {folder}"):
        second.start()
    assert second.pid is None
    assert embedded.broker.pid


def test_a_death_at_the_start_says_why(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "meta.properties").write_text("version=1\nnode.id=7\ncluster.id=other\n")
    broker = EmbeddedBroker(tmp_path, free_port(), is_ready=is_ready)
    with pytest.raises(MissingResource, match=r"kafka ended while it was starting(.|\n)*node id 7"):
        broker.start()
    assert broker.pid is None


def test_a_stack_keeps_a_broker_in_the_background(tmp_path: Path) -> None:
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(120)"])
    stack = Stack(tmp_path / "stack")
    broker = EmbeddedBroker(tmp_path / "stack" / "kafka", free_port(), is_ready=is_ready)
    try:
        [status] = stack.up([broker.process()])
        assert status.is_running
        assert status.ports == (broker.port,)
        assert is_ready(broker.bootstrap)
        [again] = Stack(stack.directory).up([broker.process()])
        assert again.pid == status.pid

        assert stack.down() == ["kafka"]
        assert not ProcessId.of(status.pid).is_running()
        assert not answers(broker.port)
        assert stranger.poll() is None
    finally:
        stack.down()
        stranger.kill()
        stranger.wait()


def test_running_needs_nothing_but_python_and_leaves_nothing(tmp_path: Path) -> None:
    """In a program of its own, with an empty environment: nothing but Python is there to find."""
    code = f"""
from pathlib import Path
from eddy.sandbox.broker import EmbeddedBroker
from eddy.sandbox.stack import running
from tests.support.brokers import is_ready
folder = Path({str(tmp_path)!r})
broker = EmbeddedBroker(folder / "kafka", {free_port()}, is_ready=is_ready)
with running([broker.process()], folder / "stack") as stack:
    print(stack.status()[0].pid, flush=True)
    raise ValueError("something went wrong")
"""
    bare = {"PATH": str(tmp_path), "HOME": str(tmp_path / "home"), "EDDY_CACHE": _shared_cache()}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=bare,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr.endswith("ValueError: something went wrong\n")
    assert not ProcessId.of(int(done.stdout)).is_running()


def _shared_cache() -> str:
    """Return the cache this test session uses, so that nothing is downloaded twice."""
    from eddy.sandbox.jars import cache_directory, ensure_jars

    ensure_jars()
    return str(cache_directory())
