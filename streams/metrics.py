"""Every metric, declared once: Prometheus conventions, base units, closed label sets."""

import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_LATENCY = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5, 10, 60)
_SCORING = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5)
_TRANSACTION = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5)


class Metrics:
    """The metrics of one process, in a registry of their own."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        self.events_consumed = Counter(
            "eddy_events_consumed", "Records read live, good or bad.", ["domain"], registry=registry
        )
        self.events_judged = Counter(
            "eddy_events_judged", "Valid events judged live.", ["domain"], registry=registry
        )
        self.events_replayed = Counter(
            "eddy_events_replayed",
            "Events judged again without output, to rebuild state.",
            ["domain"],
            registry=registry,
        )
        self.events_lost = Counter(
            "eddy_events_lost",
            "Records that retention deleted before they were read; must be 0.",
            ["domain"],
            registry=registry,
        )
        self.rejections = Counter(
            "eddy_rejections", "Records set aside.", ["domain", "reason"], registry=registry
        )
        self.anomalies = Counter(
            "eddy_anomalies",
            "Anomalies published.",
            ["domain", "detector", "severity"],
            registry=registry,
        )
        self.consumer_lag_messages = Gauge(
            "eddy_consumer_lag_messages",
            "Messages behind the end of the partition.",
            ["topic", "partition"],
            registry=registry,
        )
        self.consumer_lag_seconds = Gauge(
            "eddy_consumer_lag_seconds",
            "Age of the last record processed, 0 when there is no lag.",
            ["topic"],
            registry=registry,
        )
        self.watermark = Gauge(
            "eddy_watermark_timestamp_seconds",
            "Latest event time seen.",
            ["domain"],
            registry=registry,
        )
        self.last_progress = Gauge(
            "eddy_last_progress_timestamp_seconds",
            "When events were last committed, or the end of the log was last reached.",
            registry=registry,
        )
        self.end_to_end_latency = Histogram(
            "eddy_end_to_end_latency_seconds",
            "Record timestamp to committed, oldest record of each transaction.",
            ["domain"],
            buckets=_LATENCY,
            registry=registry,
        )
        self.scoring = Histogram(
            "eddy_scoring_seconds",
            "Judging one run of a batch.",
            ["domain"],
            buckets=_SCORING,
            registry=registry,
        )
        self.transaction = Histogram(
            "eddy_transaction_seconds",
            "Committing one transaction.",
            buckets=_TRANSACTION,
            registry=registry,
        )
        self.model_info = Gauge(
            "eddy_model_info",
            "1 for the model in use.",
            ["name", "version", "sha256"],
            registry=registry,
        )
        self.model_age = Gauge(
            "eddy_model_age_seconds",
            "Seconds since the model in use was trained.",
            ["name"],
            registry=registry,
        )
        self.model_reloads = Counter(
            "eddy_model_reloads",
            "Looks at the registry that found something new: `reloaded` or `refused`.",
            ["name", "outcome"],
            registry=registry,
        )
        self.forecast_error = Gauge(
            "eddy_forecast_error_ratio",
            "Absolute errors over volume, one interval ahead, of the `baseline` and of a "
            "`network` beside it, over the same intervals since the model was taken up.",
            ["domain", "forecaster"],
            registry=registry,
        )
        self.entities_tracked = Gauge(
            "eddy_entities_tracked", "Rows or entities held.", ["domain"], registry=registry
        )
        self.state_bytes = Gauge(
            "eddy_state_bytes", "Size of the last checkpoints.", ["domain"], registry=registry
        )
        self.checkpoints = Counter(
            "eddy_checkpoints",
            "Checkpoints `written`, `found`, `missing`, `corrupt`, `incompatible`, "
            "`unavailable` or `failed`.",
            ["outcome"],
            registry=registry,
        )
        self.restore = Histogram(
            "eddy_restore_seconds",
            "Assignment of a partition until it goes live.",
            ["domain"],
            buckets=(0.1, 0.5, 1, 2.5, 5, 10, 30, 120),
            registry=registry,
        )
        self.late_events = Counter(
            "eddy_late_events",
            "Events of intervals that were closed: `revised` one, or `dropped`, too late for "
            "any; transactions later than `lateness_s`, whose features are `incomplete`; "
            "labels that came after they should have counted: `label`.",
            ["domain", "outcome"],
            registry=registry,
        )
        self.untracked_events = Counter(
            "eddy_untracked_events",
            "Events of entities without room: `pooled` in their segment, or `dropped`.",
            ["domain", "outcome"],
            registry=registry,
        )
        self.evicted_entities = Counter(
            "eddy_evicted_entities",
            "Entities that had to make room; of transactions `card`, `terminal`, single "
            "events of theirs (`card_event`, `terminal_event`) and `label`.",
            ["domain", "reason"],
            registry=registry,
        )
        self.suppressed = Counter(
            "eddy_suppressed",
            "Alarms of intervals, as they closed, that a `snooze` or a `calendar` held back "
            "or marked.",
            ["domain", "reason"],
            registry=registry,
        )
        self.scores = Counter(
            "eddy_scores",
            'Scores of the `champion` and the `challenger` by class; above `upto="1"` they '
            "are anomalies.",
            ["domain", "role", "upto"],
            registry=registry,
        )
        self.shadow_events = Counter(
            "eddy_shadow_events",
            "Events on which champion and challenger `agree` or `disagree`.",
            ["domain", "outcome"],
            registry=registry,
        )
        self.shadow_disagreement = Gauge(
            "eddy_shadow_disagreement_ratio",
            "Share of events on which champion and challenger disagree, since this challenger was "
            "taken up.",
            ["name"],
            registry=registry,
        )
        self.labels = Counter(
            "eddy_labels",
            "Labels learned: frauds `found` and `missed`, others a `false_alarm` or `passed`, "
            "by the champion and by the challenger.",
            ["domain", "role", "outcome"],
            registry=registry,
        )
        self.label_cost = Counter(
            "eddy_label_cost",
            "What missed frauds and false alarms cost, by the policy's prices.",
            ["domain", "role"],
            registry=registry,
        )
        self.alert_precision = Gauge(
            "eddy_alert_precision_ratio",
            "Share of labelled alarms that were right, since the start.",
            ["domain"],
            registry=registry,
        )
        self.feedback = Counter(
            "eddy_feedback",
            "Labels read, by verdict; `refused` are none, `unresolved` name no event, `lost` "
            "were deleted before they were read.",
            ["verdict"],
            registry=registry,
        )
        self.config_reloaded = Gauge(
            "eddy_config_last_reload_successful",
            "1 while the settings in the file are those in use.",
            registry=registry,
        )
        self.config_reloaded.set(1)
        self.rebalances = Counter(
            "eddy_rebalances", "Changes of the assignment.", registry=registry
        )
        self.recoveries = Counter(
            "eddy_recoveries",
            "Aborted transactions after which state was rebuilt.",
            registry=registry,
        )

    def progressed(self) -> None:
        """Note that the process did what it is for."""
        self.last_progress.set(time.time())
