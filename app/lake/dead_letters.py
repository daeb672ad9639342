"""Taking a connector past a record that fails it: nothing is lost, and nobody has to lend a hand.

The connector's own offset may stand well before that record: what it had read since its last
commit went with the task that failed. So all records from there to the bad one are dealt with
here, and some behind it, because bad records seldom come alone: those that are rows are written to
the tables, the others are copied, with the reason, to the connector's dead-letter topic, and only
then does the connector go on behind them. A crash in between has it done again: a copy or a row
may be there twice, and none is missing.
"""

from collections.abc import Iterator
from itertools import islice

import structlog

from eddy.app.settings import Settings
from eddy.lake.sink import repair
from eddy.lake.sink.connect import ConnectClient
from eddy.lake.sink.connectors import Connector
from eddy.lake.sink.failed_record import RecordPosition
from eddy.lake.sink.repair import CheckedRecords
from eddy.lake.sink.rows import Delivered
from eddy.streams.reading import TopicReader, TopicRecord
from eddy.streams.sender import Sender
from eddy.streams.topics import DEAD_LETTER_BYTES

log = structlog.get_logger()

_AT_ONCE = 20_000
_BEHIND = 1_000
# Connect's own names, so that the topic has one form, whoever wrote to it.
ORIGIN = "__connect.errors."


class DeadLetterHandler:
    """Moves connectors on.

    Parameters
    ----------
    client : ConnectClient
        Of the cluster that runs them.
    """

    def __init__(self, settings: Settings, client: ConnectClient) -> None:
        self._settings = settings
        self._client = client

    def move_on(self, connector: Connector, place: RecordPosition, cause: str) -> int:
        """Take a connector past a record, told what its task said; return how many were set aside.

        Raises
        ------
        Unavailable, MissingResource
            Where the worker, the broker, the catalog or the store does not do its part: then the
            connector goes on where it was.
        """
        copied = 0
        self._client.stop(connector.name)
        try:
            while (begin := self._begin(connector, place)) <= place.offset:
                records, end = self._read(place, begin)
                copied += self._deal_with(connector, records, place, cause)
                self._client.alter_offset(connector.name, place.topic, place.partition, end)
        finally:
            self._client.resume(connector.name)
        return copied

    def _begin(self, connector: Connector, place: RecordPosition) -> int:
        """Return where the connector would go on: 0 where it has committed nothing."""
        return self._client.offsets(connector.name).get((place.topic, place.partition), 0)

    def _read(self, place: RecordPosition, begin: int) -> tuple[list[TopicRecord], int]:
        """Return the next records of the partition, and the offset behind them."""
        reader = TopicReader(self._settings.kafka)
        try:
            elsewhere = {n: high for n, (_, high) in reader.ranges(place.topic).items()}
            start = elsewhere | {place.partition: begin}
            # of the others nothing, however they grow meanwhile
            stop = elsewhere | {place.partition: place.offset + 1 + _BEHIND}
            records_read = reader.read(place.topic, start, stop)
            of_partition = (
                record for record in records_read if record.partition == place.partition
            )
            records = list(islice(of_partition, _AT_ONCE))
        finally:
            reader.close()
        end = records[-1].offset + 1 if records else begin
        # up to the place there is nothing else: aborted records are none
        return records, end if len(records) == _AT_ONCE else max(end, place.offset + 1)

    def _deal_with(
        self, connector: Connector, records: list[TopicRecord], place: RecordPosition, cause: str
    ) -> int:
        by_place = {record.offset: record for record in records}
        judged = repair.judge(connector, [delivered(record) for record in records])
        self._copy(connector, list(_reasoned(judged, by_place, place, cause)))
        repair.append(self._settings.lake, connector, judged.good)
        log.warning(
            "connector_moved_on",
            connector=connector.name,
            topic=place.topic,
            partition=place.partition,
            offset=place.offset,
            rows_written=len(judged.good),
            set_aside=len(judged.bad),
        )
        return len(judged.bad)

    def _copy(self, connector: Connector, bad: list[tuple[TopicRecord, str]]) -> None:
        """Copy records to the dead-letter topic; returns when the brokers have them."""
        if not bad:
            return
        sender = Sender(self._settings.kafka, acks="all", message_max_bytes=DEAD_LETTER_BYTES)
        for record, why in bad:
            origin = {
                "topic": record.topic,
                "partition": str(record.partition),
                "offset": str(record.offset),
                "connector.name": connector.name,
                "stage": "EDDY_WATCHDOG",
                "exception.message": why,
            }
            headers: list[tuple[str, str | bytes | None]] = [*record.headers.items()]
            headers += [(ORIGIN + name, text.encode()) for name, text in origin.items()]
            sender.send(connector.dead_letters, record.value, record.key, headers=headers)
        sender.flush()


def _reasoned(
    judged: CheckedRecords, records: dict[int, TopicRecord], place: RecordPosition, cause: str
) -> Iterator[tuple[TopicRecord, str]]:
    for record, error in judged.bad:
        why = f"{error}; {cause}" if record.offset == place.offset else str(error)
        yield records[record.offset], why


def delivered(record: TopicRecord) -> Delivered:
    """Return a record as the lake takes it."""
    return Delivered(
        record.topic,
        record.partition,
        record.offset,
        record.timestamp_ms,
        record.value,
        record.headers,
    )
