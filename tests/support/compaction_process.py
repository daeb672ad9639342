"""Compaction in a process of its own, which may be told to die at any of its steps."""

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import pyiceberg.io.pyarrow
from pyiceberg.catalog.sql import SqlCatalog
from sqlalchemy.orm import Session

import eddy.lake.compaction.expiry
from eddy.lake.compaction.compactor import Compactor
from eddy.lake.compaction.json_lines import Staged
from eddy.lake.compaction.slices import Slices
from eddy.lake.compaction.verdicts import NewestRows
from eddy.lake.tables import TableSpec, anomalies
from tests.support.lake_rows import TODAY, catalog_in_folder, day, narrow

DIED = 9
SPEC: TableSpec = narrow(anomalies("rides"))
# what leaves something behind: temporary files, objects, the catalog's row, deletions
STEPS: tuple[tuple[Any, str], ...] = (
    (NewestRows, "tallies"),
    (Slices, "add"),
    (pyiceberg.io.pyarrow.PyArrowFile, "create"),
    (SqlCatalog, "commit_table"),
    (Session, "commit"),
    (pyiceberg.io.pyarrow.PyArrowFileIO, "delete"),
    (eddy.lake.compaction.expiry, "_delete"),
)
_processes = get_context("forkserver")  # its children have no threads of ours
_processes.set_forkserver_preload(["tests.support.compaction_process"])


def start(work: Callable[..., None], *arguments: Any) -> ForkServerProcess:
    """Start one of the functions below in a process of its own."""
    process = _processes.Process(target=work, args=arguments, daemon=True)
    process.start()
    return process


def compact(
    folder: Path, name: str, days: list[int], die_at: int, staged: Staged | None = None
) -> None:
    """Compact a table of `table_in_folder`; die at the n-th step, 0 for never."""
    _die_at(die_at)
    catalog = catalog_in_folder(folder)
    compactor = Compactor(
        lambda: catalog.load_table(name), SPEC, folder, TODAY, staged=staged or Staged()
    )
    compactor.run(map(day, days))


def sweep(folder: Path, name: str, die_at: int) -> None:
    """Sweep as if a hundred days had passed."""
    _die_at(die_at)
    catalog = catalog_in_folder(folder)
    now = datetime.now(UTC) + timedelta(days=100)
    eddy.lake.compaction.expiry.sweep(lambda: catalog.load_table(name), now)


def _die_at(step: int) -> None:
    """Make the n-th call of any step this process's last; a file created then stays empty."""
    left = [step]

    def dying(call: Callable[..., Any], name: str) -> Callable[..., Any]:
        def step_or_die(*arguments: Any, **named: Any) -> Any:
            left[0] -= 1
            if left[0] == 0:
                if name == "create":
                    call(*arguments, **named)
                os._exit(DIED)
            return call(*arguments, **named)

        return step_or_die

    for owner, name in STEPS:
        setattr(owner, name, dying(getattr(owner, name), name))
