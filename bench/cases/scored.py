"""Scored: what it costs to publish every judged event, with and without in the same run.

In turns, so that what a shared machine gives or takes for a while hits both; the medians count.
"""

from typing import Any

from bench.engine import engine
from bench.measure import measure_engine
from bench.peers.job import EXACTLY_ONCE
from bench.results import ENGINE, Result
from bench.samples import TooShortError
from bench.site import Site
from eddy.schemas.errors import MissingResource

RUNS = 3


def run(site: Site) -> None:
    """Measure the engine on the main topic, publishing scored events and not."""
    rows: dict[bool, list[dict[str, Any]]] = {False: [], True: []}
    for number in range(RUNS):
        for publishes, measured in rows.items():
            try:
                measured.append(_measure(site, number, publishes=publishes))
            except (MissingResource, TooShortError) as error:
                site.fail(f"scored: {_name(publishes)}", error)
                return
    for publishes, measured in rows.items():
        site.add(_result(measured, _name(publishes)))


def _measure(site: Site, number: int, *, publishes: bool) -> dict[str, Any]:
    name = f"scored-{number}" if publishes else f"unscored-{number}"
    tested = engine(site, site.main_topics, name, publish_scored=publishes)
    return measure_engine(site, tested, site.main_topics).row()


def _name(publishes: bool) -> str:
    return ENGINE if publishes else f"{ENGINE}, anomalies alone"


def _result(rows: list[dict[str, Any]], name: str) -> Result:
    middle = sorted(rows, key=lambda row: row["events_per_s"])[len(rows) // 2]
    return Result(
        case="scored",
        engine=name,
        guarantee=EXACTLY_ONCE,
        setting=f"median of {len(rows)}",
        **middle,
    )
