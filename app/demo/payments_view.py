"""What the demo shows of payments: how they stand, and the latest episodes with their bands."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import msgspec
from rich import box
from rich.table import Table
from rich.text import Text

from eddy.app.demo.episodes import EpisodeView, IncidentScore
from eddy.app.demo.panels import counts, event_time, panels, ratio
from eddy.app.demo.payment_watch import PaymentFigures
from eddy.app.inspect.anomaly_text import SEVERITY_STYLES, number, range_text

_FEATURE = "tpv"


def payment_panels(seen: PaymentFigures) -> Table:
    """Return the panels: the stream, its episodes, and what they are worth; five lines."""
    score = seen.score
    missed = score.visible - score.found
    return panels(
        {
            "payments" if not seen.has_ended else "payments, up to now": {
                "event time": event_time(seen.event_time_us),
                "merchants": f"{seen.merchants:,}",
                "judged, lag": f"{seen.judged:,}, {seen.lag:,}",
            },
            "episodes": {
                "open": f"{seen.open:,}",
                "opened": f"{seen.opened:,}",
                "taken back": f"{seen.retracted:,}",
            },
            "against incidents": {
                "recall": Text(ratio(score.recall), "bold green"),
                "precision": Text(ratio(score.precision), "bold green"),
                "found, missed, false": f"{score.found:,}, {missed:,}, {score.false:,}",
            },
        }
    )


def latest_episodes(episodes: Sequence[tuple[EpisodeView, str | None]], width: int) -> Table:
    """Return episodes as a table, those that are over dimmed: two lines and one for each."""
    table = Table(box=box.SIMPLE_HEAD, expand=True, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column("payments of", no_wrap=True, width=11)
    table.add_column("severity", no_wrap=True, width=8)
    table.add_column("score", no_wrap=True, justify="right", width=6)
    table.add_column("merchant", no_wrap=True, width=16)
    table.add_column("volume", no_wrap=True, justify="right", width=8)
    table.add_column("its band", no_wrap=True, ratio=1)
    if width >= 100:
        table.add_column("", no_wrap=True, ratio=1)
        table.add_column("injected as", no_wrap=True, width=12)
    for episode, kind in episodes:
        cells = _cells(episode, kind)[: len(table.columns)]
        table.add_row(*cells, style=None if episode.is_open else "dim")
    return table


def _cells(episode: EpisodeView, kind: str | None) -> list[str | Text]:
    newest = episode.newest
    style = SEVERITY_STYLES[newest.severity]
    mark = {"above": "↑", "below": "↓"}.get(newest.direction or "", "")
    return [
        f"{datetime.fromtimestamp(episode.start_us / 1e6, UTC):%m-%d %H:%M}",
        Text(newest.severity, style),
        Text(f"{newest.score:.2f}", style),
        newest.entity.id,
        f"{number(newest.actual[_FEATURE])}{mark}",
        range_text(newest, _FEATURE),
        ", ".join([*(() if episode.is_open else ("over",)), *newest.labels]),
        Text(kind or "–", "green" if kind else "dim"),
    ]


def payment_words(seen: PaymentFigures) -> str:
    """Return how payments stand as one line, for logs and narrow pages."""
    score = seen.score
    return (
        f"payments to {event_time(seen.event_time_us)}: judged={seen.judged:,} lag={seen.lag:,} "
        f"open={seen.open} found={score.found}/{score.visible} false={score.false} "
        f"of {score.episodes}"
    )


class PaymentSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What the demo ends with, of payments.

    Attributes
    ----------
    unaccounted : int
        Records sent that were neither judged nor rejected when the demo ended.
    first_episode_s : float, optional
        From the start of the command to the first episode seen.
    missed : dict of str to int
        Visible incidents that were over and not found, by kind.
    """

    merchants: int
    event_time_us: int
    sent: int
    judged: int
    rejected: dict[str, int]
    unaccounted: int
    opened: int
    retracted: int
    open: int
    score: IncidentScore
    missed: Mapping[str, int]
    first_episode_s: float | None

    def rows(self) -> list[tuple[str, str]]:
        """Return the summary for people."""
        score = self.score
        first = "–" if self.first_episode_s is None else f"{self.first_episode_s:.1f} s"
        missed = score.visible - score.found
        opened = f"{self.opened:,}, {self.retracted:,} taken back, {self.open:,} still open"
        return [
            ("payments sent", f"{self.sent:,} of {self.merchants:,} merchants"),
            ("up to event time", event_time(self.event_time_us)),
            ("judged", f"{self.judged:,}"),
            ("rejected", f"{sum(self.rejected.values()):,}{counts(self.rejected)}"),
            ("not yet judged", f"{self.unaccounted:,}"),
            ("episodes opened", opened),
            ("first one seen after", first),
            ("incidents", f"{score.visible:,}, and {score.hidden:,} too small for anybody to see"),
            ("missed", f"{missed:,}{counts(self.missed)}"),
            ("recall", f"{ratio(score.recall)} by incident"),
            (
                "precision",
                f"{ratio(score.precision)}, {score.false:,} episodes without an incident",
            ),
        ]
