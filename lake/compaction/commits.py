"""Commit: take files away and add others, atomically, while the sink commits too."""

import random
import time
from collections.abc import Callable, Sequence

from pyiceberg.exceptions import CommitFailedException, ValidationException
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table, Transaction
from pyiceberg.table.snapshots import Snapshot, ancestors_of
from pyiceberg.table.update import AssertTableUUID

from eddy.schemas.errors import Unavailable

OFFSETS = "kafka.connect.offsets."
"""Begins the names under which the sink keeps in a snapshot's summary how far it is."""

COMMITTED_AT = "eddy.sink-committed-ms"
"""When the sink itself committed last, in snapshots that are not its own: milliseconds."""

Load = Callable[[], Table]
"""Returns the table as it is now."""

TRIES = 20
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.05, 2.0


class Conflict(Exception):
    """Files that were read are gone: another compaction replaced them. Nothing was committed."""


def commit(
    load: Load,
    gone: Sequence[DataFile],
    new: Sequence[DataFile],
    because: dict[str, str],
    still: Callable[[Table], bool] = lambda _: True,
) -> int:
    """Replace `gone` by `new` in one snapshot; return after how many tries.

    Exactly the files that were read are taken away. So what others add meanwhile, to the same
    day too, stays and needs no second look; and of two that read the same files one commits and
    the other meets `Conflict`. The sink's offsets are carried into the snapshot, always those of
    its parent, so that the sink finds there what it would have found without it.

    Parameters
    ----------
    load : callable
        Returns the table as it is now.
    because : dict of str to str
        Goes into the snapshot's summary.
    still : callable
        Whether a table is what was read, in what `gone` does not say.

    Raises
    ------
    Conflict
        Not all of `gone` is there any more, or the table is not `still` what was read.
    Unavailable
        After 20 tries; nothing was committed.
    """
    for attempt in range(1, TRIES + 1):
        table = load()
        if not still(table):
            raise Conflict(f"{'.'.join(table.name())}: others wrote there")
        try:
            _commit_once(load, table, gone, new, because)
        except CommitFailedException as error:
            if attempt == TRIES:
                name = ".".join(table.name())
                raise Unavailable(f"{name}: not committed after {TRIES} tries: {error}") from error
            longest = min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2**attempt)
            time.sleep(random.uniform(0, longest))  # noqa: S311 - no secret
        else:
            return attempt
    raise AssertionError("unreachable")


def _commit_once(
    load: Load,
    table: Table,
    gone: Sequence[DataFile],
    new: Sequence[DataFile],
    because: dict[str, str],
) -> None:
    properties = sink_properties(table) | because
    update = Transaction(table).update_snapshot(snapshot_properties=properties)
    producer = update.overwrite() if gone else update.fast_append()
    for file in gone:
        producer.delete_data_file(file)
    for file in new:
        producer.append_data_file(file)
    try:
        updates, requirements = producer._commit()
        # Not through the transaction: it tries again by itself, and would then put the offsets
        # read before onto a newer snapshot of the sink.
        must = (*requirements, AssertTableUUID(uuid=table.metadata.table_uuid))
        table.catalog.commit_table(table, must, updates)
    except ValidationException as error:
        producer._clean_all_uncommitted()
        raise Conflict(str(error)) from error
    except CommitFailedException:
        # A client that repeats a commit whose answer was lost (AWS's does) is told that another
        # was quicker: itself. What is committed must not be cleaned away.
        if load().snapshot_by_id(producer.snapshot_id) is None:
            producer._clean_all_uncommitted()
            raise


def sink_properties(table: Table) -> dict[str, str]:
    """Return what the sink would find in the ancestry of the current snapshot."""
    properties: dict[str, str] = {}
    for snapshot in _ancestry(table):
        offsets = sink_offsets(snapshot)
        if offsets and COMMITTED_AT not in properties:
            properties[COMMITTED_AT] = _committed_at(snapshot)
        properties = offsets | properties
    return properties


def sink_offsets(snapshot: Snapshot) -> dict[str, str]:
    """Return the sink's offsets in one snapshot's summary."""
    properties = snapshot.summary.additional_properties if snapshot.summary else {}
    return {key: value for key, value in properties.items() if key.startswith(OFFSETS)}


def carriers(table: Table) -> list[Snapshot]:
    """Return the ancestry from the current snapshot to where the last of the offsets stands.

    All of it has to stay: the sink goes from parent to parent until it finds its own.
    """
    ancestry = _ancestry(table)
    last = 0
    seen: set[str] = set()
    for number, snapshot in enumerate(ancestry, 1):
        if not seen >= sink_offsets(snapshot).keys():
            seen |= sink_offsets(snapshot).keys()
            last = number
    return ancestry[:last]


def last_sink_commit_ms(table: Table) -> int | None:
    """Return when the sink committed last, in milliseconds; None where it never did."""
    value = sink_properties(table).get(COMMITTED_AT)
    return int(value) if value else None


def _ancestry(table: Table) -> list[Snapshot]:
    return list(ancestors_of(table.current_snapshot(), table.metadata))


def _committed_at(snapshot: Snapshot) -> str:
    properties = snapshot.summary.additional_properties if snapshot.summary else {}
    return properties.get(COMMITTED_AT) or str(snapshot.timestamp_ms)
