"""The machine a benchmark ran on, in the words a reader needs to compare."""

import os
import platform
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

_PACKAGES = ("confluent-kafka", "faust-streaming", "numba", "numpy", "msgspec")


def describe() -> Iterator[tuple[str, str]]:
    """Yield (what, value): processor, cores, memory, kernel, versions."""
    yield "processor", cpu_model(_read("/proc/cpuinfo")) or platform.machine()
    yield "cores", str(_cores())
    if memory := memory_gib(_read("/proc/meminfo")):
        yield "memory", f"{memory:.1f} GiB"
    yield "kernel", f"{platform.system()} {platform.release()}"
    yield "load before the run", f"{os.getloadavg()[0]:.2f}"
    yield "Python", f"{platform.python_version()} ({platform.python_implementation()})"
    for name in _PACKAGES:
        yield name, _version(name)


def cpu_model(cpuinfo: str) -> str | None:
    """Return the processor's name from the text of ``/proc/cpuinfo``."""
    for line in cpuinfo.splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            return value.strip()
    return None


def memory_gib(meminfo: str) -> float | None:
    """Return the memory from the text of ``/proc/meminfo``."""
    for line in meminfo.splitlines():
        if line.startswith("MemTotal:"):
            return int(line.split()[1]) / 2**20
    return None


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError:
        return ""


def _cores() -> int:
    """Return the cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"
