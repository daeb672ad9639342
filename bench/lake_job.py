"""What the case compaction measures, in a process of its own: ``python -m bench.lake_job``."""

import resource
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from bench.lake_days import DAY, fill
from eddy.app.domains import domain
from eddy.lake import catalog, query
from eddy.lake.compaction.compactor import Compactor
from eddy.lake.config import LakeConfig
from eddy.lake.tables import TableSpec, anomalies, history

_QUESTIONS = 3


class CompactionJob(msgspec.Struct, frozen=True):
    """What to do: ``fill`` or ``compact``."""

    what: str
    kind: str
    rows: int
    files: int
    folder: str
    lake: LakeConfig


class Figures(msgspec.Struct, frozen=True):
    """What came out.

    Attributes
    ----------
    rss_mib : float
        The most that the process held at any time.
    query_before_ms, query_after_ms : float
        Of the same question to DuckDB: the best of three.
    """

    rows: int
    rows_after: int
    files: int
    files_after: int
    mb: float
    mb_after: float
    seconds: float
    cpu_s: float
    rss_mib: float
    query_before_ms: float = 0.0
    query_after_ms: float = 0.0


def spec_of(kind: str) -> TableSpec:
    """Return the table of a kind."""
    return (
        anomalies("rides") if kind == "anomalies" else history("rides", domain("rides").event_type)
    )


def run(job: CompactionJob) -> Any:
    """Do it; return what is to be printed."""
    spec = spec_of(job.kind)
    load = partial(catalog.load, catalog.open_catalog(job.lake), job.lake, spec)
    if job.what == "fill":
        return fill(load, job.rows, job.files)
    if job.what == "ask":
        return ask(job.lake, spec)
    return compact(load, spec, Path(job.folder))


def compact(load: Any, spec: TableSpec, folder: Path) -> Figures:
    """Compact the day."""
    begin, cpu = time.perf_counter(), time.process_time()
    (done,) = Compactor(load, spec, folder, DAY.replace(day=2)).run([DAY])
    seconds = time.perf_counter() - begin
    return Figures(
        rows=done.rows_before,
        rows_after=done.rows_after,
        files=done.files_before,
        files_after=done.files_after,
        mb=done.bytes_before / 1e6,
        mb_after=done.bytes_after / 1e6,
        seconds=seconds,
        cpu_s=time.process_time() - cpu,
        rss_mib=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    )


def ask(lake: LakeConfig, spec: TableSpec) -> float:
    """Return how long an analyst waits for two hours of the day, in milliseconds."""
    connection = query.connect(lake, [spec.name])
    question = (
        f"SELECT count(*), avg(score) FROM {spec.name} WHERE occurred_at >= "
        f"'{DAY} 10:00:00+00' AND occurred_at < '{DAY} 12:00:00+00'"
    )
    times = []
    for _ in range(_QUESTIONS):
        begin = time.perf_counter()
        query.ask(connection, question, lake)
        times.append(time.perf_counter() - begin)
    return min(times) * 1e3


if __name__ == "__main__":
    print(msgspec.json.encode(run(msgspec.json.decode(sys.argv[1], type=CompactionJob))).decode())
