"""Latency at a steady pace: from a producer's call to a read_committed consumer's hands.

Far-out rides carry the moment they were produced; each of them is an anomaly, so that each is
seen at the other end. The producer's own batching (5 ms) is part of the way.
"""

import time

from bench.catch_up import catch_up
from bench.engine import engine
from bench.listener import Listener
from bench.load import Pacer
from bench.peers.job import EXACTLY_ONCE
from bench.results import ENGINE, Result
from bench.samples import percentile
from bench.site import PARTITIONS, Site
from bench.usage import usage
from eddy.schemas.errors import MissingResource

EVENTS_PER_S = 5_000
FAR_OUT_SHARE = 0.02
WARM_UP_S = 5.0
MEASURE_S = 25.0
FILL = 400_000  # windows are full before the first measured event


def run(site: Site) -> None:
    """Measure p50 and p99, and the processor time an event costs at this pace."""
    topics = site.filled("latency", PARTITIONS, FILL)
    tested = engine(site, topics, "latency")
    pacer = Pacer(site.cluster.bootstrap, topics.events, site.rides, EVENTS_PER_S, FAR_OUT_SHARE)
    try:
        with site.running(tested.process) as running, Listener(site, topics.anomalies) as listener:
            catch_up(site, tested, topics)
            with pacer:
                _wait(site, "warming up", WARM_UP_S)
                listener.forget()
                before, sent = usage(running.pid), pacer.sent
                _wait(site, f"{EVENTS_PER_S:,} events/s", MEASURE_S)
                after, events = usage(running.pid), pacer.sent - sent
                latencies = listener.latencies_ms()
    except MissingResource as error:
        site.fail("latency", error)
        return
    if not latencies:
        site.fail("latency", "no far-out ride came out as an anomaly")
        return
    site.add(
        Result(
            case="latency",
            engine=ENGINE,
            guarantee=EXACTLY_ONCE,
            setting=f"events/s={EVENTS_PER_S}",
            events=len(latencies),
            cpu_us_per_event=(after.cpu_s - before.cpu_s) / events * 1e6,
            p50_ms=percentile(latencies, 50),
            p99_ms=percentile(latencies, 99),
            rss_mib=after.rss_mib,
        )
    )


def _wait(site: Site, title: str, seconds: float) -> None:
    """Wait, with a bar that tells how long still."""
    begin = time.monotonic()
    with site.bar(title, int(seconds)) as show:
        while (passed := time.monotonic() - begin) < seconds:
            show(int(passed))
            time.sleep(0.2)
