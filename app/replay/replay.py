"""A replay: load, judge, account for every record, compare.

The judging is the engine's own, exactly once, under a consumer group of its own: a replay that
was killed goes on where it was, and its outputs equal those of one that was not.
"""

import hashlib
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from eddy.app import wiring
from eddy.app.domains.row import DomainRow
from eddy.app.instance_lock import only_instance
from eddy.app.replay.offsets import offsets
from eddy.app.resolution import topics_of
from eddy.app.settings import Settings
from eddy.schemas.anomalies import Anomaly
from eddy.schemas.errors import Mismatch
from eddy.streams import topics as kafka_topics
from eddy.streams.config import Route
from eddy.streams.metrics import Metrics
from eddy.streams.reading import TopicReader
from eddy.streams.sender import Sender

Place = tuple[int, int]


class _Source(msgspec.Struct):
    partition: int
    offset: int


class _Scored(msgspec.Struct):
    score: float | None
    source: _Source


_scored_decoder = msgspec.json.Decoder(_Scored)
_anomaly_decoder = msgspec.json.Decoder(Anomaly)


class ReplaySummary(msgspec.Struct, kw_only=True):
    """What a replay did.

    Attributes
    ----------
    digest : str
        sha256 over the score of every event, every rejection and every anomaly id: equal for
        equal replays.
    only_live, only_replay, changed : int
        Anomalies that the live stream has and the replay has not, the other way round, and those
        with another score; a topic's replay only.
    """

    name: str
    source: str
    records: int
    judged: int
    rejected: int
    reasons: dict[str, int]
    anomalies: int
    digest: str
    compared: bool = False
    only_live: int = 0
    only_replay: int = 0
    changed: int = 0
    problems: list[str] = []

    def encode(self) -> bytes:
        """Return the summary as JSON."""
        return msgspec.json.encode(self)

    def rows(self) -> Iterator[tuple[str, str]]:
        """Yield what to show to people."""
        yield "source", self.source
        yield "records", f"{self.records:,}"
        yield "judged", f"{self.judged:,}"
        yield "rejected", f"{self.rejected:,}"
        for reason, count in sorted(self.reasons.items()):
            yield f"  {reason}", f"{count:,}"
        yield "anomalies", f"{self.anomalies:,}"
        yield "digest", self.digest[:16]
        if self.compared:
            yield "only live", f"{self.only_live:,}"
            yield "only in the replay", f"{self.only_replay:,}"
            yield "other score", f"{self.changed:,}"


