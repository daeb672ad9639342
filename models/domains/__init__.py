"""The product's table of contents: one domain a file, one row each.

Rows are imported when they are asked for: a process pays for the domains it runs.
"""

from importlib import import_module

from eddy.models.domain import Domain
from eddy.schemas.errors import ConfigError

NAMES: tuple[str, ...] = ("rides", "transactions", "tpv")
"""Domains: ``eddy.models.domains.<name>.domain.DOMAIN`` is the row."""


def domain(name: str) -> Domain:
    """Return a domain by its name.

    Raises
    ------
    ConfigError
        There is none.
    """
    if name not in NAMES:
        raise ConfigError(f"domain {name!r}: there are {', '.join(NAMES)}")
    row = import_module(f"eddy.models.domains.{name}.domain").DOMAIN
    assert isinstance(row, Domain)
    return row


def every_domain() -> list[Domain]:
    """Return all rows."""
    return [domain(name) for name in NAMES]
