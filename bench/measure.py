"""One measurement: start a program on a topic, watch it, end it, say how fast it was."""

from dataclasses import dataclass, replace
from typing import Any

from bench.engine import BenchmarkedEngine
from bench.peers.job import PeerJob
from bench.peers.peer import Peer
from bench.samples import Sample, rate
from bench.site import Site
from bench.watch import Count, Limits, counter, watch
from eddy.schemas.errors import MissingResource
from eddy.schemas.topics import DomainTopics

ENGINE_WARM_UP = 200_000
ENGINE_SECONDS = 45.0
_WARM_UP_SHARE = 0.2  # of a topic, at most
_JUDGED_SHARE = 0.99


@dataclass(frozen=True, slots=True)
class Measured:
    """The samples of one program, and what they are held against.

    Attributes
    ----------
    samples : list of Sample
    warm_up, total : int
        Events that do not count, events in the topic.
    anomalous : float
        The share of its events that the engine found anomalous; these cost more.
    """

    samples: list[Sample]
    warm_up: int
    total: int
    anomalous: float = 0.0

    def between(self, begin: int, end: int) -> "Measured":
        """Return the same run between two events."""
        return replace(self, warm_up=begin, total=end)

    def row(self) -> dict[str, Any]:
        """Return the fields of a `Result`.

        Raises
        ------
        TooShortError
            Where too little was observed.
        """
        samples = [sample for sample in self.samples if sample.events <= self.total]
        measured = rate(samples, self.warm_up, self.total)
        return {
            "events": measured.events,
            "events_per_s": measured.events_per_s,
            "cpu_us_per_event": measured.cpu_us_per_event,
            "rss_mib": measured.rss_mib,
        }


def warm_up_of(wanted: int, total: int) -> int:
    """Return how many events do not count: not more than a share of the topic."""
    return min(wanted, int(total * _WARM_UP_SHARE))


def measure_engine(site: Site, engine: BenchmarkedEngine, topics: DomainTopics) -> Measured:
    """Watch the engine work through a topic, from its first event to its last.

    Raises
    ------
    MissingResource
        When it ends by itself, does nothing, publishes nothing, or rejects what it should judge.
    """
    published = topics.forecasts or topics.anomalies
    before = sum(site.cluster.ends(published).values())
    with site.running(engine.process) as running:
        progress = site.cluster.progress(engine.group, topics.events)
        limits = Limits(progress.total, ENGINE_SECONDS)
        try:
            log = site.log_of(engine.process)
            with site.bar(engine.process.name, progress.total) as show:
                samples = watch(running, progress, limits, log, show)
        finally:
            progress.close()
        anomalous = _anomalous(engine, samples[-1].events)
    _require_output(site, published, before)
    warm_up = warm_up_of(ENGINE_WARM_UP, progress.total)
    return Measured(samples, warm_up, progress.total, anomalous)


def _anomalous(engine: BenchmarkedEngine, events: int) -> float:
    """Return the share of anomalies; raise unless what was committed was judged."""
    judged = engine.metric("eddy_events_judged_total")
    if judged < _JUDGED_SHARE * events:
        raise MissingResource(f"{events:,} events committed, but only {judged:,.0f} judged")
    return engine.metric("eddy_anomalies_total") / judged


def _require_output(site: Site, topic: str, before: int) -> None:
    if sum(site.cluster.ends(topic).values()) == before:
        raise MissingResource("it published nothing")


def measure_peer(site: Site, peer: Peer, topics: DomainTopics, number: int) -> Measured:
    """Watch a peer work through a part of a topic, in the run of this number.

    Raises
    ------
    MissingResource
        When it cannot run here, ends by itself, does nothing or publishes nothing.
    """
    job = _job(site, peer, topics, number)
    process = peer.process(job)
    before = sum(site.cluster.ends(topics.anomalies).values())
    with site.running(process) as running:
        total, count = _count(site, peer, job)
        warm_up = warm_up_of(peer.warm_up, total)
        events = min(warm_up + peer.events, total)
        with site.bar(peer.name, events) as show:
            limits = Limits(events, peer.seconds)
            samples = watch(running, count, limits, site.log_of(process), show)
    _require_output(site, topics.anomalies, before)
    return Measured(samples, warm_up, total)


def _job(site: Site, peer: Peer, topics: DomainTopics, number: int) -> PeerJob:
    name = f"{peer.name.lower().replace(' ', '-')}-{number}"
    return PeerJob(
        bootstrap=site.cluster.bootstrap,
        events=topics.events,
        anomalies=topics.anomalies,
        group=f"{site.cluster.prefix}.{name}",
        folder=str(site.new_folder(name)),
        guarantee=peer.guarantee,
    )


def _count(site: Site, peer: Peer, job: PeerJob) -> tuple[int, Count]:
    """Return how many events there are, and how to see how many are done."""
    progress = site.cluster.progress(job.group, job.events)
    return progress.total, counter(job.counter) if peer.counts_itself else progress
