"""Compact one table: day by day, each in one commit."""

import time
from collections.abc import Collection, Iterable
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import date
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

from pyiceberg.manifest import DataFile
from pyiceberg.table import Table

from eddy.lake.compaction.commits import Conflict, Load, commit
from eddy.lake.compaction.day_files import MARK, DayFiles, around, days_of, size_of
from eddy.lake.compaction.json_lines import Staged
from eddy.lake.compaction.reading import DataFileReader
from eddy.lake.compaction.results import DayResult, Show
from eddy.lake.compaction.slices import Slices
from eddy.lake.compaction.verdicts import CompactionCounts, NewestRows
from eddy.lake.compaction.writing import TARGET_BYTES, DayWriter
from eddy.lake.tables import TableSpec

LOOK_AROUND_DAYS = 7
"""How many days before and after a day hold the other records of its anomalies.

An anomaly of which something is said after a longer silence than this keeps a row on both days.
"""

ROUNDS = 5
"""How often a day is begun anew because another compaction replaced its files."""


@dataclass(slots=True)
class Compactor:
    """Compacts one table; what is killed leaves the old or the new state, and orphan files.

    Each day is read, one row of each identity is kept, and what is left is written sorted and
    put in the place of exactly the files that were read, in one commit. In tables of kind
    ``anomalies`` the newest row of an anomaly supersedes those of other days too: the days
    around are looked at, and those that hold superseded rows are compacted as well. A row is
    dropped only for another that is in the table, so that in whatever order days are compacted
    nothing is lost.

    Memory does not depend on the number of rows; `scratch` takes up to about twice the size of
    a day, uncompressed.

    Parameters
    ----------
    load : callable
        Returns the table as it is now.
    spec : TableSpec
        What it is.
    scratch : Path or None
        A folder for what does not fit into memory; the system's own where None.
    open_from : date
        The first day that is not over: it and what follows is never rewritten unless asked for.
    look_around : int
        Days; only for anomalies.
    target_bytes : int
        Size of a file.
    staged : Staged
        Rows to be added; those that are in the table already change nothing.
    """

    load: Load
    spec: TableSpec
    scratch: Path | None
    open_from: date
    look_around: int = LOOK_AROUND_DAYS
    target_bytes: int = TARGET_BYTES
    staged: Staged = field(default_factory=Staged)
    show: Show = field(default=lambda *_: None)

    def run(self, days: Iterable[date], *, reopened: bool = False) -> list[DayResult]:
        """Compact the days that need it; a second call changes nothing.

        Parameters
        ----------
        days : iterable of date
        reopened : bool
            Also every other closed day that is not settled: it was never compacted, or not since
            rows came.

        Raises
        ------
        Unavailable
            Where the catalog refused 20 times because others committed.
        """
        results = self._rounds(set(days), reopened=reopened)
        if self.spec.kind == "anomalies" and any(result.added for result in results.values()):
            # what was added may supersede rows of other days, which stay until it is in the table
            done = [day for day, result in results.items() if result.outcome != "conflict"]
            for day, result in replace(self, staged=Staged())._rounds(set(done)).items():
                before = results.get(day, result)
                results[day] = before if before.outcome == "conflict" else before.then(result)
        return [results[day] for day in sorted(results)]

    def _rounds(self, waiting: set[date], *, reopened: bool = False) -> dict[date, DayResult]:
        """Compact days, and those anew whose files others replaced meanwhile."""
        results = dict[date, DayResult]()
        for number in range(1, ROUNDS + 1):
            table = self.load()
            there = days_of(table)
            for day in self.staged.files.keys() - there.keys():
                there[day] = DayFiles(day, ())
            if reopened:
                waiting |= {
                    day
                    for day, state in there.items()
                    if day < self.open_from and not state.is_settled
                }
                reopened = False
            lost = set[date]()
            for group in self._groups(waiting & there.keys()):
                for result in self._compact(table, there, group):
                    if result.outcome == "conflict":
                        lost.add(result.day)
                    _note(results, result, number)
            waiting = lost
            if not waiting:
                break
        return results

    def _groups(self, days: Collection[date]) -> list[set[date]]:
        """Return the days that are looked at together."""
        if self.spec.kind == "anomalies":
            return [set(days)] if days else []
        return [{day} for day in sorted(days)]

    def _compact(
        self, table: Table, there: dict[date, DayFiles], group: set[date]
    ) -> Iterable[DayResult]:
        """Compact a group of days; yield what became of each."""
        reach = self.look_around if self.spec.kind == "anomalies" else 0
        seen = [there[day] for day in sorted(around(group, reach) & there.keys())]
        if not reach and all(self._is_left(day) for day in seen):
            yield from (self._settled(day) for day in seen)
            return
        with (
            TemporaryDirectory(prefix="eddy-compaction-", dir=self.scratch) as folder,
            self._verdicts(table, seen, Path(folder)) as verdicts,
        ):
            tallies = verdicts.tallies()
            for day in seen:
                tally = tallies.get(day.day, CompactionCounts())
                if self._is_due(day, day.day in group, tally):
                    yield self._rewrite(table, day, verdicts, tally, Path(folder))
                elif day.day in group:
                    yield self._settled(day)

    def _is_left(self, day: DayFiles) -> bool:
        """Whether a day's own rows leave nothing to do."""
        return day.is_settled and day.day not in self.staged.files

    def _verdicts(self, table: Table, seen: list[DayFiles], folder: Path) -> NewestRows:
        rows = sum(day.rows + self.staged.rows.get(day.day, 0) for day in seen)
        bar = _Bar(self.show, f"{self.spec.name}: deciding", rows)
        return NewestRows(table, self.spec, seen, self.staged.read, folder, bar.step)

    def _is_due(self, day: DayFiles, asked_for: bool, tally: CompactionCounts) -> bool:
        if asked_for:
            return not day.is_settled or tally.folded > 0 or tally.added > 0
        return tally.folded > 0 and day.day < self.open_from

    def _rewrite(
        self,
        table: Table,
        day: DayFiles,
        verdicts: NewestRows,
        tally: CompactionCounts,
        folder: Path,
    ) -> DayResult:
        begin = time.monotonic()
        new = self._write(table, day, verdicts, tally, folder)
        because = {"eddy.compacted-day": day.day.isoformat()}
        try:
            # Exactly the files that were read are replaced. Where there was none, there is to be
            # none yet: else of two that add the same rows both would.
            still = lambda now: bool(day.files) or day.day not in days_of(now)  # noqa: E731 - only here
            tries = commit(self.load, day.files, new, because, still)
        except Conflict:
            return DayResult(self.spec.name, day.day, "conflict")
        return DayResult(
            table=self.spec.name,
            day=day.day,
            outcome="compacted",
            rows_before=day.rows,
            rows_after=tally.kept,
            files_before=len(day.files),
            files_after=len(new),
            bytes_before=day.size_bytes,
            bytes_after=size_of(new),
            added=tally.added,
            duplicates=tally.duplicates,
            folded=tally.folded,
            seconds=time.monotonic() - begin,
            tries=tries,
        )

    def _write(
        self,
        table: Table,
        day: DayFiles,
        verdicts: NewestRows,
        tally: CompactionCounts,
        folder: Path,
    ) -> list[DataFile]:
        reader = DataFileReader(table)
        slices = Slices(folder, reader.arrow, day.rows + tally.added)
        bar = _Bar(self.show, f"{self.spec.name} {day.day}: reading", day.rows + tally.added)
        with closing(verdicts.places(day.day)) as places:
            for batch in chain(reader.read(day.files), self.staged.read(day.day)):
                slices.add(batch, places.take(batch.num_rows))
                bar.step(batch.num_rows)
        writer = DayWriter(table, day.day, f"{MARK}-{uuid4().hex}", self.target_bytes)
        bar = _Bar(self.show, f"{self.spec.name} {day.day}: writing", tally.kept)
        for rows in slices.sorted():
            writer.write(rows)
            bar.step(rows.num_rows)
        return writer.close()

    def _settled(self, day: DayFiles) -> DayResult:
        rows, files, size = day.rows, len(day.files), day.size_bytes
        return DayResult(self.spec.name, day.day, "settled", rows, rows, files, files, size, size)


class _Bar:
    """Counts rows."""

    def __init__(self, show: Show, what: str, total: int) -> None:
        self._show, self._what, self._total, self._done = show, what, total, 0
        show(what, 0, total)

    def step(self, rows: int) -> None:
        self._done += rows
        self._show(self._what, self._done, self._total)


def _note(results: dict[date, DayResult], result: DayResult, number: int) -> None:
    """Keep what became of a day, with what a round before made of it."""
    if number > 1 and result.outcome == "compacted":
        result = replace(result, tries=result.tries + number - 1)
    before = results.get(result.day)
    results[result.day] = before.then(result) if before else result
