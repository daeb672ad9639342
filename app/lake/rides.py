"""The daily job over rides: the stream's judge over a day of the lake, its results put away."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from eddy.app import wiring
from eddy.app.domains import domain
from eddy.app.settings import Settings
from eddy.lake import catalog as catalogs
from eddy.lake.day_rewriting import rewrite_day
from eddy.lake.days import Day
from eddy.lake.outages import named_outages
from eddy.lake.rides.clustering import ClusteringSummary, cluster
from eddy.lake.rides.published_day import Outcome, folder_of, publish
from eddy.lake.rides.reading import read
from eddy.lake.store import Folder, filesystem, object_path
from eddy.lake.tables import clusters, history
from eddy.models.detectors.dbscan.windowed import WindowedDbscan
from eddy.models.domain import Domain
from eddy.models.judge import Identity, Judge, Model

EXPORTS = "exports"
"""The default folder of results in the warehouse's bucket."""


class RidesDay(msgspec.Struct, kw_only=True):
    """The outcome of a run for one day.

    Attributes
    ----------
    summary : ClusteringSummary
    table, files : str
        ``written``, or ``kept`` where the same was there.
    url : str
        The folder of the files.
    """

    summary: ClusteringSummary
    table: Outcome
    files: Outcome
    url: str


@dataclass(frozen=True, slots=True)
class RidesProgress:
    """Progress callbacks of a run, called with the number of further rows."""

    read: Callable[[int], None] = lambda _: None
    judged: Callable[[int], None] = lambda _: None


class RidesJob:
    """Judges days of rides by the champion and the settings of now.

    Idempotent by date: over the same history, model and settings a second run writes nothing. The
    table's day is replaced in one commit; for the files see `eddy.lake.rides.published_day`.

    Parameters
    ----------
    settings : Settings
    prefix : str, optional
        ``s3://BUCKET/PREFIX`` under which ``json/rides/dt=.../`` stands.
    """

    def __init__(self, settings: Settings, prefix: str | None = None) -> None:
        self._config = settings.lake
        self._domain: Domain = domain("rides")
        self._policy: Any = wiring.policy(settings, self._domain)
        self._hash = wiring.config_hash(settings, self._domain)
        self._model: Model = wiring.champion(settings, self._domain)
        url = prefix or f"s3://{self._config.bucket}/{EXPORTS}"
        self._folder = Folder(filesystem(self._config), object_path(url))

    def run(
        self, days: Sequence[Day], on_progress: RidesProgress | None = None
    ) -> Iterator[RidesDay]:
        """Judge days one after the other; what is done stays done.

        Raises
        ------
        MissingResource
            A table does not exist.
        Unavailable
            The catalog or the store does not answer, or others write the same day.
        """
        catalog = catalogs.open_catalog(self._config)
        source = history(self._domain.name, self._domain.event_type)
        target = clusters(self._domain.name)
        with named_outages(target.name):
            catalogs.load(catalog, self._config, target)  # before the work, not after it
        for day in days:
            with named_outages(f"{source.name}, {day}"):
                rides = catalogs.load(catalog, self._config, source)
                done = self._day(day, rides, catalog, on_progress or RidesProgress())
            yield done

    def _day(self, day: Day, rides: Any, catalog: Any, on_progress: RidesProgress) -> RidesDay:
        reach = self._judge("", 0).history + 1  # with one more the judge knows that it is complete
        rides_of_day = read(rides, day, reach, on_progress.read)
        summary = self._summary(day)
        anomalies = cluster(day, rides_of_day, self._judge, summary, on_progress.judged)
        target = clusters(self._domain.name)
        folder = folder_of(self._folder, day)
        return RidesDay(
            summary=summary,
            table=rewrite_day(catalog, self._config, target, day, anomalies),
            files=publish(folder, anomalies, summary),
            url=folder.url,
        )

    def _judge(self, topic: str, partition: int) -> Judge:
        identity = Identity(topic, partition, self._hash)
        return self._domain.build_judge(self._policy, self._model, identity)

    def _summary(self, day: Day) -> ClusteringSummary:
        return ClusteringSummary(
            day=str(day),
            detector=WindowedDbscan.name,
            model=self._model.ref,
            config_hash=self._hash,
        )
