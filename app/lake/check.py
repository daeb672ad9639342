"""The check of the lake: topics against tables, by ids, and what is wrong in words."""

import time
from collections.abc import Callable, Iterator
from itertools import islice

import msgspec

from eddy.app.lake.connectors import connectors
from eddy.app.lake.dead_letters import ORIGIN, delivered
from eddy.app.settings import Settings
from eddy.lake import catalog as catalogs
from eddy.lake.sink.comparison import OffsetRange, TableComparison, TableVerdict
from eddy.lake.sink.connectors import Connector
from eddy.streams import seeding
from eddy.streams.reading import TopicReader, TopicRecord

_AT_ONCE = 20_000
_POLL_S = 2.0
_GRACE_S = 120.0

Progress = Callable[[str, int, int], None]
"""Told the topic, how many offsets are done, and how many there are."""


class LakeVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """How the whole lake compares with its topics.

    Attributes
    ----------
    is_compacted : bool
        Whether the tables had to be free of duplicates.
    """

    is_compacted: bool
    seconds: float
    tables: list[TableVerdict]

    @property
    def missing(self) -> int:
        """Of all tables."""
        return sum(table.missing for table in self.tables)

    @property
    def duplicates(self) -> int:
        """Rows that compaction would drop because they say what another row says."""
        return sum(table.duplicates for table in self.tables)

    def problems(self) -> list[str]:
        """Return what is wrong, a line each; nothing where all is well.

        Pending is wrong too: what is looked at had its time to arrive. A sink that stands still
        has nothing missing, and nothing but that.
        """
        return self._problems(is_late_wrong=True)

    def differences(self) -> list[str]:
        """Return what is wrong and does not pass by waiting, a line each."""
        return self._problems(is_late_wrong=False)

    def _problems(self, *, is_late_wrong: bool) -> list[str]:
        problems = []
        for table in self.tables:
            counts = {"missing": table.missing, "extra": table.extra}
            if is_late_wrong:
                counts |= {"pending": table.pending}
            if self.is_compacted:
                counts |= {"duplicate": max(table.duplicates, table.doubled)}
            detail = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
            if detail:
                problems.append(f"{table.table}: {detail} ({'; '.join(table.examples)})")
        return problems


def grace_of(settings: Settings) -> float:
    """Return how many seconds a record may be under way: a commit's interval and a minute."""
    return max(_GRACE_S, settings.lake.commit_interval_s + 60.0)


def check(
    settings: Settings,
    *,
    grace_s: float,
    since_s: float | None = None,
    is_compacted: bool = False,
    patience_s: float = 20.0,
    progress: Progress = lambda *_: None,
) -> LakeVerdict:
    """Compare every table that the sink feeds with its topic.

    Parameters
    ----------
    grace_s : float
        Records younger than that are on their way and not looked at.
    since_s : float, optional
        Only records of the last so many seconds; by default all that the topics still hold.
    is_compacted : bool
        Whether a duplicate is wrong: it is after compaction, and none before.
    patience_s : float
        How long a missing row is looked for: the sink commits offsets first, then rows.
    progress : callable
        Told how far it is.

    Raises
    ------
    MissingResource
        Where a topic or a table does not exist, or no broker answers.
    Unavailable
        Where the catalog does not answer.
    """
    began = time.monotonic()
    now_ms = round(time.time() * 1e3)
    since_ms = None if since_s is None else now_ms - round(since_s * 1e3)
    tables = []
    for connector in connectors(settings):
        check = _ConnectorCheck(settings, connector, patience_s, progress)
        tables += check.compare(since_ms, now_ms - round(grace_s * 1e3))
    return LakeVerdict(
        is_compacted=is_compacted, seconds=round(time.monotonic() - began, 3), tables=tables
    )


class _ConnectorCheck:
    """One connector, its topics and its tables."""

    def __init__(
        self, settings: Settings, connector: Connector, patience_s: float, progress: Progress
    ) -> None:
        self._settings = settings
        self._patience_s = patience_s
        self._connector = connector
        self._progress = progress
        self._reader = TopicReader(settings.kafka)

    def compare(self, since_ms: int | None, until_ms: int) -> list[TableVerdict]:
        """Return how its tables compare with records of a range of time."""
        try:
            with TableComparison() as comparison:
                offset_ranges = self._offset_ranges(since_ms, until_ms)
                self._read(comparison, offset_ranges)
                comparison.add_aside(list(self._aside()))
                # what retention took away meanwhile is asked of nobody
                comparison.set_ranges(
                    [self._retained(offset_range) for offset_range in offset_ranges]
                )
                return self._compare(comparison)
        finally:
            self._reader.close()

    def _compare(self, comparison: TableComparison) -> list[TableVerdict]:
        lake = self._settings.lake
        catalog = catalogs.open_catalog(lake)
        end = time.monotonic() + self._patience_s
        verdicts = []
        for spec in self._connector.tables:
            verdict = comparison.compare(spec, catalogs.load(catalog, lake, spec))
            # offsets are committed a moment before the rows, which a store may hold up
            while verdict.missing and time.monotonic() < end:
                time.sleep(_POLL_S)
                verdict = comparison.compare(spec, catalogs.load(catalog, lake, spec))
            verdicts.append(verdict)
        return verdicts

    def _offset_ranges(self, since_ms: int | None, until_ms: int) -> list[OffsetRange]:
        offset_ranges = []
        for topic in self._connector.topics:
            ends = self._reader.offsets_at(topic, until_ms)
            ranges = self._reader.ranges(topic)
            begins = {n: low for n, (low, _) in ranges.items()}
            if since_ms is not None:
                begins |= self._reader.offsets_at(topic, since_ms)
            # asked before the tables are read: they hold at least that
            done = seeding.committed(self._settings.kafka, self._connector.group, topic)
            offset_ranges += [
                OffsetRange(topic, n, begins[n], max(begins[n], ends[n]), done.get(n, 0))
                for n in ranges
            ]
        return offset_ranges

    def _retained(self, offset_range: OffsetRange) -> OffsetRange:
        low, _ = self._reader.ranges(offset_range.topic)[offset_range.partition]
        return offset_range._replace(begin=max(low, offset_range.begin))

    def _read(self, comparison: TableComparison, offset_ranges: list[OffsetRange]) -> None:
        kind = self._connector.tables[0].kind
        for topic in self._connector.topics:
            ranges = [r for r in offset_ranges if r.topic == topic]
            total, done = sum(r.end - r.begin for r in ranges), 0
            records = self._reader.read(
                topic,
                {r.partition: r.begin for r in ranges},
                {r.partition: r.end for r in ranges},
            )
            while batch := list(islice(records, _AT_ONCE)):
                comparison.add_records([delivered(record) for record in batch], kind)
                done += len(batch)
                self._progress(topic, done, total)
            self._progress(topic, total, total)

    def _aside(self) -> Iterator[tuple[str, int, int]]:
        """Return what the dead-letter topic says to have taken."""
        for record in self._reader.read(self._connector.dead_letters):
            place = _origin(record)
            if place is not None:
                yield place


def _origin(record: TopicRecord) -> tuple[str, int, int] | None:
    try:
        topic, partition, offset = (
            record.headers[ORIGIN + name].decode() for name in ("topic", "partition", "offset")
        )
        return topic, int(partition), int(offset)
    except (KeyError, ValueError):
        return None
