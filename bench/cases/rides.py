"""Rides: the engine, its portable reader and all peers on the same topic.

In rounds: whoever is done in seconds runs in several, so that what a shared machine gives or takes
for a while hits all of them, and the median of each counts.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from bench.engine import engine
from bench.measure import Measured, measure_engine, measure_peer
from bench.peers.job import EXACTLY_ONCE
from bench.peers.peer import Peer
from bench.results import ENGINE, PORTABLE, Result
from bench.samples import TooShortError
from bench.site import Site
from eddy.schemas.errors import MissingResource

ENGINE_RUNS, PORTABLE_RUNS = 5, 1


@dataclass(slots=True)
class _Contestant:
    """One line of the table.

    Attributes
    ----------
    measure : callable
        Measures once; is given the number of the run.
    rows : list of dict
        What was measured.
    """

    name: str
    guarantee: str
    runs: int
    measure: Callable[[int], Measured]
    failed: Callable[[str, Exception], None]
    rows: list[dict[str, Any]] = field(default_factory=list)


def run(site: Site, peers: Sequence[Peer]) -> None:
    """Measure events a second, processor time an event and memory of each."""
    contestants = [*_engines(site), *(_peer(site, peer) for peer in peers)]
    for number in range(max(contestant.runs for contestant in contestants)):
        for contestant in contestants:
            if number < contestant.runs:
                _measure(contestant, number)
    for contestant in contestants:
        if contestant.rows:
            site.add(_result(contestant))


def _engines(site: Site) -> Iterator[_Contestant]:
    for name, reader, runs in (
        (ENGINE, "native", ENGINE_RUNS),
        (PORTABLE, "portable", PORTABLE_RUNS),
    ):
        measure = partial(_measure_engine, site, reader)
        yield _Contestant(name, EXACTLY_ONCE, runs, measure, site.fail)


def _measure_engine(site: Site, reader: str, number: int) -> Measured:
    tested = engine(site, site.main_topics, f"{reader}-{number}", reader=reader)
    return measure_engine(site, tested, site.main_topics)


def _peer(site: Site, peer: Peer) -> _Contestant:
    measure = partial(measure_peer, site, peer, site.main_topics)
    return _Contestant(peer.name, peer.guarantee, peer.runs, measure, site.skip)


def _measure(contestant: _Contestant, number: int) -> None:
    try:
        contestant.rows.append(contestant.measure(number).row())
    except (MissingResource, TooShortError) as error:
        contestant.runs = 0  # it would only fail again
        contestant.failed(contestant.name, error)


def _result(contestant: _Contestant) -> Result:
    rows = sorted(contestant.rows, key=lambda row: row["events_per_s"])
    return Result(
        case="rides",
        engine=contestant.name,
        guarantee=contestant.guarantee,
        setting=f"median of {len(rows)}" if len(rows) > 1 else "",
        **rows[len(rows) // 2],
    )
