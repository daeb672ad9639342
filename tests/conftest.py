"""What every test may ask for."""

import signal
import sys
from collections.abc import Iterator

import pytest
import structlog

from tests.support.brokers import Kafka, embedded_kafka, session_kafka
from tests.support.lake_world import (  # noqa: F401 - fixtures
    connect,
    lake_config,
    object_store,
    own_connect,
    own_store,
    postgres,
)
from tests.support.mlflow_world import empty_mlflow, mlflow_database, mlflow_server  # noqa: F401 - fixtures


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """One broker for the whole session: share it, with topics of your own (`kafka.topic()`)."""
    with session_kafka(tmp_path_factory.mktemp("kafka")) as shared:
        yield shared


@pytest.fixture
def own_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """A broker of one's own, to stop, kill and restart (`own_broker.broker`)."""
    with embedded_kafka(tmp_path_factory.mktemp("own-kafka")) as own:
        yield own


@pytest.fixture(scope="session", autouse=True)
def logs_as_they_are() -> Iterator[None]:
    """Let no command that runs in the tests' own process take their logs.

    Loggers keep what they were configured with when they were first used. Here they write to
    whatever is standard error at the moment, as commands in a process of their own do.
    """
    before = structlog.get_config()
    structlog.configure(logger_factory=lambda *_: structlog.PrintLogger(sys.stderr))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("eddy.app.logs.configure", lambda _config: None)
        yield
    structlog.configure(**before)


def pytest_configure() -> None:
    """End the session properly on SIGTERM (a time limit's), so that no broker is left behind."""
    signal.signal(signal.SIGTERM, lambda *_: pytest.exit("ended by SIGTERM", returncode=143))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the long chaos runs to ``make chaos``, which selects by marker."""
    if config.option.markexpr:
        return
    long = [item for item in items if item.get_closest_marker("chaos_long")]
    if long:
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in long]
