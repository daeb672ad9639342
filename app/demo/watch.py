"""The demo's rides: one thread feeds them in, one reads verdicts and anomalies back."""

import time
from collections import deque
from collections.abc import Sequence

import msgspec

from eddy.app.demo.feeding import Feeding
from eddy.app.settings import Settings
from eddy.app.simulate.feeder import Feeder, FeedOptions, rides
from eddy.app.simulate.tally import RecallCounts
from eddy.datasets.simulation.record import SimulatedRecord
from eddy.schemas.anomalies import Anomaly
from eddy.schemas.topics import DomainTopics
from eddy.streams.sender import Sender


class _Event(msgspec.Struct):
    event_id: str


class _Scored(msgspec.Struct):
    event: _Event
    verdict: str


_scored = msgspec.json.Decoder(_Scored)
_anomaly = msgspec.json.Decoder(Anomaly)


KEPT_ANOMALIES = 60


class LatestAnomalies:
    """Keeps the latest anomalies, newest first, each with the kind that was put in."""

    def __init__(self) -> None:
        self._kept: deque[tuple[Anomaly, str | None]] = deque(maxlen=KEPT_ANOMALIES)

    def add(self, anomaly: Anomaly, kind: str | None) -> None:
        """Put one at the top."""
        self._kept.appendleft((anomaly, kind))

    def items(self) -> Sequence[tuple[Anomaly, str | None]]:
        """Return them."""
        return tuple(self._kept)


class DemoWatch(Feeding):
    """Feeds and reads for as long as the ``with`` does.

    Attributes
    ----------
    feeder : Feeder
        Counts what was sent.
    tally : RecallCounts
        Compares anomalies with the injected ones.
    judged : int
        Verdicts read back.
    first_anomaly : float, optional
        When the first anomaly was seen, on the monotonic clock.
    """

    def __init__(self, settings: Settings, names: DomainTopics, feed: FeedOptions) -> None:
        super().__init__(settings)
        self.tally = RecallCounts()
        self.latest = LatestAnomalies()
        self.feeder = Feeder(Sender(settings.kafka), names.events, feed.rate, self._on_send)
        self.judged = 0
        self.malformed = 0
        self.first_anomaly: float | None = None
        self._names = names
        self._feed = feed

    def _send(self) -> None:
        self.feeder.run(rides(self._feed), self._fed.is_set)

    def _on_send(self, record: SimulatedRecord) -> None:
        if record.malformed is not None:
            self.malformed += 1
        elif record.anomaly is not None:
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
        if self.first_anomaly is None:
            self.first_anomaly = time.monotonic()
        if anomaly.event_id is not None:
            self.tally.flag(anomaly.event_id)
        self.latest.add(anomaly, self.tally.kind(anomaly.event_id))
