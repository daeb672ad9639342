"""The record of retrainings, in a file or an object of a bucket: every outcome.

One JSON line when a run starts, one before its model is registered, one when it ends.
"""

import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Literal, Protocol

import msgspec

from eddy.lake.store import Folder
from eddy.models.registry import durable
from eddy.schemas.errors import ConfigError, MissingResource
from eddy.training.transactions.data_quality import Profile, QualityCheck

Outcome = Literal["started", "trained", "refused", "failed", "interrupted", "given_up"]
ENDED: tuple[Outcome, ...] = ("trained", "refused", "failed", "interrupted", "given_up")
MOST_FAILURES = 3
"""Of the same content, by a defect or a crash: then it is given up."""


class RunFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file as it was at a run.

    Attributes
    ----------
    is_new : bool
        Whether no model was trained on this content before.
    is_bad : bool
        Whether it holds no data; it is not read again.
    """

    name: str
    sha256: str
    size_bytes: int
    rows: int = 0
    rejected: int = 0
    is_new: bool = True
    is_bad: bool = False


class RetrainingRun(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the record. The last line of a `run_id` holds.

    Attributes
    ----------
    run_id : str
    at : datetime
        When this line was written.
    why : str
        The reason it started.
    outcome : str
        ``trained``; ``refused`` by the quality gate, or because there was nothing to do;
        ``failed`` by an outage or a defect; ``interrupted`` by a crash, found out at the next
        start; ``given_up`` where that was the third defect or crash with this content.
    files : list of RunFile
    reasons : list of str
        Why it was not trained.
    checks : list of QualityCheck
        All of the quality gate, also those that were passed.
    data_sha256 : str
        Of the rows the model learned from; empty before it was trained.
    version : str, optional
        Of the model that came of it.
    rows, rows_per_day : int, float
        Of the new files.
    profile : Profile, optional
        Of all rows of the training table, to compare later ones with.
    judged_by : str
        Identifies the bounds that it was judged by: under others it is looked at once more.
    anew : bool
        Whether content that a model was trained on was to be trained on again.
    is_outage : bool
        Whether it failed because something could not be had, which says nothing of the content.
    """

    run_id: str
    at: datetime
    why: str
    outcome: Outcome
    files: list[RunFile] = []
    reasons: list[str] = []
    checks: list[QualityCheck] = []
    data_sha256: str = ""
    version: str | None = None
    rows: int = 0
    rows_per_day: float = 0.0
    profile: Profile | None = None
    judged_by: str = ""
    anew: bool = False
    is_outage: bool = False


class RunLog(Protocol):
    """Storage of the lines."""

    def read(self) -> bytes:
        """Return all lines; none where there are none yet."""
        ...

    def append(self, line: bytes) -> None:
        """Add a line, for good; a reader sees it whole or not at all."""
        ...


class FileLog:
    """Lines in a file.

    Parameters
    ----------
    path : Path
        Made with its folder when the first line is written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> bytes:
        """Return all lines; none where there are none yet."""
        try:
            return self._path.read_bytes()
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise MissingResource(f"cannot read {self._path}: {error.strerror}") from error

    def append(self, line: bytes) -> None:
        """Add a line and have it on the disk; what a crash left of one is ended first."""
        with durable.writing(self._path.parent):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("ab+") as file:
                torn = file.tell() > 0 and not self.read().endswith(b"\n")
                file.write((b"\n" if torn else b"") + line + b"\n")
                file.flush()
                os.fsync(file.fileno())


class BucketLog:
    """Lines in an object, written whole each time: for one writer.

    Parameters
    ----------
    folder : Folder
    name : str
        Of the object.
    """

    def __init__(self, folder: Folder, name: str) -> None:
        self._folder, self._name = folder, name

    def read(self) -> bytes:
        """Return all lines; none where there are none yet."""
        return self._folder.read(self._name) or b""

    def append(self, line: bytes) -> None:
        """Add a line."""
        self._folder.write(self._name, self.read() + line + b"\n")


class RetrainingRuns:
    """The record of runs.

    Parameters
    ----------
    log : RunLog
    """

    def __init__(self, log: RunLog) -> None:
        self._log = log

    def write(self, run: RetrainingRun) -> None:
        """Add a line."""
        self._log.append(msgspec.json.encode(run))

    def all(self) -> list[RetrainingRun]:
        """Return the runs, oldest first, each as its last line has it.

        Raises
        ------
        ConfigError
            A line but the last is none of this record's; the last may be what a crash left.
        """
        runs: dict[str, RetrainingRun] = {}
        lines = self._log.read().split(b"\n")
        for number, line in enumerate(lines, 1):
            if not line:
                continue
            try:
                run = msgspec.json.decode(line, type=RetrainingRun)
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                if _is_torn(line):
                    continue
                raise ConfigError(f"record of retrainings, line {number}: {error}") from error
            runs[run.run_id] = run
        return list(runs.values())

    def unfinished(self) -> list[RetrainingRun]:
        """Return the runs that started and have not ended."""
        return [run for run in self.all() if run.outcome not in ENDED]


def _is_torn(line: bytes) -> bool:
    """Whether a line is the beginning of one: what a crash left."""
    return line.startswith(b"{") and not line.endswith(b"}")


def trained_contents(runs: Sequence[RetrainingRun]) -> set[str]:
    """Return the contents that models were trained on."""
    trained = [run for run in runs if run.outcome == "trained"]
    return {file.sha256 for run in trained for file in run.files if not file.is_bad}


def bad_contents(runs: Sequence[RetrainingRun], judged_by: str) -> set[str]:
    """Return the contents that are no data, by these bounds."""
    judged = [run for run in runs if run.judged_by == judged_by]
    return {file.sha256 for run in judged for file in run.files if file.is_bad}


def known_contents(runs: Sequence[RetrainingRun], judged_by: str) -> set[str]:
    """Return the contents that a run has decided about, by these bounds.

    Not those of a run that failed, unless it was given up.
    """
    ended = [run for run in runs if run.outcome in ("trained", "refused", "given_up")]
    judged = [run for run in ended if run.judged_by == judged_by]
    return trained_contents(runs) | {file.sha256 for run in judged for file in run.files}


def outcome_of_failure(
    run: RetrainingRun, past: Sequence[RetrainingRun], outcome: Outcome
) -> Outcome:
    """Return the outcome of a run that a defect or a crash ended: perhaps it is given up.

    Parameters
    ----------
    run : RetrainingRun
    past : sequence of RetrainingRun
        The runs before it.
    outcome : str
        The outcome unless it is given up.
    """
    content = _content(run)
    earlier = [
        other
        for other in past
        if other.run_id != run.run_id
        and other.outcome in ("failed", "interrupted")
        and not other.is_outage
        and other.judged_by == run.judged_by
        and _content(other) == content
    ]
    return "given_up" if len(earlier) + 1 >= MOST_FAILURES else outcome


def _content(run: RetrainingRun) -> set[str]:
    return {file.sha256 for file in run.files}
