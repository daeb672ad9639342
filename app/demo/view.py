"""What the demo shows: a live page on a terminal, plain lines elsewhere, a summary at the end."""

from collections.abc import Sequence

import msgspec
from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from eddy.app.controls import harmless
from eddy.app.demo.lake_summary import LakeSummary
from eddy.app.demo.panels import clock, counts, panels, ratio
from eddy.app.demo.payment_watch import PaymentFigures
from eddy.app.demo.payments_view import (
    PaymentSummary,
    latest_episodes,
    payment_panels,
    payment_words,
)
from eddy.app.demo.transaction_watch import TransactionFigures
from eddy.app.demo.transactions_view import (
    TransactionSummary,
    latest_frauds,
    transaction_panels,
    transaction_words,
)
from eddy.app.inspect.anomaly_text import SEVERITY_STYLES, because, who
from eddy.app.inspect.scrape import Scrape
from eddy.app.simulate.tally import Score
from eddy.schemas.anomalies import Anomaly

PAYMENTS_ENDED = "payments have reached the present: no more of them are sent, rides go on"
CARDS_ENDED = "card transactions have reached the present: no more of them are sent"
_FIXED_LINES = 11
"""Lines of the page that are only rides' and not rows of the table."""
_PANEL_LINES = 5
_HEAD_LINES = 2
_TALL, _TALLER = 24, 36
_MOST_EPISODES, _MOST_FRAUDS = 6, 6


class DemoFrame(msgspec.Struct, frozen=True, kw_only=True):
    """Everything one look shows.

    Attributes
    ----------
    left_s : float, optional
        Until the demo ends by itself; None where it goes on until Ctrl-C.
    sent, malformed, events_per_s, warming, scrape, score, latest
        Of rides.
    """

    broker: str
    config: str
    elapsed_s: float
    left_s: float | None
    sent: int
    malformed: int
    events_per_s: float
    warming: int
    scrape: Scrape
    score: Score
    latest: Sequence[tuple[Anomaly, str | None]] = ()
    payments: PaymentFigures = PaymentFigures()
    transactions: TransactionFigures = TransactionFigures()


class Page:
    """The live page, as tall and wide as the terminal."""

    def __init__(self) -> None:
        self.frame: DemoFrame | None = None

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if self.frame is not None:
            yield _page(self.frame, options.max_width, console.size.height)


def _page(frame: DemoFrame, width: int, height: int) -> RenderableType:
    others = _payments(frame.payments, width, height)
    others += _transactions(frame.transactions, width, height)
    rows = max(height - _FIXED_LINES - sum(lines for _, lines in others), 3)
    return Group(
        _header(frame, width),
        _panels(frame),
        *(part for part, _ in others),
        _anomalies(frame.latest[:rows], width),
        Text(f"Ctrl-C ends it · elsewhere: eddy tail --config {frame.config}", "dim"),
    )


