"""``eddy simulate``: events that look real, with anomalies whose truth is known."""

import json as json_module
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from eddy.commands.options import Bootstrap, Config, Json
from schemas.errors import MissingResource

if TYPE_CHECKING:
    from eddy.feeder import Feed, Feeder
    from eddy.settings import Settings
    from models.simulation.record import SimulatedRecord

simulate = typer.Typer(help="Send simulated events.", no_args_is_help=True)
INTERRUPTED = 130


@simulate.callback()
def _group() -> None:
    """Send simulated events."""


@simulate.command()
def rides(
    rate: Annotated[float, typer.Option(min=0.001, help="Rides a second.")] = 500.0,
    duration: Annotated[
        float | None, typer.Option(min=0.001, help="Seconds; by default until Ctrl-C.")
    ] = None,
    count: Annotated[int | None, typer.Option(min=1, help="End after so many rides.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Same seed and --start: same records.")] = 7,
    start: Annotated[
        str | None,
        typer.Option(help="Event time of the beginning, RFC 3339; by default now."),
    ] = None,
    anomalies: Annotated[float, typer.Option(min=0, max=1, help="Share of anomalies.")] = 0.005,
    late: Annotated[float, typer.Option(min=0, max=1, help="Share of late records.")] = 0.005,
    duplicates: Annotated[float, typer.Option(min=0, max=1, help="Share sent twice.")] = 0.005,
    malformed: Annotated[float, typer.Option(min=0, max=1, help="Share that is no event.")] = 0.001,
    truth: Annotated[
        Path | None, typer.Option(help="JSONL file of the injected anomalies.")
    ] = None,
    config: Config = None,
    bootstrap_servers: Bootstrap = None,
    json: Json = False,
) -> None:
    """Send rides in real time, as they happen, with known anomalies among them.

    Ctrl-C ends it cleanly: what was sent is delivered and counted; exit code 130.
    """
    from eddy import settings  # noqa: PLC0415 - keeps --help quick
    from eddy.feeder import Feed, Shares  # noqa: PLC0415
    from eddy.offsets import moment  # noqa: PLC0415

    chosen = settings.load(config, {"kafka.bootstrap_servers": bootstrap_servers})
    if duration is not None:
        within = max(1, round(duration * rate))
        count = within if count is None else min(count, within)
    feed = Feed(
        seed=seed,
        rate=rate,
        start=datetime.now(UTC) if start is None else moment(start, "--start"),
        rides=count,
        shares=Shares(anomalies=anomalies, late=late, duplicates=duplicates, malformed=malformed),
    )
    with _truth_file(truth) as write, _interrupts() as interrupted:
        feeder = _send(chosen, feed, write, interrupted)
    _show(feeder, json)
    if interrupted.is_set():
        raise typer.Exit(INTERRUPTED)


def _send(
    chosen: "Settings",
    feed: "Feed",
    write: "Callable[[SimulatedRecord], None]",
    interrupted: threading.Event,
) -> "Feeder":
    from eddy import feeder, progress, wiring  # noqa: PLC0415 - keeps --help quick
    from models.domains import domain  # noqa: PLC0415
    from streams.sender import Sender  # noqa: PLC0415
    from streams.topics import check  # noqa: PLC0415

    topic = wiring.topics(chosen, domain("rides")).events
    check(chosen.kafka, [topic])
    with progress.bar(Console(stderr=True)) as bar:
        task = bar.add_task(f"sending to {topic}", total=feed.rides)

        def told(record: "SimulatedRecord") -> None:
            write(record)
            if not record.duplicate:
                bar.advance(task)

        sending = feeder.Feeder(Sender(chosen.kafka), topic, feed.rate, told)
        sending.run(feeder.rides(feed), interrupted.is_set)
    return sending


@contextmanager
def _truth_file(path: Path | None) -> "Iterator[Callable[[SimulatedRecord], None]]":
    """Give a function that writes a record's truth, where there is something to tell."""
    if path is None:
        yield lambda _: None
        return
    try:
        file = path.open("w", encoding="utf-8")
    except OSError as error:
        raise MissingResource(f"--truth {path}: {error.strerror}") from error
    with file:

        def write(record: "SimulatedRecord") -> None:
            if record.anomaly is not None and not record.duplicate:
                occurred_at = datetime.fromtimestamp(record.occurred_at_us / 1e6, UTC)
                line = {
                    "event_id": record.event_id,
                    "anomaly": record.anomaly,
                    "occurred_at": occurred_at.isoformat(),
                }
                file.write(json_module.dumps(line) + "\n")

        yield write


@contextmanager
def _interrupts() -> Iterator[threading.Event]:
    """Give an event that Ctrl-C and SIGTERM set; a second Ctrl-C ends the process at once."""
    event = threading.Event()

    def ask(number: int, _frame: object) -> None:
        event.set()
        signal.signal(number, before[signal.Signals(number)])

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield event
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _show(feeder: "Feeder", json: bool) -> None:
    figures = {"records": feeder.sent, **dict(sorted(feeder.counts.items()))}
    console = Console()
    if json:
        console.print_json(data=figures)
        return
    table = Table(title="sent", show_header=False)
    for name, count in figures.items():
        table.add_row(name, f"{count:,}")
    console.print(table)
