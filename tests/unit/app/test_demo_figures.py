import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from prometheus_client import generate_latest

from eddy.app.demo.snapshot import figures_by_domain
from eddy.schemas.errors import Unavailable
from eddy.streams.metrics import Metrics


@pytest.fixture
def served():
    """Serve a detector's metrics for one request."""
    metrics = Metrics()
    for domain, judged in (("rides", 10), ("tpv", 7)):
        metrics.events_judged.labels(domain).inc(judged)
        metrics.rejections.labels(domain, "empty").inc(judged - 5)
        metrics.anomalies.labels(domain, "any", "info").inc(judged + 1)
        metrics.consumer_lag_messages.labels(f"events.{domain}", "0").set(judged * 2)
        metrics.consumer_lag_messages.labels(f"events.{domain}", "1").set(1)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(generate_latest(metrics.registry))

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/metrics"
    server.shutdown()
    thread.join()
    server.server_close()


def test_domains_are_told_apart(served):
    figures = figures_by_domain(served, ["rides", "tpv", "other"])
    rides, payments = figures["rides"], figures["tpv"]
    assert (rides.judged, rides.anomalies, rides.lag, rides.rejected) == (10, 11, 21, {"empty": 5})
    assert (payments.judged, payments.anomalies, payments.lag) == (7, 8, 15)
    assert payments.rejected == {"empty": 2}
    assert figures["other"].judged == 0


def test_nobody_there_is_unavailable():
    with pytest.raises(Unavailable):
        figures_by_domain("http://127.0.0.1:1/metrics", ["rides"], timeout_s=0.2)
