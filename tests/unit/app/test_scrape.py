import pytest
from prometheus_client import generate_latest

from eddy.app.inspect.scrape import parse, scrape
from eddy.schemas.errors import Unavailable
from eddy.streams.metrics import Metrics


def test_reads_what_the_detector_writes():
    metrics = Metrics()
    metrics.events_consumed.labels("rides").inc(12)
    metrics.events_judged.labels("rides").inc(10)
    metrics.anomalies.labels("rides", "windowed_dbscan", "critical").inc(2)
    metrics.anomalies.labels("rides", "windowed_dbscan", "info").inc()
    metrics.rejections.labels("rides", "empty").inc()
    metrics.rejections.labels("tpv", "empty").inc()
    metrics.rejections.labels("rides", "malformed_json").inc()
    metrics.consumer_lag_messages.labels("events.rides", "0").set(3)
    metrics.consumer_lag_messages.labels("events.rides", "1").set(4)
    figures = parse(generate_latest(metrics.registry).decode())
    assert (figures.consumed, figures.judged, figures.anomalies, figures.lag) == (12, 10, 3, 7)
    assert figures.rejected == {"empty": 2, "malformed_json": 1}
    assert figures.rejections == 3


def test_nobody_there_is_unavailable():
    with pytest.raises(Unavailable):
        scrape("http://127.0.0.1:1/metrics", timeout_s=0.2)


def test_a_fresh_detector_has_no_figures_yet():
    assert parse(generate_latest(Metrics().registry).decode()).judged == 0
