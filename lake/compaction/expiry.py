"""Maintenance: old snapshots go, and then the objects that no snapshot needs."""

import math
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime, timedelta

from pyarrow.fs import FileInfo, FileSelector, FileSystem, FileType
from pyiceberg.exceptions import CommitFailedException
from pyiceberg.io.pyarrow import PyArrowFileIO
from pyiceberg.table import Table

from eddy.lake.compaction.commits import TRIES, Load, carriers, last_sink_commit_ms
from eddy.lake.compaction.day_files import MARK
from eddy.lake.compaction.results import Swept
from eddy.schemas.errors import ConfigError

SNAPSHOT_AGE = timedelta(days=7)
SHORTEST_SNAPSHOT_AGE = timedelta(hours=1)
"""A query that takes longer than the age of the snapshot it reads may lose its files."""

ORPHAN_AGE = timedelta(days=3)
SHORTEST_ORPHAN_AGE = timedelta(days=1)
"""Files are written before they are committed: nothing may take longer than this."""

KEEP_SNAPSHOTS = 5

_IN_FLIGHT = timedelta(hours=1)
_UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
# Data that a process of ours wrote, which nobody commits once it is dead: compaction's, and what
# loads write through pyiceberg. The sink's names go on with the file's number.
_OURS = re.compile(rf"{MARK}-.*|\d{{5}}-\d+-{_UUID}\.parquet")
_AT_ONCE = 8
_WAIT_S = 0.5


def sweep(
    load: Load,
    now: datetime,
    snapshot_age: timedelta = SNAPSHOT_AGE,
    orphan_age: timedelta = ORPHAN_AGE,
) -> Swept:
    """Expire old snapshots and delete objects that no snapshot needs.

    What stays, however old: the newest five snapshots, those that have a name, all from the
    current one to the newest that carries the sink's offsets, and data files of other writers
    younger than the sink's last commit, which a sink that was down may still commit; where it never
    committed, all of them. Killed anywhere it leaves a whole table; said twice, the second time
    does nothing.

    Raises
    ------
    ConfigError
        Where an age is shorter than is safe.
    """
    require_safe(snapshot_age, orphan_age)
    before, after = expire(load, now - snapshot_age)
    gone = delete_orphans(load, now - orphan_age)
    return Swept(
        table=load().name()[-1],
        snapshots_before=before,
        snapshots_after=after,
        files_deleted=len(gone),
        bytes_deleted=sum(info.size for info in gone),
    )


def expire(load: Load, before: datetime, keep: int = KEEP_SNAPSHOTS) -> tuple[int, int]:
    """Forget snapshots older than `before`; return how many there were and are.

    No object is deleted. A commit of somebody else at the same time does no harm: what may go
    may still go after it.
    """
    for _ in range(TRIES - 1):
        try:
            return _expire_once(load(), before, keep)
        except CommitFailedException:
            time.sleep(_WAIT_S)
    return _expire_once(load(), before, keep)


def _expire_once(table: Table, before: datetime, keep: int) -> tuple[int, int]:
    snapshots = sorted(table.snapshots(), key=lambda snapshot: snapshot.timestamp_ms)
    staying = {snapshot.snapshot_id for snapshot in [*snapshots[-keep:], *carriers(table)]}
    staying |= {reference.snapshot_id for reference in table.metadata.refs.values()}
    limit = before.timestamp() * 1000
    going = [
        snapshot.snapshot_id
        for snapshot in snapshots
        if snapshot.timestamp_ms < limit and snapshot.snapshot_id not in staying
    ]
    if going:
        table.maintenance.expire_snapshots().by_ids(going).commit()
    return len(snapshots), len(snapshots) - len(going)


def delete_orphans(load: Load, before: datetime) -> list[FileInfo]:
    """Delete objects last written before `before` that no snapshot needs; return them.

    What is there is listed before it is read what is needed: an object committed between the two
    is not in the list, or is needed.
    """
    table = load()
    store, folder = _store(table)
    listed = [
        info
        for info in store.get_file_info(FileSelector(folder, allow_not_found=True, recursive=True))
        if info.type == FileType.File
    ]
    table = load()
    needed = {_path(location) for location in referenced(table)}
    in_flight_from = _in_flight_from(table)
    gone = [
        info
        for info in listed
        if info.path not in needed
        and info.mtime < before
        and not _may_be_in_flight(info, in_flight_from)
    ]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(lambda info: _delete(store, info), gone))
    return gone


def referenced(table: Table) -> Iterator[str]:
    """Yield where everything is that a table's snapshots and its metadata name; some twice."""
    yield table.metadata_location
    yield from (entry.metadata_file for entry in table.metadata.metadata_log)
    yield from (statistics.statistics_path for statistics in table.metadata.statistics)
    yield from (part.statistics_path for part in table.metadata.partition_statistics)
    seen: set[str] = set()
    for snapshot in table.snapshots():
        yield snapshot.manifest_list
        for manifest in snapshot.manifests(table.io):
            if manifest.manifest_path in seen:
                continue
            seen.add(manifest.manifest_path)
            yield manifest.manifest_path
            for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=True):
                yield entry.data_file.file_path


def require_safe(snapshot_age: timedelta, orphan_age: timedelta) -> None:
    """Raise ConfigError where an age is shorter than is safe."""
    _require("--expire-older-than", snapshot_age, SHORTEST_SNAPSHOT_AGE)
    _require("--orphans-older-than", orphan_age, SHORTEST_ORPHAN_AGE)


def _require(option: str, age: timedelta, shortest: timedelta) -> None:
    if age < shortest:
        hours = shortest.total_seconds() / 3600
        raise ConfigError(f"{option}: less than {hours:.0f} hours is not safe")


def _store(table: Table) -> tuple[FileSystem, str]:
    """Return the object store and the table's folder in it."""
    scheme, bucket, folder = PyArrowFileIO.parse_location(table.location(), table.io.properties)
    io = table.io
    if not isinstance(io, PyArrowFileIO):
        raise ConfigError(f"{'.'.join(table.name())}: is not reached through pyarrow")
    return io.fs_by_scheme(scheme, bucket), folder


def _delete(store: FileSystem, info: FileInfo) -> None:
    with suppress(FileNotFoundError):  # another sweep did it
        store.delete_file(info.path)


def _path(location: str) -> str:
    _, _, path = PyArrowFileIO.parse_location(location)
    return path


def _in_flight_from(table: Table) -> float:
    """Return the time from which the sink may have written what it has not committed, in s."""
    last = last_sink_commit_ms(table)
    return -math.inf if last is None else last / 1000 - _IN_FLIGHT.total_seconds()


def _may_be_in_flight(info: FileInfo, from_s: float) -> bool:
    is_others_data = "/data/" in info.path and not _OURS.fullmatch(info.base_name)
    return is_others_data and info.mtime.timestamp() >= from_s
