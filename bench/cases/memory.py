"""Memory: what the engine holds when its windows are full and nothing is left to do."""

import time

from bench.catch_up import catch_up
from bench.engine import engine
from bench.model import WINDOW
from bench.peers.job import EXACTLY_ONCE
from bench.results import ENGINE, Result
from bench.site import Site
from bench.usage import usage
from eddy.schemas.errors import MissingResource

REST_S = 5.0


def run(site: Site) -> None:
    """Measure the resident set after the whole topic, at rest."""
    topics = site.main_topics
    tested = engine(site, topics, "memory")
    try:
        with site.running(tested.process) as running:
            catch_up(site, tested, topics)
            time.sleep(REST_S)
            at_rest = usage(running.pid)
    except MissingResource as error:
        site.fail("memory", error)
        return
    site.add(
        Result(
            case="memory",
            engine=ENGINE,
            guarantee=EXACTLY_ONCE,
            setting=f"window={WINDOW}",
            rss_mib=at_rest.rss_mib,
        )
    )
