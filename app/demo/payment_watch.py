"""The demo's payments: one thread feeds weeks of them in, one reads the episodes back."""

import time

import msgspec

from eddy.app.demo.episodes import Episodes, EpisodeView, IncidentScore
from eddy.app.demo.feeding import Feeding
from eddy.app.demo.payments import PaymentFeed
from eddy.app.inspect.scrape import Scrape
from eddy.app.settings import Settings
from eddy.app.simulate.feeder import Feeder
from eddy.datasets.simulation.record import SimulatedRecord
from eddy.schemas.anomalies import Anomaly
from eddy.schemas.topics import DomainTopics
from eddy.streams.sender import Sender

_AT_ONCE = 1e9  # payments say themselves when they are due
_LATEST = 12

_anomaly = msgspec.json.Decoder(Anomaly)


class PaymentFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Payments as one look shows them.

    Attributes
    ----------
    event_time_us : int
        Of the latest payment sent, in microseconds since 1970; 0 before the first.
    has_ended : bool
        Whether the payments have reached the present, and are over.
    retracted : int
        Episodes that late payments took back.
    open : int
        Episodes that are open.
    latest : list of (Episode, kind)
        Some episodes, each with the kind of incident it overlaps; see `Episodes.latest`.
    """

    event_time_us: int = 0
    has_ended: bool = False
    merchants: int = 0
    sent: int = 0
    judged: int = 0
    rejected: int = 0
    lag: int = 0
    opened: int = 0
    retracted: int = 0
    open: int = 0
    latest: list[tuple[EpisodeView, str | None]] = []
    score: IncidentScore = IncidentScore()


class PaymentWatch(Feeding):
    """Feeds and reads for as long as the ``with`` does.

    Attributes
    ----------
    feeder : Feeder
        Counts what was sent.
    episodes : Episodes
        Published episodes, compared with the injected incidents.
    event_time_us : int
        Of the latest payment sent.
    has_ended : bool
        Whether all payments up to the present were sent.
    read : int
        Records of episodes read back.
    first_episode : float, optional
        When the first episode was seen, on the monotonic clock.
    """

    def __init__(self, settings: Settings, names: DomainTopics, feed: PaymentFeed) -> None:
        super().__init__(settings)
        self.merchants = feed.merchants
        self.episodes = Episodes(feed.truth(), feed.history_end_us)
        sender = Sender(settings.kafka)
        self.feeder = Feeder(sender, names.events, _AT_ONCE, self._on_send, feed.due_s)
        self.event_time_us = 0
        self.has_ended = False
        self.first_episode: float | None = None
        self.read = 0
        self._names, self._feed = names, feed

    def figures(self, seen: Scrape) -> PaymentFigures:
        """Return how things stand, with what the detector says of itself."""
        now_us = self.event_time_us
        return PaymentFigures(
            event_time_us=now_us,
            has_ended=self.has_ended,
            merchants=self.merchants,
            sent=self.feeder.sent,
            judged=seen.judged,
            rejected=seen.rejections,
            lag=seen.lag,
            opened=self.episodes.opened,
            retracted=self.episodes.retracted,
            open=self.episodes.open,
            latest=[
                (episode, self.episodes.kind(episode, now_us))
                for episode in self.episodes.latest(_LATEST)
            ],
            score=self.episodes.score(now_us),
        )

    def _send(self) -> None:
        self.feeder.run(self._feed.records(), self._fed.is_set)
        self.has_ended = not self._fed.is_set()

    def _on_send(self, record: SimulatedRecord) -> None:
        if record.malformed is None:
            self.event_time_us = max(self.event_time_us, record.occurred_at_us)

    def _read(self) -> None:
        for record in self._reader.follow([self._names.anomalies], True, self._threads.ended):
            if record is not None and record.value is not None:
                self.first_episode = self.first_episode or time.monotonic()
                self.episodes.take(_anomaly.decode(record.value))
                self.read += 1
