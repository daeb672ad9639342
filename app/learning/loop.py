"""Learning beside the stream: decisions and labels are read, challengers come of them.

A process of its own: the stream neither waits for it nor depends on it. It reads both topics from
where its checkpoint says and commits nothing; the checkpoint holds how far it has read and what it
has learned, in one piece, so that no label is learned twice and none is left out, wherever it is
killed. A version may be registered once more after a crash: registering the same content again is
noticed, and changes nothing. It never makes a champion.
"""

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import msgspec
import structlog

from eddy.app import wiring
from eddy.app.learning.checkpoints import LearningCheckpoints, LearningProgress, Positions
from eddy.app.learning.figures import LearningFigures
from eddy.app.learning.options import LearningOptions
from eddy.app.promotion.challenger_registration import register_challenger
from eddy.app.retraining.requests import RetrainRequests
from eddy.app.settings import Settings
from eddy.models.artefact import encode_parameters
from eddy.models.domains.transactions.domain import DOMAIN
from eddy.schemas import decisions as decision_records
from eddy.schemas.errors import MissingResource, ModelRefused, Unavailable
from eddy.schemas.labels import Label
from eddy.schemas.topics import CONTROL, LABELS, domain_topics
from eddy.streams.health import HealthServer, ProbeResult
from eddy.streams.learning_metrics import LearningMetrics
from eddy.streams.reading import TopicReader, TopicRecord
from eddy.streams.retries import OUTAGE_LIMIT_S
from eddy.streams.topics import check
from eddy.training.online.drift import Drift
from eddy.training.online.learner import OnlineLearner

log = structlog.get_logger()

_DECISION_RECORDS, _LABEL_RECORDS = 256, 20_000
"""In one round at most: some 90 MB, and some seconds of learning."""
_AT_ONCE = 32
_ROUND_S = 1.0
_ALIVE_WITHIN_S = 120.0


