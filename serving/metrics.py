"""Every metric of the prediction service, declared once."""

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from eddy.schemas.anomalies import ModelRef

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)
_ROWS = (1, 10, 100, 1_000, 10_000, 100_000)


class ServingMetrics:
    """The metrics of one service, in a registry of their own."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        self.requests = Counter(
            "eddy_serving_requests",
            "Requests answered; `other` is every path there is not, `disconnected` a client "
            "that did not wait.",
            ["route", "status"],
            registry=registry,
        )
        self.request_seconds = Histogram(
            "eddy_serving_request_seconds",
            "From the request's headers to the answer's last byte.",
            ["route"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.in_flight = Gauge(
            "eddy_serving_requests_in_flight",
            "Requests being answered, this one too.",
            registry=registry,
        )
        self.predictions = Counter(
            "eddy_serving_predictions",
            "Rows scored: `inlier` or `outlier`.",
            ["name", "verdict"],
            registry=registry,
        )
        self.batch_rows = Histogram(
            "eddy_serving_batch_rows", "Rows of a batch.", buckets=_ROWS, registry=registry
        )
        self.model_info = Gauge(
            "eddy_serving_model_info",
            "1 for the model in use.",
            ["name", "version", "sha256"],
            registry=registry,
        )
        self.model_trained = Gauge(
            "eddy_serving_model_trained_timestamp_seconds",
            "When the model in use was trained.",
            ["name"],
            registry=registry,
        )
        self.model_reloads = Counter(
            "eddy_serving_model_reloads",
            "Looks at the registry that found something new: `reloaded` or `refused`.",
            ["name", "outcome"],
            registry=registry,
        )

    def show(self, before: ModelRef | None, now: ModelRef) -> None:
        """Note which model is in use now, and which no longer."""
        if before is not None:
            self.model_info.remove(before.name, before.version, before.sha256)
        self.model_info.labels(now.name, now.version, now.sha256).set(1)
        if now.trained_at is not None:
            self.model_trained.labels(now.name).set(now.trained_at.timestamp())

    def judged(self, name: str, are_inliers: Sequence[bool]) -> None:
        """Count scored rows."""
        inliers = sum(are_inliers)
        self.predictions.labels(name, "inlier").inc(inliers)
        self.predictions.labels(name, "outlier").inc(len(are_inliers) - inliers)
