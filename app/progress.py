"""Progress for people: bars for what takes a while."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)


def bar(console: Console) -> Progress:
    """Return a progress bar that counts, and goes away when it is done."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
    )


def spinner(console: Console) -> Progress:
    """Return progress for what has no known end; it goes away when it is done."""
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        MofNCompleteColumn(),
        console=console,
        transient=True,
    )


@contextmanager
def downloads(console: Console, what: str) -> Iterator[Callable[[int, int], None]]:
    """Give a function to call with (present, in all); nothing is shown when all was present."""
    progress = bar(console)
    task = progress.add_task(f"downloading {what}", total=None)
    started = False

    def stop() -> None:
        nonlocal started
        if started:
            started = False
            progress.stop()

    def show(present: int, total: int) -> None:
        nonlocal started
        if present < total and not started:
            started = True
            progress.start()
            if not console.is_terminal:
                console.print(f"downloading {what} ({total} files)", highlight=False)
        progress.update(task, completed=present, total=total)
        if present == total:
            stop()

    try:
        yield show
    finally:
        stop()
