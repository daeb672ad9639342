"""``eddy simulate``: events that look real, with anomalies whose truth is known."""

import json as json_module
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from eddy.app.commands.options import (
    JsonFlag,
    KafkaOptions,
    OptionValues,
    option,
    option_values,
)
from eddy.schemas.errors import MissingResource

if TYPE_CHECKING:
    from eddy.app.settings import Settings
    from eddy.app.simulate.feeder import Feeder
    from eddy.datasets.simulation.payments.stream import Incident
    from eddy.datasets.simulation.record import SimulatedRecord
    from eddy.schemas.labels import Label

INTERRUPTED = 130


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True, slots=True)
class ShareOptions:
    """Shares of the rides that are not as they should be."""

    anomalies: Annotated[float, option("Share of anomalies.", least=0, most=1)] = 0.005
    late: Annotated[float, option("Share of late records.", least=0, most=1)] = 0.005
    duplicates: Annotated[float, option("Share sent twice.", least=0, most=1)] = 0.005
    malformed: Annotated[float, option("Share that is no event.", least=0, most=1)] = 0.001


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True, slots=True)
class SpanOptions:
    """How many days of event time are sent, from when, and how fast."""

    days: Annotated[int, option("Days of event time.", least=1, most=3660)] = 28
    rate: Annotated[float, option("Records a second.", least=0.001)] = 20_000.0
    seed: Annotated[int, option("Same seed and --start: same records.", least=0)] = 7
    start: Annotated[
        str | None,
        option("Event time of the beginning, RFC 3339; by default --days ago."),
    ] = None

    def begin(self) -> datetime:
        """Return the event time of the beginning."""
        return _moment(self.start) or datetime.now(UTC) - timedelta(days=self.days)


def rides(
    *,
    rate: Annotated[float, option("Rides a second.", least=0.001)] = 500.0,
    duration: Annotated[
        float | None, option("Seconds; by default until Ctrl-C.", least=0.001)
    ] = None,
    count: Annotated[int | None, option("End after so many rides.", least=1)] = None,
    seed: Annotated[int, option("Same seed and --start: same records.", least=0)] = 7,
    start: Annotated[
        str | None, option("Event time of the beginning, RFC 3339; by default now.")
    ] = None,
    shares: ShareOptions = ShareOptions(),
    truth: Annotated[Path | None, option("JSONL file of the injected anomalies.")] = None,
    source: KafkaOptions = KafkaOptions(),
    json: JsonFlag = False,
) -> int:
    """Send rides in real time, as they happen, with known anomalies among them.

    Ctrl-C ends it cleanly: what was sent is delivered and counted; exit code 130.

    Examples
    --------
    eddy simulate rides --rate 500 --duration 60
    """
    from dataclasses import asdict

    from eddy.app.simulate import feeder as feeding

    settings = source.load()
    if duration is not None:
        within = max(1, round(duration * rate))
        count = within if count is None else min(count, within)
    feed = feeding.FeedOptions(
        seed=seed,
        rate=rate,
        start=_moment(start) or datetime.now(UTC),
        rides=count,
        shares=feeding.Shares(**asdict(shares)),
    )
    with _truth_file(truth) as write, _interrupts() as interrupted:
        records = feeding.rides(feed)
        feeder = _send(settings, "rides", rate, feed.rides, records, write, interrupted)
    return _end(feeder, interrupted, json)


def payments(
    *,
    span: SpanOptions = SpanOptions(),
    merchants: Annotated[int, option("How many.", least=1)] = 100,
    per_day: Annotated[float, option("Payments of a merchant a day.", least=0.01)] = 100.0,
    country: Annotated[
        str | None, option("ISO code of the merchants' country, for holidays.")
    ] = None,
    truth: Annotated[
        Path | None, option("JSONL file of the incidents: drop-outs, spikes, shifts.")
    ] = None,
    source: KafkaOptions = KafkaOptions(),
    json: JsonFlag = False,
) -> int:
    """Send weeks of merchants' payments at accelerated event time, with known incidents.

    `eddy simulate tpv` does the same. Ctrl-C ends it cleanly: what was sent is delivered and
    counted; exit code 130.

    Examples
    --------
    eddy simulate payments --days 28 --merchants 20 --truth incidents.jsonl
    """
    from eddy.datasets.simulation.payments import stream as simulation

    settings = source.load()
    options = simulation.PaymentSimulation(
        start=span.begin(),
        days=span.days,
        merchants=merchants,
        payments_per_day=per_day,
        country=country,
    )
    if truth is not None:
        _write_incidents(truth, simulation.incidents(span.seed, options))
    about = round(span.days * merchants * per_day)
    with _interrupts() as interrupted:
        records = simulation.simulate(span.seed, options)
        feeder = _send(settings, "tpv", span.rate, about, records, lambda _: None, interrupted)
    return _end(feeder, interrupted, json)


