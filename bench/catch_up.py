"""Waiting for an engine to have done everything there is."""

import time

from bench.engine import BenchmarkedEngine
from bench.site import Site
from eddy.schemas.errors import MissingResource
from eddy.schemas.topics import DomainTopics

_WITHIN_S = 120.0


def catch_up(site: Site, engine: BenchmarkedEngine, topics: DomainTopics) -> None:
    """Wait until the engine has committed all events of its topic.

    Raises
    ------
    MissingResource
        When that takes too long.
    """
    progress = site.cluster.progress(engine.group, topics.events)
    deadline = time.monotonic() + _WITHIN_S
    try:
        with site.bar(f"{engine.process.name}: catching up", progress.total) as show:
            while (done := progress()) < progress.total:
                show(done)
                if time.monotonic() > deadline:
                    raise MissingResource(f"did {done:,} of {progress.total:,} in {_WITHIN_S} s")
                time.sleep(0.1)
    finally:
        progress.close()
