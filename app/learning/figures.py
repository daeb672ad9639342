"""The metrics of a learner."""

from eddy.streams.learning_metrics import LearningMetrics
from eddy.training.online.learner import OnlineLearner


class LearningFigures:
    """Publishes a learner's figures as metrics; its counts only grow.

    Parameters
    ----------
    metrics : LearningMetrics
    name : str
        The model's.
    """

    def __init__(self, metrics: LearningMetrics, name: str) -> None:
        self._metrics, self._name = metrics, name
        self._published: dict[str, int] = {}

    def resume(self, learner: OnlineLearner) -> None:
        """Leave out what a learner counted before a restart: counters begin at 0."""
        self._published["silent"] = learner.silent

    def publish(self, learner: OnlineLearner) -> None:
        """Publish the figures as they are now."""
        metrics, name, quality = self._metrics, self._name, learner.recent.quality()
        metrics.labels_waiting.labels(name).set(len(learner.label_queue))
        for gauge, key in (
            (metrics.average_precision, "average_precision"),
            (metrics.auc, "auc"),
            (metrics.fraud_share, "fraud_share"),
        ):
            if key in quality:
                gauge.labels(name).set(quality[key])
        counts = {
            **learner.label_queue.counts,
            "ignored": learner.ignored,
            "silent": learner.silent,
        }
        for outcome, count in counts.items():
            metrics.labels.labels(name, outcome).inc(self._growth(outcome, count))
        if learner.kept is not None:
            metrics.decisions_kept.labels(name).set(len(learner.kept))
            for reason, count in learner.kept.evicted.items():
                growth = self._growth(f"evicted {reason}", count)
                metrics.decisions_evicted.labels(name, reason).inc(growth)

    def _growth(self, name: str, count: int) -> int:
        """Return by how much a count has grown since it was last published."""
        growth = count - self._published.get(name, 0)
        self._published[name] = count
        return growth
