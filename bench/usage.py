"""What a process uses, as the kernel tells (Linux)."""

import os
from dataclasses import dataclass
from pathlib import Path

from eddy.schemas.errors import MissingResource

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PAGE_MIB = os.sysconf("SC_PAGE_SIZE") / 2**20


@dataclass(frozen=True, slots=True)
class Usage:
    """Processor time since the start of a process (all threads), and memory it holds now."""

    cpu_s: float
    rss_mib: float


def require_proc() -> None:
    """Raise where the kernel tells nothing.

    Raises
    ------
    MissingResource
        On other systems than Linux.
    """
    if not Path("/proc/self/stat").exists():
        raise MissingResource("the benchmarks read /proc, which only Linux has")


def usage(pid: int) -> Usage:
    """Return what a process uses.

    Raises
    ------
    ProcessLookupError
        When there is no such process.
    """
    folder = Path(f"/proc/{pid}")
    try:
        stat = (folder / "stat").read_text()
        statm = (folder / "statm").read_text()
    except (FileNotFoundError, ProcessLookupError) as error:
        raise ProcessLookupError(pid) from error
    return Usage(_cpu_s(stat), int(statm.split()[1]) * _PAGE_MIB)


def _cpu_s(stat: str) -> float:
    """Read user and system time; the name before them may hold blanks and parentheses."""
    fields = stat.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S
