"""Tables' days as files: which tables, which days, where to."""

from collections.abc import Callable, Iterator, Sequence

from eddy.app import wiring
from eddy.app.lake.rides import EXPORTS
from eddy.app.lake.tables import named
from eddy.app.settings import Settings
from eddy.lake.days import Day
from eddy.lake.exporting import ENDINGS, Exported, Format, export
from eddy.lake.query import connect
from eddy.lake.tables import TableSpec, anomalies
from eddy.schemas.errors import ConfigError


def chosen_tables(settings: Settings, name: str | None) -> list[TableSpec]:
    """Return the table of that name, or those of the anomalies of all chosen domains.

    Raises
    ------
    ConfigError
        There is no such table.
    """
    if name is None:
        return [anomalies(domain.name) for domain in wiring.chosen_domains(settings)]
    return [named(name)]


def exported(
    settings: Settings,
    tables: Sequence[TableSpec],
    days: Sequence[Day],
    format_: Format,
    output: str | None = None,
    on_progress: Callable[[int], None] = lambda _: None,
) -> Iterator[Exported]:
    """Export tables, all days into `output` or each day into the store; yield what was written.

    Without `output` a day is ``exports/<format>/<table>/dt=<day>/<table>.<ending>`` in the
    warehouse's bucket. A file is there whole or not at all; again for the same day it is replaced.

    Raises
    ------
    ConfigError
        `output` is given for several tables, or is no file.
    MissingResource, Unavailable
        A table does not exist, or the catalog or the store does not answer.
    """
    if output is not None and len(tables) > 1:
        raise ConfigError("--output: for one table; name it")
    config = settings.lake
    with connect(config, [spec.name for spec in tables]) as connection:
        for spec in tables:
            if output is not None:
                span = (days[0], days[-1])
                yield export(connection, config, spec, span, format_, output, on_progress)
                continue
            for day in days:
                name = f"{spec.name}.{ENDINGS[format_]}"
                target = f"s3://{config.bucket}/{EXPORTS}/{format_}/{spec.name}/dt={day}/{name}"
                yield export(connection, config, spec, (day, day), format_, target, on_progress)
