"""Results: one row a measurement, as a table for people and as JSON for machines."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
from rich.table import Table

ENGINE = "eddy"
PORTABLE = "eddy, portable reader"


class Result(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One row; what does not apply is left out of the JSON.

    Attributes
    ----------
    case : str
        The benchmark.
    engine, guarantee : str
        What was measured, and what it guarantees.
    setting : str
        What was varied: ``partitions=4``.
    events : int
        How many events were measured.
    events_per_s, cpu_us_per_event : float
        Over the wall clock; processor time of the process, all threads.
    p50_ms, p99_ms : float
        Latencies.
    restart_s : float
        The slowest restart.
    rss_mib : float
        Memory at the end.
    bytes_per_entity : float
        Memory that one more merchant, or one more card, takes.
    """

    case: str
    engine: str
    guarantee: str
    setting: str = ""
    events: int = 0
    events_per_s: float | None = None
    cpu_us_per_event: float | None = None
    p50_ms: float | None = None
    p99_ms: float | None = None
    restart_s: float | None = None
    rss_mib: float | None = None
    bytes_per_entity: float | None = None

    def cells(self) -> list[str]:
        """Return the row as texts, in the order of `COLUMNS`."""
        return [
            self.case,
            self.engine,
            self.guarantee,
            self.setting,
            _text(self.events_per_s, 0),
            _text(self.cpu_us_per_event, 2),
            _text(self.p50_ms, 1),
            _text(self.p99_ms, 1),
            _text(self.restart_s, 2),
            _text(self.rss_mib, 0),
            _text(self.bytes_per_entity, 0),
        ]


COLUMNS = (
    "case",
    "engine",
    "guarantee",
    "setting",
    "events/s",
    "CPU µs/event",
    "p50 ms",
    "p99 ms",
    "restart s",
    "RSS MiB",
    "B/entity",
)
_TEXTS = 4  # the first columns; the others are numbers


def _text(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:,.{digits}f}"


def table(results: Sequence[Result]) -> Table:
    """Return the results as a table for the terminal."""
    display = Table(title="results")
    for position, column in enumerate(COLUMNS):
        display.add_column(column, justify="left" if position < _TEXTS else "right")
    case = ""
    for result in results:
        if case and result.case != case:
            display.add_section()
        case = result.case
        display.add_row(*result.cells())
    return display


def write(results: Sequence[Result], path: Path) -> None:
    """Write the results as a JSON list of objects; those of other cases that were there stay."""
    measured = {result.case for result in results}
    kept = [old for old in read(path) if old.case not in measured] if path.exists() else []
    rounded = kept + [_rounded(result) for result in results]
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_bytes(msgspec.json.format(msgspec.json.encode(rounded), indent=2) + b"\n")
    partial.replace(path)


def _rounded(result: Result) -> Result:
    """Leave out digits that no measurement has."""
    numbers = {
        name: round(value, 3)
        for name in result.__struct_fields__
        if isinstance(value := getattr(result, name), float)
    }
    return msgspec.structs.replace(result, **numbers)


def read(path: Path) -> list[Result]:
    """Return the results in a file that `write` wrote."""
    return msgspec.json.decode(path.read_bytes(), type=list[Result])
