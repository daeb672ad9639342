"""What commands print: messages, tables and JSON, in one style.

Text that came with events or from other machines is made harmless first: control characters never
reach the terminal.
"""

import sys
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from eddy.app.controls import plain


def message(text: str, *, aside: bool = False) -> None:
    """Print a text as it is; `aside` on standard error, where results go to standard output."""
    console = Console(stderr=aside)
    console.print(plain(text), highlight=False, markup=False, soft_wrap=True)


def warning(text: str) -> None:
    """Print a warning on standard error."""
    line = Text("warning: ", "yellow").append(plain(text), "not bold default")
    Console(stderr=True).print(line, soft_wrap=True)


def error(text: str) -> None:
    """Print an error on standard error."""
    line = Text("error: ", "bold red").append(plain(text), "not bold default")
    Console(stderr=True).print(line, soft_wrap=True)


def show(what: RenderableType) -> None:
    """Print a table, or what else has a shape."""
    Console().print(what)


def json(value: Any) -> None:
    """Print a value as indented JSON."""
    json_text(msgspec.json.encode(value, enc_hook=str))


def json_text(text: bytes) -> None:
    """Print JSON that is encoded already, indented."""
    if sys.stdout.isatty():
        Console().print_json(text.decode())
        return
    sys.stdout.write(msgspec.json.format(text, indent=2).decode() + "\n")


def figures(title: str, rows: Iterable[tuple[str, str]]) -> None:
    """Print names and their values, a line each."""
    grid = Table.grid(padding=(0, 2))
    for name, value in rows:
        grid.add_row(Text(plain(name), "bold"), Text(plain(value)))
    show(Group(Text(plain(title), "bold underline"), grid))


def table(
    columns: Sequence[str],
    rows: Sequence[Sequence[str | Text]],
    *,
    title: str = "",
    numbers: Sequence[str] = (),
    console: Console | None = None,
) -> None:
    """Print rows below their columns' names; where they do not fit side by side, row by row.

    Parameters
    ----------
    numbers : sequence of str
        Columns that stand to the right.
    """
    console = console or Console()
    grid = Table(title=Text(plain(title)) if title else None, title_justify="left", box=box.SIMPLE)
    for name in columns:
        grid.add_column(
            Text(plain(name)), justify="right" if name in numbers else "left", overflow="fold"
        )
    cells = [[_cell(value) for value in row] for row in rows]
    for row in cells:
        grid.add_row(*row)
    if rows and _least_width(columns, cells) > console.width:
        console.print(_row_by_row(title, columns, cells))
    else:
        console.print(grid)


def _cell(value: str | Text) -> Text:
    return value if isinstance(value, Text) else Text(plain(value))


_READABLE = 24  # a longer word may be broken


def _least_width(columns: Sequence[str], rows: Sequence[Sequence[Text]]) -> int:
    """Return the width below which words would be broken."""
    longest = [max(map(len, name.split()), default=0) for name in columns]
    for row in rows:
        for index, cell in enumerate(row):
            word = max(map(len, cell.plain.split()), default=0)
            longest[index] = max(longest[index], min(word, _READABLE))
    return sum(longest) + 2 * len(longest) + 2


def _row_by_row(title: str, columns: Sequence[str], rows: Sequence[Sequence[Text]]) -> Group:
    parts: list[RenderableType] = [Text(plain(title), "bold")] if title else []
    for number, row in enumerate(rows, start=1):
        grid = Table.grid(padding=(0, 2))
        for name, cell in zip(columns, row, strict=True):
            if cell.plain:
                grid.add_row(Text(plain(name), "bold"), cell)
        parts += [Text(f"─ {number} ─", "dim"), grid]
    return Group(*parts)
