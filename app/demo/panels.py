"""Small things of the demo's page: panels of figures, and figures in words."""

from collections.abc import Mapping
from datetime import UTC, datetime

from rich import box
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

Figures = Mapping[str, str | Text]


def ratio(value: float | None) -> str:
    """Return a share in words; a dash where there is none yet."""
    return "–" if value is None else f"{value:.3f}"


def clock(seconds: float) -> str:
    """Return minutes and seconds.

    Examples
    --------
    >>> clock(83.9)
    '01:23'
    """
    minutes, rest = divmod(int(max(seconds, 0)), 60)
    return f"{minutes:02d}:{rest:02d}"


def event_time(micros: int) -> str:
    """Return event time to the minute; a dash where there is none yet.

    Examples
    --------
    >>> event_time(1_700_000_000_000_000)
    '2023-11-14 22:13'
    """
    return f"{datetime.fromtimestamp(micros / 1e6, UTC):%Y-%m-%d %H:%M}" if micros else "–"


def counts(by_name: Mapping[str, int]) -> str:
    """Return counts in brackets, with a space before; nothing where there are none."""
    listed = ", ".join(f"{name} {count}" for name, count in sorted(by_name.items()))
    return f" ({listed})" if listed else ""


def panels(by_title: Mapping[str, Figures]) -> Table:
    """Return panels side by side: a line a figure, and two."""
    table = Table.grid(expand=True)
    for _ in by_title:
        table.add_column(ratio=1)
    table.add_row(*(_panel(title, figures) for title, figures in by_title.items()))
    return table


def _panel(title: str, figures: Figures) -> Panel:
    grid = Table.grid(expand=True)
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(justify="right", no_wrap=True)
    for name, value in figures.items():
        grid.add_row(name, value)
    return Panel(grid, title=title, box=box.ROUNDED, border_style="dim", padding=(0, 1))
