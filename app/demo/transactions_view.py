"""What the demo shows of card transactions: how they stand, and the latest that were flagged."""

from collections.abc import Mapping, Sequence

import msgspec
from rich import box
from rich.table import Table
from rich.text import Text

from eddy.app.demo.panels import counts, event_time, panels, ratio
from eddy.app.demo.transaction_watch import TransactionFigures
from eddy.app.inspect.anomaly_text import SEVERITY_STYLES, because
from eddy.app.simulate.tally import Score
from eddy.schemas.anomalies import Anomaly


def transaction_panels(seen: TransactionFigures) -> Table:
    """Return the panels: the stream, what is said of it, and what that is worth; five lines."""
    score = seen.score
    right = score.flagged - false_alarms(score)
    return panels(
        {
            "cards" if not seen.has_ended else "cards, up to now": {
                "event time": event_time(seen.event_time_us),
                "cards": f"{seen.cards:,}",
                "judged, lag": f"{seen.judged:,}, {seen.lag:,}",
            },
            "flagged, and known later": {
                "anomalies": f"{seen.anomalies:,}",
                "labels": f"{seen.labels:,}",
                "rejected": f"{seen.rejected:,}",
            },
            "against frauds": {
                "recall": _share(score.found, score.injected, score.recall),
                "precision": _share(right, score.flagged, score.precision),
                "false alarms": f"{false_alarms(score):,}",
            },
        }
    )


def _share(part: int, whole: int, share: float | None) -> Text:
    return Text.assemble(f"{part:,}/{whole:,} ", (ratio(share), "bold green"))


def false_alarms(score: Score) -> int:
    """Return how many of the flagged were no frauds."""
    return 0 if score.precision is None else round(score.flagged * (1 - score.precision))


def latest_frauds(latest: Sequence[tuple[Anomaly, str | None]], width: int) -> Table:
    """Return flagged transactions as a table: two lines and one for each."""
    table = Table(box=box.SIMPLE_HEAD, expand=True, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column("cards at", no_wrap=True, width=11)
    table.add_column("severity", no_wrap=True, width=8)
    table.add_column("score", no_wrap=True, justify="right", width=6)
    table.add_column("card", no_wrap=True, width=14)
    table.add_column("why: value (usual), part in the score", no_wrap=True, ratio=1)
    table.add_column("fraud" if width >= 100 else "", no_wrap=True, width=20 if width >= 100 else 1)
    for anomaly, kind in latest:
        style = SEVERITY_STYLES[anomaly.severity]
        wide, narrow = kind or "– genuine", "✓" if kind else "·"
        table.add_row(
            f"{anomaly.occurred_at:%m-%d %H:%M}",
            Text(anomaly.severity, style),
            Text(f"{anomaly.score:.2f}", style),
            anomaly.entity.id,
            ", ".join(because(anomaly)),
            Text(wide if width >= 100 else narrow, "green" if kind else "dim"),
        )
    return table


def transaction_words(seen: TransactionFigures) -> str:
    """Return how card transactions stand as one line, for logs and narrow pages."""
    score = seen.score
    return (
        f"cards to {event_time(seen.event_time_us)}: precision={ratio(score.precision)} "
        f"recall={ratio(score.recall)} found={score.found}/{score.injected} "
        f"false={false_alarms(score)} judged={seen.judged:,} lag={seen.lag:,} "
        f"labels={seen.labels:,}"
    )


class TransactionSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What the demo ends with, of card transactions.

    Attributes
    ----------
    unaccounted : int
        Records sent that were neither judged nor rejected when the demo ended.
    score : Score
        Without the history.
    missed : dict of str to int
        Frauds that were judged and not flagged, by kind.
    first_anomaly_s : float, optional
        From the start of the command to the first anomaly seen.
    """

    cards: int
    event_time_us: int
    sent: int
    judged: int
    rejected: dict[str, int]
    unaccounted: int
    labels: int
    anomalies: int
    score: Score
    missed: Mapping[str, int]
    first_anomaly_s: float | None

    def rows(self) -> list[tuple[str, str]]:
        """Return the summary for people."""
        score = self.score
        first = "–" if self.first_anomaly_s is None else f"{self.first_anomaly_s:.1f} s"
        missed = score.injected - score.found
        return [
            ("card transactions sent", f"{self.sent:,} of {self.cards:,} cards"),
            ("up to event time", event_time(self.event_time_us)),
            ("labels sent", f"{self.labels:,}, days after their transactions"),
            ("judged", f"{self.judged:,}"),
            ("rejected", f"{sum(self.rejected.values()):,}{counts(self.rejected)}"),
            ("not yet judged", f"{self.unaccounted:,}"),
            ("anomalies published", f"{self.anomalies:,}"),
            ("first one seen after", first),
            ("frauds after the history", f"{score.injected:,}"),
            ("missed", f"{missed:,}{counts(self.missed)}"),
            ("recall", ratio(score.recall)),
            ("precision", f"{ratio(score.precision)}, {false_alarms(score):,} false alarms"),
        ]
