"""Compaction: a day of many small files in the lake; how long, how much memory, what it brings."""

import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
from pyarrow.fs import S3FileSystem

from bench.lake_job import CompactionJob, Figures, spec_of
from bench.peers.job import EXACTLY_ONCE
from bench.results import ENGINE, Result
from bench.site import Site
from eddy.lake import catalog
from eddy.lake.config import LakeConfig
from eddy.sandbox.machine import LOOPBACK, free_port
from eddy.sandbox.processes import BackgroundProcess, launch, wait_until_ready
from eddy.schemas.errors import MissingResource

DAYS = (("anomalies", 1_000_000, 100), ("history", 1_000_000, 100))
LONG = ("history", 10_000_000, 500)
_WITHIN_S = 1800


def run(site: Site, long: bool) -> None:
    """Measure a million rows of each kind, and where asked for ten million of history."""
    for kind, rows, files in (*DAYS, LONG) if long else DAYS:
        try:
            folder = site.new_folder(f"lake-{kind}-{rows}")
            with s3_server(folder) as endpoint:
                figures = measure(folder, endpoint, kind, rows, files)
        except (MissingResource, subprocess.SubprocessError) as error:
            site.fail("compaction", error)
            return
        site.add(row(kind, figures))


def row(kind: str, figures: Figures) -> Result:
    """Return the figures as a result."""
    f = figures
    setting = (
        f"{kind}, {f.files} -> {f.files_after} files, {f.mb:.0f} -> {f.mb_after:.0f} MB, "
        f"{f.seconds:.1f} s, query {f.query_before_ms:.0f} -> {f.query_after_ms:.0f} ms"
    )
    return Result(
        case="compaction",
        engine=ENGINE,
        guarantee=EXACTLY_ONCE,
        setting=setting,
        events=f.rows,
        events_per_s=f.rows / f.seconds,
        cpu_us_per_event=f.cpu_s / f.rows * 1e6,
        rss_mib=f.rss_mib,
    )


def measure(folder: Path, endpoint: str, kind: str, rows: int, files: int) -> Figures:
    """Fill a day, ask, compact it in a process of its own, ask again.

    Raises
    ------
    MissingResource
        A row that was there is not there, or one is there twice.
    """
    lake = LakeConfig(
        catalog=f"sqlite:///{folder}/catalog.db",
        warehouse="s3://bench/warehouse",
        endpoint=endpoint,
        access_key_id="bench",
        secret_access_key="bench",
    )
    catalog.create(lake, [spec_of(kind)])

    def do(what: str) -> Any:
        job = CompactionJob(what, kind, rows, files, str(folder), lake)
        return _in_a_process(job)

    different = do("fill")
    before_ms = do("ask")
    figures = msgspec.convert(do("compact"), Figures)
    if figures.rows_after != different:
        raise MissingResource(f"{figures.rows_after:,} rows are left of {different:,}")
    return msgspec.structs.replace(figures, query_before_ms=before_ms, query_after_ms=do("ask"))


def _in_a_process(job: CompactionJob) -> Any:
    argument = msgspec.json.encode(job).decode()
    done = subprocess.run(
        [sys.executable, "-m", "bench.lake_job", argument],
        stdout=subprocess.PIPE,
        timeout=_WITHIN_S,
        check=True,
    )
    return msgspec.json.decode(done.stdout)


@contextmanager
def s3_server(folder: Path) -> Iterator[str]:
    """Run an S3 server in memory with a bucket; yields its URL."""
    port = free_port()
    endpoint = f"http://{LOOPBACK}:{port}"
    process = BackgroundProcess(
        name="moto",
        argv=(sys.executable, "-m", "moto.server", "-H", LOOPBACK, "-p", str(port)),
        ready=lambda: _answers(endpoint),
        ports=(port,),
    )
    started = launch(process, folder / "moto.log")
    try:
        wait_until_ready(process, started, folder / "moto.log")
        store = S3FileSystem(
            access_key="bench",
            secret_key="bench",
            endpoint_override=f"{LOOPBACK}:{port}",
            scheme="http",
            allow_bucket_creation=True,
        )
        store.create_dir("bench")
        yield endpoint
    finally:
        started.end(10.0)


def _answers(endpoint: str) -> bool:
    try:
        with urllib.request.urlopen(f"{endpoint}/moto-api/", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


if __name__ == "__main__":  # without a broker: python -m bench.cases.compaction KIND ROWS FILES
    import tempfile

    with tempfile.TemporaryDirectory() as scratch, s3_server(Path(scratch)) as url:
        print(measure(Path(scratch), url, sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
