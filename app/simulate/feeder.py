"""The feeder: simulated records, sent at a steady rate as if they happened now, or as they say.

Whoever simulates a whole year wants the hours of the day in it; whoever watches a stream wants a
steady one whose event time is the clock's. So every stretch up to the next full hour is simulated
by itself, at the density that makes its rate the one asked for.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import msgspec

from eddy.datasets.simulation.record import SimulatedRecord
from eddy.datasets.simulation.ride_draws import busy_hours
from eddy.datasets.simulation.rides import RideSimulation, simulate
from eddy.streams.sender import Sender

_HOUR = timedelta(hours=1)
_DAY_S = 86_400
_BURST_S = 0.02  # sleeping costs more than sending: records go in bursts so far apart
_LOOK_S = 0.2
_POLL_EVERY = 500


class Shares(msgspec.Struct, frozen=True, kw_only=True):
    """Shares of the rides that are made anomalous, late, double or unreadable."""

    anomalies: float = 0.005
    late: float = 0.005
    duplicates: float = 0.005
    malformed: float = 0.001


class FeedOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What to send.

    Attributes
    ----------
    rate : float
        Rides a second.
    rides : int, optional
        How many; None goes on for ever.
    late_s : (float, float)
        How late late records are; shorter than in life, so that a short run sees them come.
    """

    seed: int
    rate: float
    start: datetime
    rides: int | None = None
    shares: Shares = Shares()
    late_s: tuple[float, float] = (10.0, 60.0)


def rides(feed: FeedOptions) -> Iterator[SimulatedRecord]:
    """Yield simulated rides whose event time goes as fast as they are sent."""
    start, left, stretch = feed.start, feed.rides, 0
    while left is None or left > 0:
        end = start.replace(minute=0, second=0, microsecond=0) + _HOUR
        count = max(1, round((end - start).total_seconds() * feed.rate))
        count = count if left is None else min(count, left)
        # seeds of other runs are small: stretches of one run must not meet them
        yield from simulate(feed.seed + (stretch << 32), _stretch(feed, start, count))
        left = None if left is None else left - count
        start, stretch = end, stretch + 1


def _stretch(feed: FeedOptions, start: datetime, count: int) -> RideSimulation:
    return RideSimulation(
        start=start,
        rides=count,
        rides_per_day=feed.rate * _DAY_S / busyness(start),
        anomaly_rate=feed.shares.anomalies,
        malformed_rate=feed.shares.malformed,
        late_rate=feed.shares.late,
        late_s=feed.late_s,
        duplicate_rate=feed.shares.duplicates,
        duplicate_s=feed.late_s[0],
        disorder_s=0.5,
    )


def busyness(moment: datetime) -> float:
    """Return the simulation's rides an hour at this hour of the week, 1.0 on average."""
    import numpy as np  # noqa: PLC0415 - the arrays of another room's interface

    hour = moment.astimezone(UTC).weekday() * 24 + moment.astimezone(UTC).hour
    begin, end = busy_hours(np.array([hour + 0.01, hour + 0.99]))
    return float(end - begin) / 0.98


class Feeder:
    """Sends records at a steady rate and counts them.

    Parameters
    ----------
    sender : Sender
        Where to.
    topic : str
        The domain's event topic.
    rate : float
        Records a second.
    on_send : callable
        Called with every record before it is sent.
    due_s : callable, optional
        Gives when a record is due, in seconds from the start, instead of the rate; what is due
        before the one ahead of it is sent at once.
    """

    def __init__(
        self,
        sender: Sender,
        topic: str,
        rate: float,
        on_send: Callable[[SimulatedRecord], None] = lambda _: None,
        due_s: Callable[[SimulatedRecord], float] | None = None,
    ) -> None:
        self._sender = sender
        self._topic = topic
        self._rate = rate
        self._on_send = on_send
        self.sent: int = 0
        self._due_s = due_s or (lambda _: self.sent / self._rate)
        self.counts: Counter[str] = Counter()

    def run(self, records: Iterator[SimulatedRecord], stopped: Callable[[], bool]) -> None:
        """Send until there are no more or it is stopped, then wait until all is delivered."""
        begin = time.monotonic()
        for record in records:
            if not self._wait(begin + self._due_s(record), stopped):
                break
            self._send(record)
        self._sender.flush()

    def _wait(self, due: float, stopped: Callable[[], bool]) -> bool:
        """Wait until a record is due; return whether to send it."""
        while (early_s := due - time.monotonic()) > _BURST_S and not stopped():
            self._sender.poll()
            time.sleep(min(early_s, _LOOK_S))
        return not stopped()

    def _send(self, record: SimulatedRecord) -> None:
        self._on_send(record)
        self._sender.send(self._topic, record.payload, record.key)
        self.sent += 1
        for name in _marks(record):
            self.counts[name] += 1
        if self.sent % _POLL_EVERY == 0:
            self._sender.poll()


def _marks(record: SimulatedRecord) -> Iterator[str]:
    if record.duplicate:
        yield "duplicates"
    elif record.anomaly is not None:
        yield "anomalies"
    if record.late:
        yield "late"
    if record.malformed is not None:
        yield "malformed"
