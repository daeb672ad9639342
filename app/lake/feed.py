"""Feeding the lake: topics, offsets and connectors, in the order in which nothing is lost."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from eddy.app.lake.connectors import connectors
from eddy.app.settings import Settings
from eddy.lake import catalog as catalogs
from eddy.lake.sink.connect import ConnectClient, ConnectorStatus
from eddy.lake.sink.connectors import Connector
from eddy.lake.sink.failed_record import cause_in
from eddy.schemas.errors import ConfigError, Unavailable
from eddy.streams import inspection, seeding
from eddy.streams import topics as kafka_topics

_SERVED_WITHIN_S = 30.0
_RUNS_WITHIN_S = 60.0
_RUNS_AGAIN_WITHIN_S = 15.0

Say = Callable[[str], None]


def start(settings: Settings, say: Say) -> list[Connector]:
    """Register the connectors and wait until they run; return them. Said twice, nothing happens.

    A connector's coordinator group has offsets before the connector starts for the first time:
    without, the first rows may be lost in silence (see `eddy.streams.seeding`). Interrupted
    anywhere it can be run again.

    Raises
    ------
    MissingResource
        Where a topic or a table does not exist, or no broker answers.
    Unavailable
        Where the Connect worker, the catalog or the store does not answer, or a connector fails.
    """
    wanted = connectors(settings)
    kafka_topics.check(
        settings.kafka, [topic for connector in wanted for topic in connector.topics]
    )
    _require_tables(settings, wanted)
    _create_topics(settings, wanted)
    client = ConnectClient(settings.lake.connect_url)
    for connector in wanted:
        seeding.seed(settings.kafka, connector.coordinator_group, connector.control_topic)
        if _put(client, connector):
            say(f"registered connector {connector.name}")
    with ThreadPoolExecutor(len(wanted)) as pool:
        list(pool.map(lambda connector: _wait_until_it_runs(client, connector), wanted))
    say(f"{len(wanted)} connectors run: {', '.join(connector.name for connector in wanted)}")
    return wanted


def _put(client: ConnectClient, connector: Connector) -> bool:
    try:
        return client.put(connector.name, connector.settings)
    except ConfigError as error:  # the worker may repeat what it was told
        raise ConfigError(connector.without_secrets(str(error))) from None


def _require_tables(settings: Settings, wanted: list[Connector]) -> None:
    catalog = catalogs.open_catalog(settings.lake)
    for connector in wanted:
        for spec in connector.tables:
            catalogs.load(catalog, settings.lake, spec)


def _create_topics(settings: Settings, wanted: list[Connector]) -> None:
    specs = kafka_topics.sink_specs(
        (connector.control_topic for connector in wanted),
        (connector.dead_letters for connector in wanted),
    )
    created, _ = kafka_topics.create(settings.kafka, specs)
    inspection.wait_until_served(settings.kafka, created, _SERVED_WITHIN_S)


def _wait_until_it_runs(client: ConnectClient, connector: Connector) -> None:
    seen = client.wait(connector.name, _is_settled, "run", _RUNS_WITHIN_S)
    if seen.failure is None:
        return
    client.restart_failed(connector.name)  # what failed it may be over
    try:
        client.wait(connector.name, lambda seen: seen.runs, "run", _RUNS_AGAIN_WITHIN_S)
    except Unavailable as error:
        cause = connector.without_secrets(cause_in(seen.failure))
        raise Unavailable(f"connector {connector.name} failed: {cause}") from error


def _is_settled(seen: ConnectorStatus) -> bool:
    return seen.runs or seen.failure is not None
