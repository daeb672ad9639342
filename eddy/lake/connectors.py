"""The configured domains' sink connectors."""

from eddy import wiring
from eddy.settings import Settings
from lake.sink import connectors as sink
from lake.sink.connectors import Connector, Feed
from schemas.errors import ConfigError


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
        domain.name: Feed(wiring.topics(settings, domain), domain.event_type)
        for domain in wiring.chosen_domains(settings)
    }
    return sink.connectors(settings.lake, feeds)
