"""The demo's card transactions: one thread feeds weeks of them in, one reads verdicts back."""

import time

import msgspec

from eddy.app.demo.feeding import Feeding
from eddy.app.demo.transactions import TransactionFeed
from eddy.app.demo.watch import LatestAnomalies
from eddy.app.inspect.scrape import Scrape
from eddy.app.settings import Settings
from eddy.app.simulate.feeder import Feeder
from eddy.app.simulate.label_feeder import LabelFeeder
from eddy.app.simulate.tally import RecallCounts, Score
from eddy.datasets.simulation.record import SimulatedRecord
from eddy.schemas.anomalies import Anomaly
from eddy.schemas.topics import LABELS, DomainTopics
from eddy.streams.sender import Sender

_AT_ONCE = 1e9  # transactions say themselves when they are due
NOTHING = Score(injected=0, found=0, flagged=0, precision=None, recall=None)


class _Event(msgspec.Struct):
    event_id: str


class _Scored(msgspec.Struct):
    event: _Event
    verdict: str


_scored = msgspec.json.Decoder(_Scored)
_anomaly = msgspec.json.Decoder(Anomaly)


class TransactionFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Card transactions as one look shows them.

    Attributes
    ----------
    event_time_us : int
        Of the latest transaction sent, in microseconds since 1970; 0 before the first.
    has_ended : bool
        Whether the transactions have reached the present, and are over.
    labels : int
        Labels sent, for their time had come.
    score : Score
        Without those of the history, while little is known.
    latest : list of (Anomaly, kind)
        The latest anomalies, each with the kind of fraud it is.
    """

    event_time_us: int = 0
    has_ended: bool = False
    cards: int = 0
    sent: int = 0
    judged: int = 0
    rejected: int = 0
    lag: int = 0
    anomalies: int = 0
    labels: int = 0
    score: Score = NOTHING
    latest: list[tuple[Anomaly, str | None]] = []


class TransactionWatch(Feeding):
    """Feeds and reads for as long as the ``with`` does.

    Attributes
    ----------
    feeder : Feeder
        Counts what was sent.
    labels : LabelFeeder
        Counts labels sent.
    tally : RecallCounts
        Holds what came out against the frauds, from the end of the history on.
    event_time_us : int
        Of the latest transaction sent.
    has_ended : bool
        Whether all transactions up to the present were sent.
    judged, flagged : int
        Verdicts and anomalies read back.
    first_anomaly : float, optional
        When the first anomaly was seen, on the monotonic clock.
    """

    def __init__(self, settings: Settings, names: DomainTopics, feed: TransactionFeed) -> None:
        super().__init__(settings)
        sender = Sender(settings.kafka)
        self.cards = feed.cards
        self.tally, self.latest = RecallCounts(), LatestAnomalies()
        self.labels = LabelFeeder(sender, LABELS, feed.labels())
        self.feeder = Feeder(sender, names.events, _AT_ONCE, self._on_send, feed.due_s)
        self.event_time_us = 0
        self.has_ended = False
        self.judged = self.flagged = 0
        self.first_anomaly: float | None = None
        self._names, self._feed = names, feed

    def figures(self, seen: Scrape) -> TransactionFigures:
        """Return how things stand, with what the detector says of itself."""
        return TransactionFigures(
            event_time_us=self.event_time_us,
            has_ended=self.has_ended,
            cards=self.cards,
            sent=self.feeder.sent,
            judged=seen.judged,
            rejected=seen.rejections,
            lag=seen.lag,
            anomalies=seen.anomalies,
            labels=self.labels.sent,
            score=self.tally.score(),
            latest=list(self.latest.items()),
        )

    def _send(self) -> None:
        self.feeder.run(self._feed.records(), self._fed.is_set)
        self.has_ended = not self._fed.is_set()

    def _on_send(self, record: SimulatedRecord) -> None:
        self.labels.come_to(record)
        if record.malformed is not None:
            return
        self.event_time_us = max(self.event_time_us, record.occurred_at_us)
        if record.anomaly is not None and record.occurred_at_us >= self._feed.history_end_us:
            self.tally.inject(record.event_id, record.anomaly)

    def _read(self) -> None:
        topics = [self._names.scored, self._names.anomalies]
        for record in self._reader.follow(topics, True, self._threads.ended):
            if record is None or record.value is None:
                continue
            if record.topic == self._names.scored:
                scored = _scored.decode(record.value)
                self.judged += 1
                self.tally.judge(scored.event.event_id, scored.verdict)
            else:
                self._take(_anomaly.decode(record.value))

    def _take(self, anomaly: Anomaly) -> None:
        self.flagged += 1
        self.first_anomaly = self.first_anomaly or time.monotonic()
        if anomaly.event_id is None or anomaly.occurred_at is None:
            return
        if anomaly.occurred_at.timestamp() * 1e6 >= self._feed.history_end_us:
            self.tally.flag(anomaly.event_id)
            self.latest.add(anomaly, self.tally.kind(anomaly.event_id))