class LearningLoop:
    """Learns until stopped.

    Parameters
    ----------
    settings : Settings
    options : LearningOptions

    Raises
    ------
    MissingResource
        A topic or the broker is not there.
    """

    def __init__(self, settings: Settings, options: LearningOptions) -> None:
        self.metrics = LearningMetrics()
        self.learner = OnlineLearner(options.learner)
        self._settings, self._options = settings, options
        self._decisions = decisions_topic(settings)
        needed = [self._decisions, LABELS]
        check(settings.kafka, [*needed, CONTROL] if options.requests_retraining else needed)
        self._checkpoints = LearningCheckpoints(settings, self._decisions, options.learner)
        self._readers = {
            self._decisions: TopicReader(settings.kafka, batch=_AT_ONCE),
            LABELS: TopicReader(settings.kafka),
        }
        self._requests = RetrainRequests(settings.kafka, DOMAIN.name, options.cooldown_s)
        self._positions: Positions = {self._decisions: {}, LABELS: {}}
        self._registered_rows = 0
        self._registered_at = self._written_at = self._round_at = time.monotonic()
        self._figures = LearningFigures(self.metrics, DOMAIN.name)
        self._stopped = threading.Event()
        self._ready = self._write_soon = False

    def stop(self) -> None:
        """Let `run` return soon, with a checkpoint."""
        self._stopped.set()

    def run(self) -> None:
        """Learn until `stop`, or with `once` until both topics end.

        Raises
        ------
        MissingResource
            The broker did not answer for a quarter of an hour.
        """
        health = self._settings.health
        server = HealthServer(
            self.metrics.registry,
            self._live,
            lambda: ProbeResult(self._ready, ""),
            health.host,
            health.port,
        )
        log.info("learning", name=DOMAIN.name, port=server.port)
        try:
            self._restore()
            self._ready = True
            self._go_round()
        finally:
            server.close()
            for reader in self._readers.values():
                reader.close()

    def _go_round(self) -> None:
        while not self._stopped.is_set():
            try:
                moved = self._round()
            except (MissingResource, Unavailable) as error:
                if time.monotonic() - self._round_at > OUTAGE_LIMIT_S:
                    raise
                log.warning("not_read", why=str(error))
                moved = False
            else:
                self._round_at = time.monotonic()
                self.metrics.went_round()
                if self._options.once and not moved:
                    break
            self._register_if_due()
            self._write_if_due()
            if not moved:
                self._stopped.wait(_ROUND_S)
        self._register_if_due(at_end=self._options.once)
        self._write()

    def _round(self) -> bool:
        """Read on and learn; return whether there was anything."""
        moved = False
        for record in self._read(self._decisions, _DECISION_RECORDS):
            moved = True
            self._handle_drifts(self._decided(record))
        labels, read = list[Label](), 0
        try:
            for record in self._read(LABELS, _LABEL_RECORDS):
                read += 1
                labels += self._label(record)
        finally:  # what was read is behind us, even where no more can be read now
            self.learner.labelled(labels)
        self.learner.learn(all_labels_read=read < _LABEL_RECORDS)
        moved = moved or read > 0
        self._figures.publish(self.learner)
        return moved

    def _read(self, topic: str, most: int) -> Iterator[TopicRecord]:
        """Yield records from where was read to; a position moves with its record."""
        positions = self._positions[topic]
        reader = self._readers[topic]
        for partition, (low, high) in reader.ranges(topic).items():
            before = positions.setdefault(partition, low)
            if not low <= before <= high:
                # deleted by retention; or the topic itself, and made again
                log.error("records_lost", topic=topic, partition=partition, wanted=before, now=low)
                self.metrics.records_lost.labels(topic).inc(max(0, low - before))
                positions[partition] = low
        for count, record in enumerate(reader.read(topic, positions), 1):
            yield record
            positions[record.partition] = record.offset + 1
            if count == most or self._stopped.is_set():
                break

    def _decided(self, record: TopicRecord) -> list[Drift]:
        try:
            decisions = decision_records.decode(record.value or b"")
        except ValueError as error:
            self._refuse(record, error)
            return []
        self.metrics.decisions.labels(DOMAIN.name).inc(len(decisions))
        return self.learner.decided(decisions, record.partition, record.offset)

    def _label(self, record: TopicRecord) -> list[Label]:
        try:
            return [msgspec.json.decode(record.value or b"", type=Label)]
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            self._refuse(record, error)
            return []

    def _refuse(self, record: TopicRecord, error: Exception) -> None:
        self.metrics.records_refused.labels(record.topic).inc()
        place = f"{record.topic}-{record.partition}-{record.offset}"
        # the message of a decoder may quote the record
        log.warning("record_refused", place=place, why=type(error).__name__)

    # -- what comes of it -----------------------------------------------------------------------

    def _handle_drifts(self, drifts: Sequence[Drift]) -> None:
        for drift in drifts:
            self.metrics.drift.labels(DOMAIN.name, drift.what).inc()
            log.warning(
                "drift", name=DOMAIN.name, what=drift.what, before=drift.before, after=drift.after
            )
        if (
            drifts
            and self._options.requests_retraining
            and self._requests.ask(drifts, datetime.now(UTC))
        ):
            self.metrics.retrain_requests.labels(DOMAIN.name).inc()
            # so that it is not sent again after a crash; now positions and learner differ
            self._write_soon = True

    def _register_if_due(self, at_end: bool = False) -> None:
        new = self.learner.rows - self._registered_rows
        waited = time.monotonic() - self._registered_at >= self._options.register_s
        due = new >= self._options.register_rows or (new > 0 and (waited or at_end))
        if not due or not self.learner.is_ready:
            return
        try:
            registration = register_challenger(
                wiring.registry(self._settings),
                DOMAIN.name,
                encode_parameters(self.learner.parameters()),
                self.learner,
                as_challenger=self._options.challenger,
                now=datetime.now(UTC),
            )
        except (ModelRefused, Unavailable, MissingResource) as error:
            log.warning("not_registered", name=DOMAIN.name, why=str(error))
        else:
            alias = "challenger" if registration.is_challenger else "none"
            self.metrics.versions.labels(DOMAIN.name, alias).inc()
            log.info("registered", name=DOMAIN.name, version=registration.version, alias=alias)
            self._registered_rows = self.learner.rows
            self._write()
        self._registered_at = time.monotonic()

    def _live(self) -> ProbeResult:
        quiet_s = time.monotonic() - self._round_at
        return ProbeResult(quiet_s < _ALIVE_WITHIN_S, f"went round {quiet_s:.0f} s ago")

    # -- the checkpoint -------------------------------------------------------------------------

    def _write_if_due(self) -> None:
        waited_s = time.monotonic() - self._written_at
        if self._write_soon or waited_s >= self._settings.engine.checkpoint_interval_s:
            self._write()

    def _write(self) -> None:
        kept = self.learner.kept
        outcome = self._checkpoints.write(
            LearningProgress(
                positions=self._positions,
                kept_from=kept.oldest_records() if kept is not None else {},
                registered_rows=self._registered_rows,
                requested_at=self._requests.asked_at,
                learner=self.learner.snapshot(),
            ),
            datetime.now(UTC),
        )
        self.metrics.checkpoints.labels(outcome).inc()
        self._written_at = time.monotonic()
        self._write_soon = False

    def _restore(self) -> None:
        progress, refused = self._checkpoints.newest()
        for why in refused:
            self.metrics.checkpoints.labels(why).inc()
        if progress is None:
            log.info("learning_from_the_beginning", name=DOMAIN.name)
            return
        self._positions = progress.positions
        self._registered_rows = progress.registered_rows
        self._requests.asked_at = progress.requested_at
        self.learner.restore(progress.learner)
        self._figures.resume(self.learner)
        self._remember(progress.kept_from)
        log.info("learning_goes_on", name=DOMAIN.name, rows=self.learner.rows)

    def _remember(self, kept_from: dict[int, int]) -> None:
        """Read again the decisions that were kept; the checkpoint has only where they stand."""
        until = self._positions[self._decisions]
        start = {partition: kept_from.get(partition, end) for partition, end in until.items()}
        for record in self._readers[self._decisions].read(self._decisions, start, until):
            try:
                decisions = decision_records.decode(record.value or b"")
            except ValueError:
                continue  # it was refused when it was first read
            self.learner.remember(decisions, record.partition, record.offset)
        if self.learner.kept is not None:
            self.learner.kept.evicted.clear()


def decisions_topic(settings: Settings) -> str:
    """Return the name of the topic of decisions."""
    name = domain_topics(DOMAIN.name, settings.topic_prefix, decisions=True).decisions
    assert name is not None
    return name


def own_lock(settings: Settings) -> Settings:
    """Return the settings whose lock is the learner's: it may run beside a detector."""
    engine = replace(
        settings.engine, group=f"{settings.engine.group}.learn", instance_id=DOMAIN.name
    )
    return settings.model_copy(update={"engine": engine})
