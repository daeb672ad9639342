"""Compaction of the whole lake: which tables, which days, what is added and what is swept away."""

import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from eddy.app import wiring
from eddy.app.domains import domain
from eddy.app.lake.tables import every_table, named
from eddy.app.settings import Settings
from eddy.lake import catalog as catalogs
from eddy.lake.compaction.commits import Load
from eddy.lake.compaction.compactor import LOOK_AROUND_DAYS, Compactor
from eddy.lake.compaction.expiry import ORPHAN_AGE, SNAPSHOT_AGE, require_safe, sweep
from eddy.lake.compaction.json_lines import Staged, lines_files, stage
from eddy.lake.compaction.reading import arrow_schema
from eddy.lake.compaction.results import DayResult, Show, Swept
from eddy.lake.compaction.writing import TARGET_BYTES
from eddy.lake.days import Day
from eddy.lake.outages import named_outages
from eddy.lake.store import filesystem, object_path
from eddy.lake.tables import TableSpec

_BY_A_JOB = "clusters"  # a job writes its days whole, each as one file


class Added(msgspec.Struct, frozen=True, kw_only=True):
    """What was read of JSON Lines for one table.

    Attributes
    ----------
    objects, rows : int
        Read; how many rows were not in the table say the days.
    bad_lines : int
        Left out: no records of the table.
    first_bad : str
        Where the first of these is.
    """

    table: str
    objects: int
    rows: int
    bad_lines: int
    first_bad: str


class Compacted(msgspec.Struct, frozen=True, kw_only=True):
    """What one run did."""

    seconds: float
    days: list[DayResult]
    read: list[Added]
    swept: list[Swept]

    @property
    def conflicts(self) -> list[DayResult]:
        """Days that others rewrote again and again, so that nothing was done."""
        return [day for day in self.days if day.outcome == "conflict"]


@dataclass(frozen=True, slots=True)
class Request:
    """What to compact.

    Attributes
    ----------
    days : sequence of Day
    tables : collection of str
        Names; empty for all.
    reopened : bool
        Also every other closed day that is not settled: never compacted, or not since rows came.
    look_around : int
        Days around a day that are searched for what else was said of its anomalies.
    target_bytes : int
        Size of a file.
    from_jsonl : str, optional
        ``s3://BUCKET/FOLDER`` of JSON Lines whose rows are added.
    snapshot_age, orphan_age : timedelta
        What is older is expired, and deleted.
    sweeps : bool
        Whether anything is.
    scratch : Path, optional
        Where to keep what does not fit into memory.
    """

    days: Sequence[Day]
    tables: Collection[str] = ()
    reopened: bool = True
    look_around: int = LOOK_AROUND_DAYS
    target_bytes: int = TARGET_BYTES
    from_jsonl: str | None = None
    snapshot_age: timedelta = SNAPSHOT_AGE
    orphan_age: timedelta = ORPHAN_AGE
    sweeps: bool = True
    scratch: Path | None = None


@dataclass(slots=True)
class LakeCompaction:
    """Compacts the lake's tables, one after another.

    Every day of every table is a commit of its own: what was killed has done whole days, and the
    same command goes on from there.
    """

    settings: Settings
    request: Request
    show: Show = field(default=lambda *_: None)

    def run(self, now: datetime) -> Compacted:
        """Compact, then sweep.

        Raises
        ------
        ConfigError
            There is no such table, or an age is shorter than is safe.
        MissingResource
            A table was not created.
        Unavailable
            The catalog or the store does not answer.
        """
        begin = time.monotonic()
        request = self.request
        require_safe(request.snapshot_age, request.orphan_age)
        days: list[DayResult] = []
        read: list[Added] = []
        swept: list[Swept] = []
        catalog = catalogs.open_catalog(self.settings.lake)
        for spec in chosen_tables(request.tables):
            load = partial(catalogs.load, catalog, self.settings.lake, spec)
            with named_outages(f"table {spec.name}"):
                if spec.kind != _BY_A_JOB:
                    days += self._compact(spec, load, now, read)
                if request.sweeps:
                    swept.append(sweep(load, now, request.snapshot_age, request.orphan_age))
        seconds = round(time.monotonic() - begin, 3)
        return Compacted(seconds=seconds, days=days, read=read, swept=swept)

    def _compact(
        self, spec: TableSpec, load: Load, now: datetime, read: list[Added]
    ) -> list[DayResult]:
        request = self.request
        with self._staged(spec, load, read) as staged:
            compactor = Compactor(
                load,
                spec,
                request.scratch,
                open_from=now.astimezone(UTC).date(),
                look_around=request.look_around,
                target_bytes=request.target_bytes,
                staged=staged,
                show=self.show,
            )
            days = [day.date for day in request.days]
            return compactor.run(days, reopened=request.reopened)

    @contextmanager
    def _staged(self, spec: TableSpec, load: Load, read: list[Added]) -> Iterator[Staged]:
        """Give the rows of JSON Lines, where there are any for the table."""
        topic = _topic(self.settings, spec)
        if self.request.from_jsonl is None or topic is None:
            yield Staged()
            return
        days = {day.date for day in self.request.days}
        store = filesystem(self.settings.lake)
        folder = object_path(self.request.from_jsonl)
        files = lines_files(store, folder, topic, min(days))
        with TemporaryDirectory(prefix="eddy-jsonl-", dir=self.request.scratch) as scratch:
            staged = stage(store, files, spec, arrow_schema(load()), days, Path(scratch), self.show)
            read.append(
                Added(
                    table=spec.name,
                    objects=len(files),
                    rows=sum(staged.rows.values()),
                    bad_lines=staged.bad_lines,
                    first_bad=staged.first_bad,
                )
            )
            yield staged


def chosen_tables(names: Collection[str]) -> list[TableSpec]:
    """Return the tables of these names; all where there are no names.

    Raises
    ------
    ConfigError
        There is none of a name.
    """
    return [named(name) for name in dict.fromkeys(names)] or every_table()


def _topic(settings: Settings, spec: TableSpec) -> str | None:
    """Return the topic whose records are a table's rows; None where JSON Lines cannot hold them."""
    if spec.domain is None or spec.kind == _BY_A_JOB:
        return None
    topics = wiring.topics(settings, domain(spec.domain))
    return topics.scored if spec.kind == "history" else topics.anomalies
