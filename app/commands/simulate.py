"""``eddy simulate``: events that look real, with anomalies whose truth is known."""

import json as json_module
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from eddy.app.commands.options import Bootstrap, Config, Json
from eddy.schemas.errors import MissingResource

if TYPE_CHECKING:
    from eddy.app.settings import Settings
    from eddy.app.simulate.feeder import Feeder
    from eddy.datasets.simulation.payments.stream import Incident
    from eddy.datasets.simulation.record import SimulatedRecord
    from eddy.schemas.labels import Label

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
    from eddy.app import settings  # noqa: PLC0415 - keeps --help quick
    from eddy.app.replay.offsets import moment  # noqa: PLC0415
    from eddy.app.simulate import feeder as feeding  # noqa: PLC0415

    chosen = settings.load(config, {"kafka.bootstrap_servers": bootstrap_servers})
    if duration is not None:
        within = max(1, round(duration * rate))
        count = within if count is None else min(count, within)
    feed = feeding.FeedOptions(
        seed=seed,
        rate=rate,
        start=datetime.now(UTC) if start is None else moment(start, "--start"),
        rides=count,
        shares=feeding.Shares(
            anomalies=anomalies, late=late, duplicates=duplicates, malformed=malformed
        ),
    )
    with _truth_file(truth) as write, _interrupts() as interrupted:
        records = feeding.rides(feed)
        feeder = _send(chosen, "rides", rate, feed.rides, records, write, interrupted)
    _show(feeder, json)
    if interrupted.is_set():
        raise typer.Exit(INTERRUPTED)


@simulate.command()
def payments(
    days: Annotated[int, typer.Option(min=1, max=3660, help="Days of event time.")] = 28,
    merchants: Annotated[int, typer.Option(min=1, help="How many.")] = 100,
    per_day: Annotated[float, typer.Option(min=0.01, help="Payments of a merchant a day.")] = 100.0,
    rate: Annotated[float, typer.Option(min=0.001, help="Payments a second.")] = 20_000.0,
    seed: Annotated[int, typer.Option(min=0, help="Same seed and --start: same records.")] = 7,
    start: Annotated[
        str | None,
        typer.Option(help="Event time of the beginning, RFC 3339; by default --days ago."),
    ] = None,
    country: Annotated[
        str | None, typer.Option(help="ISO code of the merchants' country, for holidays.")
    ] = None,
    truth: Annotated[
        Path | None, typer.Option(help="JSONL file of the incidents: drop-outs, spikes, shifts.")
    ] = None,
    config: Config = None,
    bootstrap_servers: Bootstrap = None,
    json: Json = False,
) -> None:
    """Send weeks of merchants' payments at accelerated event time, with known incidents.

    Ctrl-C ends it cleanly: what was sent is delivered and counted; exit code 130.
    """
    from eddy.app import settings  # noqa: PLC0415 - keeps --help quick
    from eddy.app.replay.offsets import moment  # noqa: PLC0415
    from eddy.datasets.simulation.payments import stream as simulation  # noqa: PLC0415

    chosen = settings.load(config, {"kafka.bootstrap_servers": bootstrap_servers})
    begin = datetime.now(UTC) - timedelta(days=days) if start is None else moment(start, "--start")
    options = simulation.PaymentSimulation(
        start=begin,
        days=days,
        merchants=merchants,
        payments_per_day=per_day,
        country=country,
    )
    if truth is not None:
        _write_incidents(truth, simulation.incidents(seed, options))
    about = round(days * merchants * per_day)
    with _interrupts() as interrupted:
        records = simulation.simulate(seed, options)
        feeder = _send(chosen, "tpv", rate, about, records, lambda _: None, interrupted)
    _show(feeder, json)
    if interrupted.is_set():
        raise typer.Exit(INTERRUPTED)


