"""Restart: kill -9 under load, and the time until the next process publishes something new."""

import time

from bench.catch_up import catch_up
from bench.engine import BenchmarkedEngine, engine
from bench.listener import Listener
from bench.load import Pacer
from bench.peers.job import EXACTLY_ONCE
from bench.results import ENGINE, Result
from bench.samples import percentile
from bench.site import PARTITIONS, Site
from eddy.sandbox.processes import ProcessId, launch
from eddy.schemas.errors import MissingResource
from eddy.schemas.topics import DomainTopics

EVENTS_PER_S = 10_000
FAR_OUT_SHARE = 0.01
FILL = 400_000  # windows of 50,000 rides are full
RUN_S = (35.0, 15.0, 25.0)  # before each kill: checkpoints are written every 30 s
_WITHIN_S = 60.0


def run(site: Site) -> None:
    """Kill and start again a few times; the slowest restart counts."""
    topics = site.filled("restart", PARTITIONS, FILL)
    tested = engine(site, topics, "restart")
    pacer = Pacer(site.cluster.bootstrap, topics.events, site.rides, EVENTS_PER_S, FAR_OUT_SHARE)
    try:
        with Listener(site, topics.anomalies) as listener:
            seconds = _kills(site, tested, topics, pacer, listener)
    except MissingResource as error:
        site.fail("restart", error)
        return
    site.add(
        Result(
            case="restart",
            engine=ENGINE,
            guarantee=EXACTLY_ONCE,
            setting=f"kills={len(seconds)}",
            restart_s=max(seconds),
            p50_ms=percentile(seconds, 50) * 1e3,
        )
    )


def _kills(
    site: Site, tested: BenchmarkedEngine, topics: DomainTopics, pacer: Pacer, listener: Listener
) -> list[float]:
    log, seconds = site.log_of(tested.process), []
    process = launch(tested.process, log)
    try:
        catch_up(site, tested, topics)
        with pacer, site.bar("kill -9 and restart", len(RUN_S)) as show:
            for number, run_s in enumerate(RUN_S):
                time.sleep(run_s)
                process.kill()
                begin = time.time()
                process = launch(tested.process, log)
                seconds.append(_until_output(process, listener, begin))
                show(number + 1)
    finally:
        process.end(15.0)
    return seconds


def _until_output(process: ProcessId, listener: Listener, begin: float) -> float:
    """Return the seconds until a committed record is heard that was produced after `begin`."""
    while listener.newest_ms() <= begin * 1e3:
        if time.time() - begin > _WITHIN_S or not process.is_running():
            raise MissingResource(f"published nothing {time.time() - begin:.0f} s after a restart")
        time.sleep(0.005)
    return time.time() - begin
