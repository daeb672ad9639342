"""What a learner has come to, as metrics."""

from eddy.streams.learning_metrics import LearningMetrics
from eddy.training.online.learner import OnlineLearner


class LearningFigures:
    """Tells the metrics about a learner, whose counts only grow.

    Parameters
    ----------
    metrics : LearningMetrics
    name : str
        The model's.
    """

    def __init__(self, metrics: LearningMetrics, name: str) -> None:
        self._metrics, self._name = metrics, name
        self._told: dict[str, int] = {}

    def go_on(self, learner: OnlineLearner) -> None:
        """Take what a learner brought from before a restart for told: counters begin at 0."""
        self._told["silent"] = learner.silent

    def tell(self, learner: OnlineLearner) -> None:
        """Take down how things stand."""
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
            metrics.labels.labels(name, outcome).inc(self._more(outcome, count))
        if learner.kept is not None:
            metrics.decisions_kept.labels(name).set(len(learner.kept))
            for reason, count in learner.kept.evicted.items():
                more = self._more(f"evicted {reason}", count)
                metrics.decisions_evicted.labels(name, reason).inc(more)

    def _more(self, what: str, count: int) -> int:
        """Return by how much a count has grown since it was last told."""
        more = count - self._told.get(what, 0)
        self._told[what] = count
        return more