@simulate.command()
def transactions(
    days: Annotated[int, typer.Option(min=1, max=3660, help="Days of event time.")] = 28,
    customers: Annotated[int, typer.Option(min=1, help="How many; each has a card.")] = 1_000,
    terminals: Annotated[
        int | None, typer.Option(min=1, help="How many; by default two a customer.")
    ] = None,
    per_day: Annotated[
        float, typer.Option(min=0.01, help="Transactions of a customer a day.")
    ] = 2.0,
    vector: Annotated[
        int, typer.Option(min=0, max=64, help="Components computed upstream, of each event.")
    ] = 0,
    rate: Annotated[float, typer.Option(min=0.001, help="Transactions a second.")] = 20_000.0,
    seed: Annotated[int, typer.Option(min=0, help="Same seed and --start: same records.")] = 7,
    start: Annotated[
        str | None,
        typer.Option(help="Event time of the beginning, RFC 3339; by default --days ago."),
    ] = None,
    labels: Annotated[
        bool, typer.Option(help="Also send verdicts, days after their events in event time.")
    ] = True,
    genuine_labels: Annotated[
        float, typer.Option(min=0, max=1, help="Share of genuine ones with a verdict.")
    ] = 0.2,
    truth: Annotated[Path | None, typer.Option(help="JSONL file of the frauds.")] = None,
    config: Config = None,
    bootstrap_servers: Bootstrap = None,
    json: Json = False,
) -> None:
    """Send weeks of card transactions at accelerated event time, with known frauds among them.

    Labels follow on their topic, hours to days after their events in event time; those that
    become known after the last event are not sent. Ctrl-C ends it cleanly: what was sent is
    delivered and counted; exit code 130.
    """
    from eddy.app import settings  # noqa: PLC0415 - keeps --help quick
    from eddy.app.replay.offsets import moment  # noqa: PLC0415
    from eddy.datasets.simulation.transactions import stream as simulation  # noqa: PLC0415

    chosen = settings.load(config, {"kafka.bootstrap_servers": bootstrap_servers})
    begin = datetime.now(UTC) - timedelta(days=days) if start is None else moment(start, "--start")
    options = simulation.TransactionSimulation(
        start=begin,
        days=days,
        customers=customers,
        terminals=terminals,
        transactions_per_day=per_day,
        vector=vector,
        genuine_labels=genuine_labels,
    )
    about = round(days * customers * per_day)
    known = simulation.labels(seed, options) if labels else None
    with _truth_file(truth) as write, _interrupts() as interrupted:
        records = simulation.simulate(seed, options)
        feeder = _send(chosen, "transactions", rate, about, records, write, interrupted, known)
    _show(feeder, json)
    if interrupted.is_set():
        raise typer.Exit(INTERRUPTED)


def _write_incidents(path: Path, incidents: "list[Incident]") -> None:
    try:
        with path.open("w", encoding="utf-8") as file:
            for incident in incidents:
                line = {
                    "merchant_id": incident.merchant_id,
                    "incident": incident.kind,
                    "start": datetime.fromtimestamp(incident.start_us / 1e6, UTC).isoformat(),
                    "end": datetime.fromtimestamp(incident.end_us / 1e6, UTC).isoformat(),
                    "factor": incident.factor,
                }
                file.write(json_module.dumps(line) + "\n")
    except OSError as error:
        raise MissingResource(f"--truth {path}: {error.strerror}") from error


def _send(
    chosen: "Settings",
    domain_name: str,
    rate: float,
    total: int | None,
    records: "Iterator[SimulatedRecord]",
    write: "Callable[[SimulatedRecord], None]",
    interrupted: threading.Event,
    labels: "Iterator[tuple[int, Label]] | None" = None,
) -> "Feeder":
    from eddy.app import progress, wiring  # noqa: PLC0415 - keeps --help quick
    from eddy.app.domains import domain  # noqa: PLC0415
    from eddy.app.simulate import feeder, label_feeder  # noqa: PLC0415
    from eddy.schemas.topics import LABELS  # noqa: PLC0415
    from eddy.streams.sender import Sender  # noqa: PLC0415
    from eddy.streams.topics import check  # noqa: PLC0415

    topic = wiring.topics(chosen, domain(domain_name)).events
    check(chosen.kafka, [topic] if labels is None else [topic, LABELS])
    sender = Sender(chosen.kafka)
    known = label_feeder.LabelFeeder(sender, LABELS, labels or iter(()))
    with progress.bar(Console(stderr=True)) as bar:
        task = bar.add_task(f"sending to {topic}", total=total)

        def told(record: "SimulatedRecord") -> None:
            known.come_to(record)
            write(record)
            if not record.duplicate:
                bar.advance(task)

        sending = feeder.Feeder(sender, topic, rate, told)
        sending.run(records, interrupted.is_set)
    if labels is not None:
        sending.counts["labels"] = known.sent
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
