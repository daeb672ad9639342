"""The product's table of contents: one domain a file, one row each."""

from models.domain import Domain
from models.domains.rides import RIDES
from schemas.errors import ConfigError

DOMAINS: tuple[Domain, ...] = (RIDES,)


def domain(name: str) -> Domain:
    """Return a domain by its name.

    Raises
    ------
    ConfigError
        There is none.
    """
    for row in DOMAINS:
        if row.name == name:
            return row
    raise ConfigError(f"domain {name!r}: there are {', '.join(row.name for row in DOMAINS)}")
