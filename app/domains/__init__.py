"""The product's table of contents: one row a domain, its own and those of installed packages.

A package gives a domain by an entry point of the group ``eddy.domains`` whose name is the domain's
and whose object is its `eddy.app.domains.row.DomainRow`. Rows are imported when they are asked for:
a process pays for the domains it runs.
"""

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points

from eddy.app.domains.row import DomainRow
from eddy.models.domain import Domain
from eddy.schemas.errors import ConfigError

GROUP = "eddy.domains"
BUILT_IN: tuple[str, ...] = ("rides", "transactions", "tpv")
"""``eddy.app.domains.<name>.ROW`` is the row."""


def domain_names() -> tuple[str, ...]:
    """Return the names of all domains; no row is imported."""
    return BUILT_IN + tuple(sorted(_installed().keys() - set(BUILT_IN)))


@cache
def domain_row(name: str) -> DomainRow:
    """Return a domain's row by its name.

    Raises
    ------
    ConfigError
        There is no such domain, two packages give it, or its package cannot be imported.
    """
    packages = _installed().get(name, [])
    if len(packages) + (name in BUILT_IN) > 1:
        raise ConfigError(f"domain {name!r}: also given by {_listed(packages)}; uninstall one")
    if name in BUILT_IN:
        row = import_module(f"{__name__}.{name}").ROW
    elif packages:
        row = _loaded(packages[0])
    else:
        raise ConfigError(f"domain {name!r}: there are {', '.join(domain_names())}")
    assert isinstance(row, DomainRow)
    return row


def domain_rows() -> list[DomainRow]:
    """Return all rows."""
    return [domain_row(name) for name in domain_names()]


def domain(name: str) -> Domain:
    """Return what the stream needs of a domain; see `domain_row`."""
    return domain_row(name).domain


@cache
def _installed() -> Mapping[str, list[EntryPoint]]:
    packages: dict[str, list[EntryPoint]] = {}
    for point in entry_points(group=GROUP):
        same = packages.setdefault(point.name, [])
        if point.value not in {other.value for other in same}:  # a package may be found twice
            same.append(point)
    return packages


def _loaded(point: EntryPoint) -> DomainRow:
    try:
        row = point.load()
    except Exception as error:
        raise ConfigError(f"domain {point.name!r} of {_listed([point])}: {error!r}") from error
    if not isinstance(row, DomainRow) or row.name != point.name:
        raise ConfigError(
            f"domain {point.name!r}: {point.value} of {_listed([point])} is no row of this name"
        )
    return row


def _listed(points: list[EntryPoint]) -> str:
    return ", ".join(point.dist.name if point.dist else point.value for point in points)
