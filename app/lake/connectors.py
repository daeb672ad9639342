"""The configured domains' sink connectors."""

from eddy.app import wiring
from eddy.app.settings import Settings
from eddy.lake.sink import connectors as sink
from eddy.lake.sink.connectors import Connector, SinkFeed
from eddy.schemas.errors import ConfigError


def connectors(settings: Settings) -> list[Connector]:
    """Return the connectors that the settings ask for.

    Raises
    ------
    ConfigError
        Where the lake is to hold history that the engine does not publish.
    """
    if settings.lake.history and not settings.engine.publish_scored:
        raise ConfigError(
            "lake.history: history comes from scored events; set engine.publish_scored as well"
        )
    feeds = {
        domain.name: SinkFeed(wiring.topics(settings, domain), domain.event_type)
        for domain in wiring.chosen_domains(settings)
    }
    return sink.connectors(settings.lake, feeds)
