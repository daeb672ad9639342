"""Growth: events a second with more events, more partitions, larger windows."""

from bench.engine import engine
from bench.measure import Measured, measure_engine
from bench.model import WINDOW
from bench.peers.job import EXACTLY_ONCE
from bench.results import ENGINE, Result
from bench.samples import TooShortError
from bench.site import PARTITIONS, Site
from eddy.schemas.errors import MissingResource
from eddy.schemas.topics import DomainTopics

FEW_EVENTS = 1_000_000
MANY_EVENTS = 10_000_000
SPAN = 1_000_000
SMALL_TOPIC = 1_000_000
PARTITION_COUNTS = (1, 4, 8, 16)
WINDOWS = (1_000, 10_000, 100_000)


def run(site: Site, long: bool) -> None:
    """Measure each, the rest as in the case rides.

    Parameters
    ----------
    long : bool
        Go up to ten million events.
    """
    _events(site, long)
    for partitions in PARTITION_COUNTS:
        topics = site.filled(f"growth-{partitions}", partitions, SMALL_TOPIC)
        _measure_setting(site, topics, f"partitions={partitions}", WINDOW)
    for window in WINDOWS:
        _measure_setting(site, site.main_topics, f"window={window}", window)


def _events(site: Site, long: bool) -> None:
    """Measure around the first million and at the end of one run, so that only the number differs.

    Windows are full by then: before, fewer rides have neighbours, and more must be published.
    """
    topics = site.filled("growth-long", PARTITIONS, MANY_EVENTS) if long else site.main_topics
    measured = _measured(site, topics, "events", WINDOW)
    if measured is None:
        return
    for mark, end in ((FEW_EVENTS, FEW_EVENTS + SPAN // 2), (measured.total, measured.total)):
        if end <= measured.total:
            _add(site, measured.between(end - SPAN, end), f"events={mark}")


def _measure_setting(site: Site, topics: DomainTopics, setting: str, window: int) -> None:
    measured = _measured(site, topics, setting, window)
    if measured is not None:
        _add(site, measured, f"{setting}, {measured.anomalous:.1%} anomalous")


def _measured(site: Site, topics: DomainTopics, setting: str, window: int) -> Measured | None:
    name = f"growth-{setting.replace('=', '-')}"
    try:
        return measure_engine(site, engine(site, topics, name, window=window), topics)
    except MissingResource as error:
        site.fail(f"growth, {setting}", error)
        return None


def _add(site: Site, measured: Measured, setting: str) -> None:
    try:
        row = measured.row()
    except TooShortError as error:
        site.fail(f"growth, {setting}", error)
        return
    site.add(Result(case="growth", engine=ENGINE, guarantee=EXACTLY_ONCE, setting=setting, **row))