def transactions(
    *,
    span: SpanOptions = SpanOptions(),
    customers: Annotated[int, option("How many; each has a card.", least=1)] = 1_000,
    terminals: Annotated[
        int | None, option("How many; by default two a customer.", least=1)
    ] = None,
    per_day: Annotated[float, option("Transactions of a customer a day.", least=0.01)] = 2.0,
    vector: Annotated[
        int, option("Components computed upstream, of each event.", least=0, most=64)
    ] = 0,
    labels: Annotated[
        bool,
        option("Also send labels, days after their events in event time.", off="--no-labels"),
    ] = True,
    genuine_labels: Annotated[
        float, option("Share of genuine ones with a label.", least=0, most=1)
    ] = 0.2,
    truth: Annotated[Path | None, option("JSONL file of the frauds.")] = None,
    source: KafkaOptions = KafkaOptions(),
    json: JsonFlag = False,
) -> int:
    """Send weeks of card transactions at accelerated event time, with known frauds among them.

    Labels follow on their topic, hours to days after their events in event time; those that
    become known after the last event are not sent. Ctrl-C ends it cleanly: what was sent is
    delivered and counted; exit code 130.

    Examples
    --------
    eddy simulate transactions --days 60 --customers 500
    """
    from eddy.datasets.simulation.transactions import stream as simulation

    settings = source.load()
    options = simulation.TransactionSimulation(
        start=span.begin(),
        days=span.days,
        customers=customers,
        terminals=terminals,
        transactions_per_day=per_day,
        vector=vector,
        genuine_labels=genuine_labels,
    )
    about = round(span.days * customers * per_day)
    known = simulation.labels(span.seed, options) if labels else None
    with _truth_file(truth) as write, _interrupts() as interrupted:
        records = simulation.simulate(span.seed, options)
        feeder = _send(
            settings, "transactions", span.rate, about, records, write, interrupted, known
        )
    return _end(feeder, interrupted, json)


def domain_command(name: str) -> Callable[..., int]:
    """Return the command that simulates a domain of an installed package."""

    def simulate(
        *,
        rate: Annotated[float, option("Records a second.", least=0.001)] = 500.0,
        count: Annotated[int | None, option("End after so many records.", least=1)] = None,
        seed: Annotated[int, option("Same seed: same records.", least=0)] = 7,
        override: OptionValues = None,
        truth: Annotated[Path | None, option("JSONL file of the injected anomalies.")] = None,
        source: KafkaOptions = KafkaOptions(),
        json: JsonFlag = False,
    ) -> int:
        from itertools import islice

        from eddy.app.domains import domain_row
        from eddy.app.training.trained_model import options_of

        settings, simulation = source.load(), domain_row(name).simulator()
        options = options_of(option_values(override), simulation.options_type)
        labels = simulation.labels(seed, options) if simulation.labels else None
        with _truth_file(truth) as write, _interrupts() as interrupted:
            records = islice(simulation.simulate(seed, options), count)
            feeder = _send(settings, name, rate, count, records, write, interrupted, labels)
        return _end(feeder, interrupted, json)

    simulate.__doc__ = f"""Send simulated events of {name}, a domain of an installed package.

    Ctrl-C ends it cleanly: what was sent is delivered and counted; exit code 130.

    Examples
    --------
    eddy simulate {name} --count 1000
    """
    return simulate


def _moment(start: str | None) -> datetime | None:
    from eddy.app.replay.offsets import moment

    return None if start is None else moment(start, "--start")


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
    settings: "Settings",
    domain_name: str,
    rate: float,
    total: int | None,
    records: "Iterator[SimulatedRecord]",
    write: "Callable[[SimulatedRecord], None]",
    interrupted: threading.Event,
    labels: "Iterator[tuple[int, Label]] | None" = None,
) -> "Feeder":
    from rich.console import Console

    from eddy.app import progress, wiring
    from eddy.app.domains import domain
    from eddy.app.simulate import feeder, label_feeder
    from eddy.schemas.topics import LABELS
    from eddy.streams.sender import Sender
    from eddy.streams.topics import check

    topic = wiring.topics(settings, domain(domain_name)).events
    check(settings.kafka, [topic] if labels is None else [topic, LABELS])
    sender = Sender(settings.kafka)
    label_feed = label_feeder.LabelFeeder(sender, LABELS, labels or iter(()))
    with progress.bar(Console(stderr=True)) as bar:
        task = bar.add_task(f"sending to {topic}", total=total)

        def on_progress(record: "SimulatedRecord") -> None:
            label_feed.come_to(record)
            write(record)
            if not record.duplicate:
                bar.advance(task)

        sending = feeder.Feeder(sender, topic, rate, on_progress)
        sending.run(records, interrupted.is_set)
    if labels is not None:
        sending.counts["labels"] = label_feed.sent
    return sending


@contextmanager
def _truth_file(path: Path | None) -> "Iterator[Callable[[SimulatedRecord], None]]":
    """Give a function that writes a record's truth, where it is no ordinary one."""
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


def _end(feeder: "Feeder", interrupted: threading.Event, json: bool) -> int:
    """Print what was sent, and return the exit code."""
    from eddy.app import output

    counts = {"records": feeder.sent, **dict(sorted(feeder.counts.items()))}
    if json:
        output.json(counts)
    else:
        output.figures("sent", ((name, f"{count:,}") for name, count in counts.items()))
    return INTERRUPTED if interrupted.is_set() else 0
