"""Things to show."""

from datetime import UTC, datetime
from typing import Any

from eddy.schemas.anomalies import Anomaly, Entity, ModelRef, Reason, Source

THEN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def anomaly(**changes: Any) -> Anomaly:
    fields: dict[str, Any] = {
        "anomaly_id": "4c11a0e2-1111-5222-8333-444455556666",
        "domain": "rides",
        "detector": "windowed_dbscan",
        "event_id": "7-123",
        "entity": Entity("zone", "74"),
        "occurred_at": THEN,
        "detected_at": THEN,
        "score": 14.2,
        "severity": "critical",
        "confidence": 0.9,
        "actual": {"distance_km": 2.3, "duration_s": 45_210.0},
        "expected": {"distance_km": 2.1, "duration_s": 640.0},
        "lower": {"distance_km": 1.2, "duration_s": 300.0},
        "upper": {"distance_km": 3.4, "duration_s": 2_100.0},
        "reasons": [
            Reason("distance_km", 2.3, 2.1, -0.3),
            Reason("duration_s", 45_210.0, 640.0, 12.9),
        ],
        "labels": ["late"],
        "model": ModelRef("rides", "3", "ab" * 32, THEN),
        "config_hash": "0123456789abcdef",
        "source": Source("events.rides", 1, 1234),
    }
    return Anomaly(**{**fields, **changes})