class Replay:
    """One named replay in the side namespace ``replay.<name>``."""

    def __init__(self, settings: Settings, row: DomainRow, name: str, console: Console) -> None:
        self._row, domain = row, row.domain
        self._name = name
        self._console = console
        self._side = topics_of(domain, f"replay.{name}")
        group = f"replay.{name}"
        engine = replace(settings.engine, group=group, instance_id=name, publish_scored=True)
        self._settings = settings.model_copy(
            update={
                "engine": engine,
                "health": replace(settings.health, port=0),
                "domains": {domain.name: settings.domains.get(domain.name, {})},
            }
        )
        self._live = wiring.topics(settings, domain)
        self._connection = settings.kafka

    def forget(self) -> None:
        """Delete the side namespace and the progress of an earlier replay."""
        names = [name for name in msgspec.structs.astuple(self._side) if isinstance(name, str)]
        kafka_topics.delete(self._connection, names, [self._settings.engine.group])

    def file(self, path: Path) -> ReplaySummary:
        """Replay a file: its rows become records of a side topic, in order, one partition.

        Raises
        ------
        ConfigError
            There is no reader of files of this domain.
        """
        records = self._row.file_reader()(path)
        self._create(1)
        rows = self._load(records)
        reader = TopicReader(self._connection)
        _, high = reader.ranges(self._side.events)[0]
        reader.close()
        if high != rows:
            raise Mismatch(
                f"{self._side.events} holds {high} records, {path} has {rows} rows: "
                "the name was used for another file; choose another --name, or --fresh"
            )
        route = Route(self._side, source=path.name, stop={0: high})
        self._judge(route)
        return self._account(path.name, {(0, row) for row in range(high)})

    def topic(
        self, topic: str, start: str | None, stop: str | None, compare: bool
    ) -> ReplaySummary:
        """Replay a range of a topic as of now."""
        reader = TopicReader(self._connection)
        ranges = reader.ranges(topic)
        first = offsets(reader, topic, start)
        last = offsets(reader, topic, stop)
        reader.close()
        begin = {n: max(first.get(n, low), low) for n, (low, _) in ranges.items()}
        until = {n: min(last.get(n, high), high) for n, (_, high) in ranges.items()}
        self._create(len(ranges))
        side = msgspec.structs.replace(self._side, events=topic)
        self._judge(Route(side, start=begin, stop=until))
        reader = TopicReader(self._connection)
        expected = {(r.partition, r.offset) for r in reader.read(topic, begin, until)}
        reader.close()
        summary = self._account(topic, expected)
        if compare and topic == self._live.events:
            self._compare(summary, begin, until)
        return summary

    # -- steps --------------------------------------------------------------------------------

    def _create(self, partitions: int) -> None:
        specs = kafka_topics.specs([self._side], partitions, side_topics=False)
        shared = kafka_topics.specs([], partitions)
        kafka_topics.create(self._connection, [*specs, *shared])

    def _load(self, chunks: Iterator[list[bytes]]) -> int:
        """Send the rows that are not yet there; the offset of a row is its number."""
        reader = TopicReader(self._connection)
        _, done = reader.ranges(self._side.events)[0]
        reader.close()
        sender, rows = Sender(self._connection), 0
        with self._progress() as progress:
            task = progress.add_task("load", total=None)
            for chunk in chunks:
                for record in chunk[max(0, done - rows) :]:
                    sender.send(self._side.events, record, partition=0)
                rows += len(chunk)
                sender.poll()
                progress.update(task, completed=rows)
            sender.flush()
        return rows

    def _judge(self, route: Route) -> None:
        from eddy.streams.process import run  # noqa: PLC0415 - faust takes a second to import

        metrics = Metrics()
        process = wiring.wire(
            self._settings,
            metrics,
            routes={self._row.name: route},
            reload=False,
            until_done=True,
        )
        with only_instance(self._settings), self._progress() as progress:
            total = sum(route.stop.values()) - sum(route.start.values())
            task = progress.add_task("judge", total=total)
            judged = metrics.events_consumed.labels(self._row.name)
            with _showing(progress, task, judged._value.get):
                run(process, metrics)

    def _account(self, source: str, expected: set[Place]) -> ReplaySummary:
        """Hold what came out against what went in, record by record."""
        reader = TopicReader(self._connection)
        scores = self._scored(reader)
        rejected = self._rejected(reader)
        anomalies = _anomalies(reader, self._side.anomalies)
        reader.close()
        summary = ReplaySummary(
            name=self._name,
            source=source,
            records=len(expected),
            judged=len(scores),
            rejected=len(rejected),
            reasons=dict(Counter(rejected.values())),
            anomalies=len(anomalies),
            digest=_digest(scores, rejected, {id_: a.score for id_, a in anomalies.items()}),
        )
        both = scores.keys() & rejected.keys()
        lost = expected - scores.keys() - rejected.keys()
        extra = (scores.keys() | rejected.keys()) - expected
        for count, what in (
            (len(lost), "records neither judged nor rejected"),
            (len(both), "records both judged and rejected"),
            (len(extra), "outputs of records that were not asked for"),
        ):
            if count:
                summary.problems.append(f"{count} {what}")
        return summary

    def _scored(self, reader: TopicReader) -> dict[Place, float | None]:
        scores: dict[Place, float | None] = {}
        for record in reader.read(self._side.scored):
            scored = _scored_decoder.decode(record.value or b"")
            place = (scored.source.partition, scored.source.offset)
            if place in scores:
                raise Mismatch(f"{self._side.scored}: {place} was judged twice")
            scores[place] = scored.score
        return scores

    def _rejected(self, reader: TopicReader) -> dict[Place, str]:
        return {
            (int(r.headers["partition"]), int(r.headers["offset"])): r.headers["reason"].decode()
            for r in reader.read(self._side.rejections)
        }

    def _compare(
        self, summary: ReplaySummary, begin: dict[int, int], until: dict[int, int]
    ) -> None:
        reader = TopicReader(self._connection)
        mine = _anomalies(reader, self._side.anomalies)
        live = {
            id_: anomaly
            for id_, anomaly in _anomalies(reader, self._live.anomalies).items()
            if begin.get(anomaly.source.partition, 0)
            <= anomaly.source.offset
            < until.get(anomaly.source.partition, 0)
        }
        reader.close()
        summary.compared = True
        summary.only_live = len(live.keys() - mine.keys())
        summary.only_replay = len(mine.keys() - live.keys())
        summary.changed = sum(
            1 for id_ in mine.keys() & live.keys() if mine[id_].score != live[id_].score
        )
        differences = summary.only_live + summary.only_replay + summary.changed
        if differences:
            summary.problems.append(f"{differences} differences to what was published live")

    def _progress(self) -> Progress:
        return Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
        )


@contextmanager
def _showing(progress: Progress, task: TaskID, count: Callable[[], float]) -> Iterator[None]:
    done = threading.Event()

    def show() -> None:
        while not done.wait(0.2):
            progress.update(task, completed=count())

    thread = threading.Thread(target=show, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _anomalies(reader: TopicReader, topic: str) -> dict[str, Anomaly]:
    decoded = (_anomaly_decoder.decode(record.value or b"") for record in reader.read(topic))
    return {anomaly.anomaly_id: anomaly for anomaly in decoded}


def _digest(*parts: dict[Any, Any]) -> str:
    content = [sorted(part.items()) for part in parts]
    return hashlib.sha256(msgspec.json.encode(content)).hexdigest()
