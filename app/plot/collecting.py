"""What the topics hold of one merchant: payments, forecasts, anomalies."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TypeVar

import msgspec
import numpy as np

from eddy.app import wiring
from eddy.app.domains import domain
from eddy.app.plot.picture import SPAN, Picture, View, picture
from eddy.app.settings import Settings
from eddy.schemas.anomalies import Anomaly
from eddy.schemas.decoding import Decoder, buffers, hash_text
from eddy.schemas.errors import MissingResource
from eddy.schemas.forecasts import Forecast
from eddy.schemas.payments import Payment
from eddy.streams.reading import TopicReader, TopicRecord

ProgressCallback = Callable[[int], None]
"""Called with how many more records were read."""

_BATCH = 8_000
_Kind = TypeVar("_Kind", Forecast, Anomaly)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class MerchantPayments:
    """A merchant's valid payments, and how far the payments beside them reach.

    Parameters
    ----------
    merchant : str
    max_skew_s : float
        As the stream has it: what the detector rejects does not count here either.
    """

    def __init__(self, merchant: str, max_skew_s: float) -> None:
        self.payments: list[Payment] = []
        self._merchant = merchant
        self._decoder = Decoder(Payment, max_skew_s)
        self._key = np.uint64(hash_text(merchant))
        self._column = self._decoder.program.keys.index("merchant_id")
        self._latest_us: dict[int, int] = {}
        self._partitions: set[int] = set()

    def add(self, records: Sequence[TopicRecord]) -> None:
        """Take in records of any partitions."""
        payloads = [record.value for record in records]
        kept, addresses, lengths = buffers(payloads)
        times_ms = [record.timestamp_ms for record in records]
        columns = self._decoder.decode(addresses, lengths, times_ms).columns
        del kept  # the addresses point into it
        mine = columns.valid & (columns.keys[:, self._column] == self._key)
        for row in np.flatnonzero(mine).tolist():
            payment = self._decoder.reread(payloads[row] or b"")
            if payment.merchant_id == self._merchant:  # two names may have the same hash
                self.payments.append(payment)
                self._partitions.add(records[row].partition)
        partitions = np.array([record.partition for record in records])
        for number in np.unique(partitions[columns.valid]).tolist():
            latest = int(columns.occurred_at[columns.valid & (partitions == number)].max())
            self._latest_us[number] = max(latest, self._latest_us.get(number, latest))

    @property
    def seen_until(self) -> datetime:
        """The latest event time in the partitions that hold the merchant's payments.

        Raises
        ------
        MissingResource
            Where there are none.
        """
        if not self.payments:
            raise MissingResource(
                f"{self._merchant}: no payment of this merchant among those read; give an earlier "
                "--from, or see with `eddy tail --domain tpv` whom there is"
            )
        latest_us = max(self._latest_us[number] for number in self._partitions)
        return _EPOCH + timedelta(microseconds=latest_us)


class PlotQuery(msgspec.Struct, frozen=True, kw_only=True):
    """What to read.

    Attributes
    ----------
    start, stop : datetime, optional
        Event times to show, see `eddy.app.plot.picture.View`.
    partition : int, optional
        The only one of the payments' topic to read; all where not given, for whoever produced
        them chose the partition.
    """

    start: datetime | None = None
    stop: datetime | None = None
    partition: int | None = None


def collect(
    settings: Settings,
    merchant: str,
    frame: PlotQuery,
    on_progress: ProgressCallback = lambda _: None,
) -> Picture:
    """Read the topics of domain ``tpv`` and put a merchant's picture together.

    Raises
    ------
    MissingResource
        A topic does not exist, or there is no payment of the merchant in the range.
    ConfigError
        The domain's policy is not valid.
    """
    tpv = domain("tpv")
    topics = wiring.topics(settings, tpv)
    assert topics.forecasts is not None
    policy = wiring.policy(settings, tpv)
    view = View(
        interval_s=policy.interval_s,
        timezone=policy.timezone,
        coverage=wiring.champion(settings, tpv).parameters.coverage,
        start=frame.start,
        stop=frame.stop,
    )
    payments = MerchantPayments(merchant, settings.engine.max_skew_s)
    reader = TopicReader(settings.kafka)
    try:
        for batch in _batches(_payments(reader, topics.events, frame, settings)):
            payments.add(batch)
            on_progress(len(batch))
        seen_until = payments.seen_until
        # a segment of the same name, whose merchants are judged together, is another one
        forecasts = [
            forecast
            for forecast in _of(reader, topics.forecasts, merchant, Forecast)
            if forecast.entity_type == "merchant"
        ]
        anomalies = [
            anomaly
            for anomaly in _of(reader, topics.anomalies, merchant, Anomaly)
            if anomaly.entity.type == "merchant"
        ]
    finally:
        reader.close()
    return picture(merchant, payments.payments, seen_until, forecasts, anomalies, view)


def _payments(
    reader: TopicReader, topic: str, frame: PlotQuery, settings: Settings
) -> Iterator[TopicRecord]:
    """Yield the records that may hold payments of the range.

    A payment comes no earlier than the allowed skew before its time, and however late after it.
    Where no time is given, the range ends with the last payment, which is not known before.
    """
    start = dict.fromkeys(reader.ranges(topic), 0)
    begin = frame.start or (frame.stop and frame.stop - SPAN)
    if begin is not None:
        # an interval may have begun a day before
        earliest = begin - timedelta(days=1, seconds=settings.engine.max_skew_s)
        start = reader.offsets_at(topic, max(0, round(earliest.timestamp() * 1e3)))
    if frame.partition is None:
        return reader.read(topic, start)
    if frame.partition not in start:
        raise MissingResource(f"--partition {frame.partition}: {topic} has {len(start)}")
    return reader.read(topic, start, {n: 0 for n in start if n != frame.partition})


def _of(reader: TopicReader, topic: str, merchant: str, kind: type[_Kind]) -> Iterator[_Kind]:
    """Yield a merchant's records of a topic of ours, which its id keys."""
    key = merchant.encode()
    decoder = msgspec.json.Decoder(kind)
    for record in reader.read(topic):
        if record.key == key and record.value is not None:
            yield decoder.decode(record.value)


def _batches(records: Iterable[TopicRecord]) -> Iterator[Sequence[TopicRecord]]:
    records = iter(records)
    while batch := list(islice(records, _BATCH)):
        yield batch
