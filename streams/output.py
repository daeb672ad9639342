"""What a judged run turns into: anomalies, rejections and, where asked for, every scored event."""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from operator import attrgetter
from typing import cast

import msgspec

from eddy.models.judge import Counts, Deciding, Forecasting, Verdicts
from eddy.schemas.rejections import Rejection
from eddy.schemas.scored_records import JudgedEvents, scored_records
from eddy.schemas.spans import Spans
from eddy.streams.lane import Lane
from eddy.streams.metrics import Metrics
from eddy.streams.partition import JudgedRun
from eddy.streams.publisher import Publisher

_encode = msgspec.json.Encoder().encode
_labels = attrgetter("domain", "detector", "severity")
_ROLES = ("champion", "challenger")


class Output:
    """Publishes into the open transaction and counts what it publishes.

    Parameters
    ----------
    publisher : Publisher
        Has a transaction open whenever a method is called.
    clock : callable
        Gives the time that becomes `detected_at`.
    publish_scored : bool
        Also publish every judged event with its score.
    """

    def __init__(
        self,
        publisher: Publisher,
        metrics: Metrics,
        clock: Callable[[], datetime],
        *,
        publish_scored: bool,
    ) -> None:
        self._publisher = publisher
        self._metrics = metrics
        self._clock = clock
        self._publish_scored = publish_scored
        self._shadowed: dict[str, tuple[tuple[str, str], Counter[str]]] = {}
        self._counters = {
            "late": metrics.late_events,
            "untracked": metrics.untracked_events,
            "evicted": metrics.evicted_entities,
            "suppressed": metrics.suppressed,
            "shadow": metrics.shadow_events,
        }

    def judged(self, judged: JudgedRun) -> None:
        """Publish all that judging a run brought; before its batch is released."""
        self.verdicts(judged.lane, judged.verdicts)
        if judged.rejections:
            self._rejections(judged.lane, judged.rejections)
        if self._publish_scored:
            self._scored(judged)

    def verdicts(self, lane: Lane, verdicts: Verdicts) -> None:
        """Publish anomalies, and forecasts and decisions where there are any."""
        self._anomalies(lane, verdicts)
        for (kind, name), count in verdicts.counts.items():
            if kind in _ROLES:
                self._metrics.scores.labels(lane.domain.name, kind, name).inc(count)
            else:
                self._counters[kind].labels(lane.domain.name, name).inc(count)
        if ("shadow", "agree") in verdicts.counts:
            self._disagreement(lane, verdicts.counts)
        topic = lane.route.topics.forecasts
        if topic is not None and lane.domain.forecasts:
            for forecast in cast("Forecasting", verdicts).forecasts():
                self._publisher.produce(topic, _encode(forecast), forecast.key.encode())
        topic = lane.route.topics.decisions
        if topic is not None and lane.domain.is_labelled:
            for record in cast("Deciding", verdicts).decisions():
                self._publisher.produce(topic, record, None)

    def _disagreement(self, lane: Lane, counts: Counts) -> None:
        if lane.challenger is None:  # gone since this was judged
            return
        name = lane.challenger.ref.name
        pair = lane.model.ref.sha256, lane.challenger.ref.sha256
        before, seen = self._shadowed.get(name, (pair, Counter()))
        if before != pair:
            seen = Counter()
        self._shadowed[name] = pair, seen
        seen.update({outcome: n for (kind, outcome), n in counts.items() if kind == "shadow"})
        if not seen.total():
            return
        self._metrics.shadow_disagreement.labels(name).set(seen["disagree"] / seen.total())

    def _anomalies(self, lane: Lane, verdicts: Verdicts) -> None:
        if not len(verdicts.flagged):
            return
        topic = lane.route.topics.anomalies
        anomalies = verdicts.anomalies(range(len(verdicts.flagged)), self._clock())
        for anomaly in anomalies:
            self._publisher.produce(topic, _encode(anomaly), anomaly.entity.id.encode())
        for labels, count in Counter(map(_labels, anomalies)).items():
            self._metrics.anomalies.labels(*labels).inc(count)

    def _rejections(self, lane: Lane, rejections: Sequence[Rejection]) -> None:
        """Publish bad records under their own key, with the reason as headers; see `Rejection`."""
        topic = lane.route.topics.rejections
        for rejection in rejections:
            headers = [
                ("reason", rejection.reason.encode()),
                ("detail", rejection.detail.encode()),
                ("topic", rejection.topic.encode()),
                ("partition", b"%d" % rejection.partition),
                ("offset", b"%d" % rejection.offset),
                ("trace", rejection.trace.encode()),
            ]
            self._publisher.produce(topic, rejection.payload, rejection.key, headers)
            self._metrics.rejections.labels(lane.domain.name, rejection.reason).inc()

    def _scored(self, judged: JudgedRun) -> None:
        """Publish every judged event with its score, see `eddy.schemas.scored_records`."""
        lane, run, rows = judged.lane, judged.run.run, judged.valid_rows
        records, events = judged.run.records, judged.events
        scored = JudgedEvents(
            Spans(records, records.addresses[rows], records.lengths[rows]),
            events.offsets,
            events.occurred_at,
            judged.verdicts.scores,
            judged.verdicts.flagged,
            events.event,
        )
        topic = lane.route.source or run.topic
        values = scored_records(scored, lane.model.ref, topic, run.partition)
        self._publisher.produce_many(lane.route.topics.scored, values, records.keys(rows))
