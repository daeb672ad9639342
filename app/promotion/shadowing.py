"""The comparison of champion and challenger on live traffic, from what the topics hold."""

from collections.abc import Callable

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from eddy.app import wiring
from eddy.app.inspect.anomaly_text import number
from eddy.app.settings import Settings
from eddy.app.training.transaction_models import decisions_topic, labels_of
from eddy.models.domains.transactions.domain import DOMAIN
from eddy.models.labels import Labels
from eddy.schemas import decisions
from eddy.schemas.errors import MissingResource
from eddy.streams.reading import TopicReader
from eddy.training.transactions.shadow import Role, ShadowComparison, Shadowed

_BAR = 24


def compare(settings: Settings, on_read: Callable[[int], None]) -> ShadowComparison:
    """Compare the newest pair of champion and challenger.

    Parameters
    ----------
    settings : Settings
    on_read : callable
        Called with how many more decisions were read.

    Raises
    ------
    MissingResource
        No event was scored by both, or the topics cannot be read.
    """
    topic, policy = decisions_topic(settings), wiring.policy(settings, DOMAIN)
    reader, shadowed = TopicReader(settings.kafka), Shadowed()
    try:
        for record in reader.read(topic):
            if record.value is not None:
                part = decisions.decode(record.value)
                shadowed.add(part)
                on_read(len(part))
        labels = Labels.of(labels_of(reader)).last()
    finally:
        reader.close()
    comparison = shadowed.compare(labels, policy.missed_cost, policy.false_alarm_cost)
    if comparison is None:
        raise MissingResource(
            f"{topic}: no event was scored by a challenger yet; `eddy train transactions` makes "
            "one, and `eddy run` lets it score beside the champion"
        )
    return comparison


def shown(result: ShadowComparison) -> RenderableType:
    """Return a comparison as tables."""
    sides = (result.champion, result.challenger)
    table = Table("", *(f"{who} {side.version}" for who, side in zip(_WHO, sides, strict=True)))
    for title, read in _LINES:
        table.add_row(title, *(_text(read(side)) for side in sides))
    text = (
        f"{result.events:,} events of {result.days:.1f} days, {result.labelled:,} with a label, "
        f"{result.frauds:,} of these frauds\n"
        f"of one opinion on {result.agreement:.2%}: both flagged {result.both:,}, the champion "
        f"alone {result.only_champion:,}, the challenger alone {result.only_challenger:,}"
    )
    return Group(Text(text), table, _histograms(sides))


_WHO = ("champion", "challenger")
_LINES: tuple[tuple[str, Callable[[Role], float | None]], ...] = (
    ("alerts a day", lambda side: side.alerts_a_day),
    ("frauds found", lambda side: side.found),
    ("frauds missed", lambda side: side.missed),
    ("false alarms", lambda side: side.false_alarms),
    ("cost", lambda side: side.cost),
    ("precision", lambda side: side.precision),
    ("recall", lambda side: side.recall),
    ("average precision", lambda side: side.average_precision),
)


def _histograms(sides: tuple[Role, Role]) -> Table:
    table = Table("score up to", *_WHO, title="scores")
    most = max(max(side.histogram.values()) for side in sides) or 1
    for name in sides[0].histogram:
        cells = []
        for side in sides:
            count = side.histogram[name]
            bar = "█" * round(_BAR * count / most)
            cells.append(f"{bar:<{_BAR}} {count:,}")
        table.add_row(name, *cells)
    return table


def _text(value: float | None) -> str:
    return "–" if value is None else number(value)
