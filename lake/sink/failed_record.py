"""The record that fails a sink task, as the task's trace names it."""

import re
from dataclasses import dataclass

# Iceberg's words (IcebergWriter.write), the comma after "partition" among them.
_CONVERTING = re.compile(
    r"An error occurred converting record, topic: (\S+), partition, (\d+), offset: (\d+)"
)
_CAUSE = re.compile(r"^Caused by: (.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class RecordPosition:
    """Where a record stands."""

    topic: str
    partition: int
    offset: int


def place_in(trace: str) -> RecordPosition | None:
    """Return the record that a trace blames; None where it blames none.

    Blamed is not guilty: a store that does not answer may interrupt a task at any record.

    Examples
    --------
    >>> place_in("An error occurred converting record, topic: a.b, partition, 0, offset: 8")
    Place(topic='a.b', partition=0, offset=8)
    """
    match = _CONVERTING.search(trace)
    return RecordPosition(match[1], int(match[2]), int(match[3])) if match else None


def cause_in(trace: str) -> str:
    """Return the root cause that a trace tells, in one line."""
    causes = _CAUSE.findall(trace)
    lines = causes or trace.strip().splitlines()[:1] or ["unknown"]
    return str(lines[-1]).strip()
