"""The topics to look for anomalies on."""

from eddy.app import wiring
from eddy.app.domains import domain as domain_called
from eddy.app.settings import Settings


def anomaly_topics(settings: Settings, only: str | None) -> list[str]:
    """Return the anomaly topics of the configured domains, or of one that is named.

    Raises
    ------
    ConfigError
        Where there is no such domain.
    """
    domains = [domain_called(only)] if only else wiring.chosen_domains(settings)
    return [wiring.topics(settings, domain).anomalies for domain in domains]
