"""Rides: the engine, its portable reader and all peers, one after the other on the same topic."""

from collections.abc import Sequence
from typing import Any

from bench.engine import engine
from bench.measure import measure_engine, measure_peer
from bench.peers.job import EXACTLY_ONCE
from bench.peers.peer import Peer
from bench.results import ENGINE, PORTABLE, Result
from bench.samples import TooShortError
from bench.site import Site
from schemas.errors import MissingResource

READERS = {ENGINE: "native", PORTABLE: "portable"}
RUNS = {ENGINE: 3, PORTABLE: 1}
"""How often each is measured: the engine is done in seconds, and one run tells little."""


def run(site: Site, peers: Sequence[Peer]) -> None:
    """Measure events a second, processor time an event and memory of each."""
    for name in READERS:
        _run_engine(site, name)
    for peer in peers:
        _run_peer(site, peer)


def _run_engine(site: Site, name: str) -> None:
    try:
        rows = [_engine_row(site, READERS[name], number) for number in range(RUNS[name])]
    except (MissingResource, TooShortError) as error:
        site.fail(name, error)
        return
    setting = f"median of {len(rows)}" if len(rows) > 1 else ""
    row = sorted(rows, key=lambda row: row["events_per_s"])[len(rows) // 2]
    site.add(Result(case="rides", engine=name, guarantee=EXACTLY_ONCE, setting=setting, **row))


def _engine_row(site: Site, reader: str, number: int) -> dict[str, Any]:
    tested = engine(site, site.main_topics, f"{reader}-{number}", reader=reader)
    return measure_engine(site, tested, site.main_topics).row()


def _run_peer(site: Site, peer: Peer) -> None:
    topics = site.main_topics
    try:
        row = measure_peer(site, peer, topics).row()
    except (MissingResource, TooShortError) as error:
        site.skip(peer.name, error)
        return
    site.add(Result(case="rides", engine=peer.name, guarantee=peer.guarantee, **row))
