"""Where a benchmark runs: cluster, folder, rides, what was started, what came out."""

import contextlib
import functools
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
)

from bench import load
from bench.cluster import Cluster
from bench.results import Result
from bench.rides import Template, templates
from eddy.sandbox.broker import EmbeddedBroker
from eddy.sandbox.machine import free_port
from eddy.sandbox.processes import BackgroundProcess, ProcessId, launch
from eddy.schemas.topics import DomainTopics
from eddy.streams.topics import answers

PARTITIONS = 8
_END_WITHIN_S = 15.0


class Site:
    """Everything a case needs, and what it leaves.

    Parameters
    ----------
    cluster : Cluster
    folder : Path
        For state, logs and files; the caller removes it.
    console : Console
    events : int
        Rides in the main topic.
    """

    def __init__(self, cluster: Cluster, folder: Path, console: Console, events: int) -> None:
        self.cluster = cluster
        self.folder = folder
        self.console = console
        self.events = events
        self.results: list[Result] = []
        self.skipped: list[str] = []
        self._filled: dict[str, DomainTopics] = {}

    @functools.cached_property
    def rides(self) -> Sequence[Template]:
        """The rides to send, real ones where there are any."""
        with self.console.status("reading rides ..."):
            return templates()

    @property
    def main_topics(self) -> DomainTopics:
        """The topic that the engine and all its peers read."""
        return self.filled("main", PARTITIONS, self.events)

    def filled(self, name: str, partitions: int, count: int) -> DomainTopics:
        """Return topics of that name, made and filled once."""
        if name not in self._filled:
            rides = self.rides
            topics = self.cluster.make(name, partitions)
            with self.bar(f"filling {topics.events}", count) as show:
                load.fill(self.cluster.bootstrap, topics.events, rides, count, show)
            self._filled[name] = topics
        return self._filled[name]

    def new_folder(self, name: str) -> Path:
        """Return an empty folder."""
        return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.folder))

    @contextlib.contextmanager
    def running(self, process: BackgroundProcess) -> Iterator[ProcessId]:
        """Start a process, and end it whatever happens."""
        started = launch(process, self.log_of(process))
        try:
            yield started
        finally:
            started.end(_END_WITHIN_S)

    def log_of(self, process: BackgroundProcess) -> Path:
        """Return where the output of a process goes."""
        return self.folder / "logs" / f"{process.name}.log"

    @contextlib.contextmanager
    def bar(self, title: str, total: int) -> Iterator[load.Show]:
        """Show a progress bar; yields the function that moves it."""
        columns = (
            TextColumn("{task.description:<28}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[speed]:>12}"),
            TimeElapsedColumn(),
        )
        silent = not self.console.is_terminal
        with Progress(*columns, console=self.console, transient=True, disable=silent) as progress:
            task = progress.add_task(title, total=total, speed="")
            begin: list[tuple[float, int]] = []

            def show(done: int) -> None:
                if done and not begin:
                    begin.append((time.monotonic(), done))
                speed = _speed(begin[0], done) if begin else ""
                progress.update(task, completed=min(done, total), speed=speed)

            yield show

    def add(self, result: Result) -> None:
        """Keep a result, and print it."""
        self.results.append(result)
        cells = [cell for cell in result.cells() if cell]
        self.console.print("  " + " · ".join(cells), highlight=False)

    def skip(self, what: str, why: object) -> None:
        """Say in one line what could not run."""
        line = f"{what}: {_in_one_line(str(why))}"
        self.skipped.append(line)
        self.console.print(f"  [yellow]skipped[/] {escape(line)}", highlight=False)

    def fail(self, what: str, why: object) -> None:
        """Say what broke, with everything that is known about it."""
        self.skipped.append(f"{what}: failed: {_in_one_line(str(why))}")
        self.console.print(f"  [red]failed[/] {what}: {escape(str(why))}", highlight=False)


def _in_one_line(why: str) -> str:
    """Return the first line, and the last one of what the program printed before it ended."""
    first, *others = why.strip().splitlines()
    return f"{first} {others[-1].strip()}" if others else first


def _speed(begin: tuple[float, int], done: int) -> str:
    seconds = time.monotonic() - begin[0]
    return f"{(done - begin[1]) / seconds:,.0f}/s" if seconds > 0.5 else ""


@contextlib.contextmanager
def open_site(bootstrap: str | None, console: Console, events: int) -> Iterator[Site]:
    """Open a site on the cluster given, or on a broker of its own that ends with it.

    Raises
    ------
    MissingResource
        When no broker can be had.
    """
    folder = Path(tempfile.mkdtemp(prefix="eddy-bench-"))
    try:
        with contextlib.ExitStack() as stack:
            if bootstrap is None:
                bootstrap = stack.enter_context(_own_broker(folder, console)).bootstrap
            cluster = Cluster(bootstrap, prefix=folder.name)
            stack.callback(cluster.remove)
            yield Site(cluster, folder, console, events)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _own_broker(folder: Path, console: Console) -> Iterator[EmbeddedBroker]:
    broker = EmbeddedBroker(folder / "kafka", free_port(), is_ready=answers)
    with console.status("starting a Kafka broker ..."):
        broker.start()
    console.print(f"Kafka broker on {broker.bootstrap}, up in {broker.started_in_s:.1f} s")
    try:
        yield broker
    finally:
        broker.stop()