def _payments(seen: PaymentFigures, width: int, height: int) -> list[tuple[RenderableType, int]]:
    """Return what is shown of payments, with the lines it takes; one line on a small terminal."""
    if height < _TALL:
        return [(Text(payment_words(seen), no_wrap=True, overflow="ellipsis"), 1)]
    rows = min(_MOST_EPISODES, (height - _TALL) // 2 + 1)
    shown = seen.latest[:rows]
    table = latest_episodes(shown, width)
    return [(payment_panels(seen), _PANEL_LINES), (table, _HEAD_LINES + len(shown))]


def _transactions(
    seen: TransactionFigures, width: int, height: int
) -> list[tuple[RenderableType, int]]:
    """Return what is shown of card transactions in the same way, on a taller terminal."""
    if height < _TALLER:
        return [(Text(transaction_words(seen), no_wrap=True, overflow="ellipsis"), 1)]
    shown = seen.latest[: min(_MOST_FRAUDS, (height - _TALLER) // 2 + 1)]
    table = latest_frauds(shown, width)
    return [(transaction_panels(seen), _PANEL_LINES), (table, _HEAD_LINES + len(shown))]


def _header(frame: DemoFrame, width: int) -> Table:
    table = Table.grid(expand=True)
    table.add_column()
    table.add_column(justify="right")
    time_left = "" if frame.left_s is None else f" · {clock(frame.left_s)} left"
    title = Text("eddy demo", "bold cyan")
    if width >= 100:
        title.append("  rides, payments and cards, each exactly once", "")
    title.append(f"  {frame.broker}", "dim")
    table.add_row(title, Text(f"{clock(frame.elapsed_s)}{time_left}", "bold"))
    return table


def _panels(frame: DemoFrame) -> Table:
    scrape, score = frame.scrape, frame.score
    stream = {
        "events/s": f"{frame.events_per_s:,.0f}",
        "sent": f"{frame.sent:,}",
        "judged": f"{scrape.judged:,}",
        "lag": f"{scrape.lag:,}",
    }
    verdicts = {
        "anomalies": f"{scrape.anomalies:,}",
        "while warming": f"{frame.warming:,}",
        "broken sent": f"{frame.malformed:,}",
        "rejected": f"{scrape.rejections:,}",
    }
    truth: dict[str, str | Text] = {
        "recall": Text(ratio(score.recall), "bold green"),
        "precision": Text(ratio(score.precision), "bold green"),
        "injected": f"{score.injected:,}",
        "found": f"{score.found:,}",
    }
    return panels({"rides": stream, "verdicts": verdicts, "against the truth": truth})


def _anomalies(latest: Sequence[tuple[Anomaly, str | None]], width: int) -> Table:
    table = Table(box=box.SIMPLE_HEAD, expand=True, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column("rides at", no_wrap=True, width=8)
    table.add_column("severity", no_wrap=True, width=8)
    table.add_column("score", no_wrap=True, justify="right", width=6)
    table.add_column("who", no_wrap=True, width=14)
    table.add_column("why: value (usual), part in the score", no_wrap=True, ratio=1)
    if width >= 100:
        table.add_column("injected as", no_wrap=True, width=18)
    else:
        table.add_column("", no_wrap=True, width=1)
    for shown, kind in latest:
        anomaly = harmless(shown)
        style = SEVERITY_STYLES[anomaly.severity]
        wide = kind or "– natural"
        narrow = Text("✓", "green") if kind else Text("·", "dim")
        table.add_row(
            f"{anomaly.detected_at:%H:%M:%S}",
            Text(anomaly.severity, style),
            Text(f"{anomaly.score:.2f}", style),
            Text(who(anomaly)),
            Text(", ".join(because(anomaly))),
            Text(wide, "green" if kind else "dim") if width >= 100 else narrow,
        )
    return table


def plain(frame: DemoFrame) -> str:
    """Return a look as one line, for logs."""
    scrape, score = frame.scrape, frame.score
    return (
        f"{clock(frame.elapsed_s)} events/s={frame.events_per_s:,.0f} sent={frame.sent:,} "
        f"judged={scrape.judged:,} rejected={scrape.rejections:,} lag={scrape.lag:,} "
        f"anomalies={scrape.anomalies:,} precision={ratio(score.precision)} "
        f"recall={ratio(score.recall)}; {payment_words(frame.payments)}; "
        f"{transaction_words(frame.transactions)}"
    )


class DemoSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What the demo ends with: rides, and payments and card transactions apart.

    Attributes
    ----------
    unaccounted : int
        Records sent that were neither judged nor rejected when the demo ended.
    first_anomaly_s : float, optional
        From the start of the command to the first anomaly seen.
    missed : dict of str to int
        Injected anomalies that were judged and not flagged, by kind.
    """

    sent: int
    judged: int
    rejected: dict[str, int]
    unaccounted: int
    warming: int
    anomalies: int
    score: Score
    missed: dict[str, int]
    first_anomaly_s: float | None
    payments: PaymentSummary
    transactions: TransactionSummary
    interrupted: bool = False
    lake: LakeSummary | None = None

    def table(self) -> Table:
        """Return the summary for people."""
        score = self.score
        first = "–" if self.first_anomaly_s is None else f"{self.first_anomaly_s:.1f} s"
        table = Table(title="eddy demo", show_header=False, box=box.ROUNDED)
        for name, value in (
            ("rides sent", f"{self.sent:,}"),
            ("judged", f"{self.judged:,}, {self.warming:,} of them while warming up"),
            ("rejected", f"{sum(self.rejected.values()):,}{counts(self.rejected)}"),
            ("not yet judged", f"{self.unaccounted:,}"),
            ("anomalies published", f"{self.anomalies:,}"),
            ("first one seen after", first),
            ("injected after warm-up", f"{score.injected:,}"),
            ("missed", f"{score.injected - score.found:,}{counts(self.missed)}"),
            ("recall", ratio(score.recall)),
            ("precision", f"{ratio(score.precision)}, odd rides by nature counted as false alarms"),
        ):
            table.add_row(Text(name, "dim"), value)
        for rows in (self.payments.rows(), self.transactions.rows()):
            table.add_section()
            for name, value in rows:
                table.add_row(Text(name, "dim"), value)
        return table
