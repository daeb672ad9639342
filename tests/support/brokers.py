"""Kafka for tests: one broker a session, and brokers of one's own for tests that break them.

Two providers of the session's broker: a container where a Docker engine answers, else the
embedded broker. ``EDDY_TEST_BROKER=embedded`` (or ``docker``) decides it without asking.
"""

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, NewTopic

from eddy.sandbox.broker import EmbeddedBroker
from eddy.sandbox.machine import free_port

_IMAGE = "confluentinc/cp-kafka:7.9.0"


@dataclass(frozen=True)
class Kafka:
    """A broker to test against.

    Parameters
    ----------
    bootstrap : str
        Its bootstrap servers.
    provider : str
        ``embedded`` or ``docker``.
    broker : EmbeddedBroker, optional
        To stop, kill and restart; only a broker of one's own has it.
    """

    bootstrap: str
    provider: str
    broker: EmbeddedBroker | None = None

    def topic(self, partitions: int = 1, name: str = "test", **config: str) -> str:
        """Create a topic nobody else has and return its name.

        `config` takes the topic's settings with underscores: ``cleanup_policy="compact"``.
        """
        unique = f"{name}.{uuid.uuid4().hex[:8]}"
        settings = {key.replace("_", "."): value for key, value in config.items()}
        self.create_topics(NewTopic(unique, partitions, 1, config=settings))
        return unique

    def create_topics(self, *topics: NewTopic) -> None:
        """Create topics under names of one's own choosing and wait until they are there."""
        admin = AdminClient({"bootstrap.servers": self.bootstrap})
        for made in admin.create_topics(list(topics), operation_timeout=10).values():
            made.result()


def is_ready(bootstrap: str) -> bool:
    """Whether the broker answers a client."""
    try:
        AdminClient({"bootstrap.servers": bootstrap, "log_level": 0}).list_topics(timeout=2)
    except KafkaException:
        return False
    return True


@contextmanager
def embedded_kafka(directory: Path, port: int | None = None) -> Iterator[Kafka]:
    """Run an embedded broker in `directory` for as long as the ``with`` does."""
    broker = EmbeddedBroker(directory, port or free_port(), is_ready=is_ready)
    with broker:
        yield Kafka(broker.bootstrap, "embedded", broker)


@contextmanager
def container_kafka() -> Iterator[Kafka]:
    """Run Kafka in a container for as long as the ``with`` does."""
    from testcontainers.community.kafka import KafkaContainer

    container = KafkaContainer(_IMAGE).with_kraft()
    container.with_env("KAFKA_AUTO_CREATE_TOPICS_ENABLE", "false")
    container.with_env("KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR", "1")
    container.with_env("KAFKA_TRANSACTION_STATE_LOG_MIN_ISR", "1")
    with container:
        yield Kafka(container.get_bootstrap_server(), "docker")


@contextmanager
def session_kafka(directory: Path) -> Iterator[Kafka]:
    """Run the session's broker with whichever provider there is."""
    chosen = os.environ.get("EDDY_TEST_BROKER")
    use_docker = docker_answers() if chosen is None else chosen == "docker"
    with container_kafka() if use_docker else embedded_kafka(directory) as kafka:
        yield kafka


def docker_answers() -> bool:
    """Whether a Docker engine answers.

    Asked in a process of its own: where none does, the client leaves an open socket behind.
    """
    ask = "import docker; docker.from_env(timeout=5).ping()"
    return (
        subprocess.run([sys.executable, "-c", ask], capture_output=True, check=False).returncode
        == 0
    )
