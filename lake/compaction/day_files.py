"""A table's days: which files hold each, and which of them compaction has already settled."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from pyiceberg.manifest import DataFile, DataFileContent
from pyiceberg.table import Table

from eddy.schemas.errors import Unavailable

MARK = "compacted"
"""Begins the names of files that compaction wrote: ``compacted-RUN-NUMBER.parquet``."""

_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class DayFiles:
    """The files of one UTC day."""

    day: date
    files: tuple[DataFile, ...]

    @property
    def rows(self) -> int:
        """Rows in all files, duplicates counted."""
        return sum(file.record_count for file in self.files)

    @property
    def size_bytes(self) -> int:
        """Size of all files."""
        return sum(file.file_size_in_bytes for file in self.files)

    @property
    def is_settled(self) -> bool:
        """Whether one compaction wrote all there is: nothing came after it."""
        runs = {run_of(file) for file in self.files}
        return not self.files or (len(runs) == 1 and None not in runs)


def days_of(table: Table) -> dict[date, DayFiles]:
    """Return the days that have files in the table's current snapshot.

    Rows without a time have no day; they are left as they are.

    Raises
    ------
    Unavailable
        Where the table is laid out in a way that this program does not write: row deletes, or
        another partitioning.
    """
    files_of_day: dict[date, list[DataFile]] = defaultdict(list)
    for file in live_files(table):
        if file.content != DataFileContent.DATA:
            raise Unavailable(f"{'.'.join(table.name())}: has row deletes; compaction knows none")
        if file.spec_id != table.metadata.default_spec_id:
            raise Unavailable(f"{'.'.join(table.name())}: has files of another partitioning")
        number = file.partition[0]
        if number is not None:
            files_of_day[_EPOCH + timedelta(days=number)].append(file)
    return {
        day: DayFiles(day, tuple(sorted(files, key=lambda file: file.file_path)))
        for day, files in files_of_day.items()
    }


def live_files(table: Table) -> Iterator[DataFile]:
    """Yield every file of the current snapshot."""
    snapshot = table.current_snapshot()
    for manifest in snapshot.manifests(table.io) if snapshot else ():
        for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=True):
            yield entry.data_file


def run_of(file: DataFile) -> str | None:
    """Return which compaction wrote a file; None where another writer did."""
    name = file.file_path.rpartition("/")[2]
    return name.split("-")[1] if name.startswith(f"{MARK}-") else None


def between(first: date, last: date) -> list[date]:
    """Return all days from the first to the last, this one too."""
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def around(days: Iterable[date], reach: int) -> set[date]:
    """Return the days and those at most `reach` days before or after one of them."""
    numbers = {day.toordinal() + n for day in days for n in range(-reach, reach + 1)}
    # a row's time may be the first there is, or the last
    first, last = date.min.toordinal(), date.max.toordinal()
    return {date.fromordinal(number) for number in numbers if first <= number <= last}


def size_of(files: Sequence[DataFile]) -> int:
    """Return the size of files in bytes."""
    return sum(file.file_size_in_bytes for file in files)
