"""The metrics of ``eddy learn``, declared once: Prometheus conventions, closed label sets."""

import time

from prometheus_client import CollectorRegistry, Counter, Gauge


class LearningMetrics:
    """The metrics of one learning process, in a registry of their own."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        self.decisions = Counter(
            "eddy_learning_decisions", "Decisions taken in.", ["name"], registry=registry
        )
        self.labels = Counter(
            "eddy_learning_labels",
            "Labels: `learned`; `corrected`, against an earlier verdict, and learned, too; "
            "`repeated`; `given_up`, their decision never came or is gone; `ignored`, on no "
            "event; `silent`, rows learned as genuine because nobody spoke of them.",
            ["name", "outcome"],
            registry=registry,
        )
        self.records_lost = Counter(
            "eddy_learning_records_lost",
            "Records that retention deleted before they were read; must be 0.",
            ["topic"],
            registry=registry,
        )
        self.records_refused = Counter(
            "eddy_learning_records_refused",
            "Records that are no decisions, or no labels.",
            ["topic"],
            registry=registry,
        )
        self.decisions_evicted = Counter(
            "eddy_learning_decisions_evicted",
            "Decisions that made room: of `age`, or for want of `room` (then give more with "
            "`--most-rows`).",
            ["name", "reason"],
            registry=registry,
        )
        self.decisions_kept = Gauge(
            "eddy_learning_decisions_kept",
            "Decisions that wait for their labels.",
            ["name"],
            registry=registry,
        )
        self.labels_waiting = Gauge(
            "eddy_learning_labels_waiting",
            "Labels that wait for their decision.",
            ["name"],
            registry=registry,
        )
        self.average_precision = Gauge(
            "eddy_learning_average_precision_ratio",
            "Of the newest labelled rows, each predicted before it was learned.",
            ["name"],
            registry=registry,
        )
        self.auc = Gauge(
            "eddy_learning_auc_ratio",
            "Area under the ROC curve of the same rows.",
            ["name"],
            registry=registry,
        )
        self.fraud_share = Gauge(
            "eddy_learning_fraud_share_ratio",
            "Frauds among the same rows: the average precision of a random score.",
            ["name"],
            registry=registry,
        )
        self.drift = Counter(
            "eddy_drift_detected",
            "Changes of the distribution of the `score` or of a feature.",
            ["name", "what"],
            registry=registry,
        )
        self.retrain_requests = Counter(
            "eddy_retrain_requests",
            "Retrainings asked for on the control topic.",
            ["name"],
            registry=registry,
        )
        self.versions = Counter(
            "eddy_learning_versions",
            "Versions registered: as `challenger`, or as `none`.",
            ["name", "alias"],
            registry=registry,
        )
        self.checkpoints = Counter(
            "eddy_learning_checkpoints",
            "Checkpoints `written`, `corrupt`, `incompatible` or `failed`.",
            ["outcome"],
            registry=registry,
        )
        self.last_round = Gauge(
            "eddy_learning_round_timestamp_seconds",
            "When both topics were last read to their end, or as far as one round goes.",
            registry=registry,
        )

    def went_round(self) -> None:
        """Note that the topics were read."""
        self.last_round.set(time.time())
