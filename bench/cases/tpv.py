"""Payments: many merchants' intervals, how fast, how much memory, and the way back from kill -9."""

import time

from bench import load
from bench.catch_up import catch_up
from bench.engine import BenchmarkedEngine, tpv_engine
from bench.measure import measure_engine, measure_peer
from bench.payments import payments
from bench.peers.job import EXACTLY_ONCE
from bench.peers.plain_sums import PEER
from bench.results import ENGINE, Result
from bench.samples import TooShortError
from bench.site import PARTITIONS, Site
from bench.usage import usage
from eddy.sandbox.processes import launch
from eddy.schemas.errors import MissingResource
from eddy.schemas.topics import DomainTopics

MERCHANTS, MANY_MERCHANTS = 100_000, 1_000_000
MANY_EVENTS = 2_500_000
DAYS = 1.25  # so that a day of intervals is closed and the next one is forecast
_READY_WITHIN_S = 180.0
_CHECKPOINTS_WITHIN_S = 45.0  # one and a half of their intervals


def run(site: Site, events: int) -> None:
    """Measure 100,000 merchants' throughput, and the state of a million."""
    try:
        few = _throughput(site, events)
        _million(site, few)
    except (MissingResource, TooShortError) as error:
        site.fail("tpv", error)


def _filled(site: Site, name: str, merchants: int, count: int) -> DomainTopics:
    topics = site.cluster.make(name, PARTITIONS, "tpv")
    with site.bar(f"filling {topics.events}", count) as show:
        load.send(site.cluster.bootstrap, topics.events, payments(merchants, count, DAYS), show)
    return topics


def _throughput(site: Site, events: int) -> float:
    """Return the memory of the engine, in MiB."""
    topics = _filled(site, "tpv", MERCHANTS, events)
    row = measure_engine(site, tpv_engine(site, topics, "tpv"), topics).row()
    setting = f"merchants={MERCHANTS}"
    site.add(Result(case="tpv", engine=ENGINE, guarantee=EXACTLY_ONCE, setting=setting, **row))
    _peer(site, topics, setting)
    return float(row["rss_mib"])


def _peer(site: Site, topics: DomainTopics, setting: str) -> None:
    try:
        row = measure_peer(site, PEER, topics, 0).row()
    except (MissingResource, TooShortError) as error:
        site.skip(PEER.name, error)
        return
    site.add(Result(case="tpv", engine=PEER.name, guarantee=PEER.guarantee, setting=setting, **row))


def _million(site: Site, few_mib: float) -> None:
    """Hold a million merchants, then kill -9 and wait until all is there again."""
    topics = _filled(site, "tpv-million", MANY_MERCHANTS, MANY_EVENTS)
    tested = tpv_engine(site, topics, "tpv-million")
    log = site.log_of(tested.process)
    process = launch(tested.process, log)
    try:
        catch_up(site, tested, topics)
        merchants = tested.metric("eddy_entities_tracked")
        rss_mib = usage(process.pid).rss_mib
        _wait_for_checkpoints(tested)
        process.kill()
        begin = time.monotonic()
        process = launch(tested.process, log)
        _wait_until_whole(tested, merchants)
        restart_s = time.monotonic() - begin
    finally:
        process.end(30.0)
    site.add(
        Result(
            case="tpv",
            engine=ENGINE,
            guarantee=EXACTLY_ONCE,
            setting=f"merchants={MANY_MERCHANTS}",
            restart_s=restart_s,
            rss_mib=rss_mib,
            bytes_per_entity=(rss_mib - few_mib) * 2**20 / (merchants - MERCHANTS),
        )
    )


def _wait_for_checkpoints(tested: BenchmarkedEngine) -> None:
    before = tested.metric("eddy_checkpoints_total")
    end = time.monotonic() + _CHECKPOINTS_WITHIN_S
    while tested.metric("eddy_checkpoints_total") < before + PARTITIONS:
        if time.monotonic() > end:
            return  # all were written before
        time.sleep(0.5)


def _wait_until_whole(tested: BenchmarkedEngine, merchants: float) -> None:
    end = time.monotonic() + _READY_WITHIN_S
    while time.monotonic() < end:
        try:
            if tested.metric("eddy_entities_tracked") >= merchants:
                return
        except MissingResource:
            pass  # not up yet
        time.sleep(0.05)
    raise MissingResource(f"not restored within {_READY_WITHIN_S:.0f} s")
