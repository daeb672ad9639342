"""The files of a retraining run: each content once, with what past runs decided about it."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from eddy.app.retraining.inbox import Inbox, InboxFile, UnusableName, sha256_of
from eddy.app.retraining.read_files import ArrivedFile
from eddy.app.retraining.run_log import RetrainingRun, RunFile, bad_contents, trained_contents
from eddy.schemas.errors import MissingResource
from eddy.training.transactions.data_quality import QualityCheck


@dataclass(frozen=True, slots=True)
class ArrivedFiles:
    """The files that are there.

    Attributes
    ----------
    files : list of ArrivedFile
        Each content once, by the first of its names; those that cannot be fetched are bad.
    checks : list of QualityCheck
        Of those that cannot be fetched, and were not known.
    """

    files: list[ArrivedFile]
    checks: list[QualityCheck]


def arrived_files(
    inbox: Inbox, scratch: Path, past: Sequence[RetrainingRun], judged_by: str
) -> ArrivedFiles:
    """Fetch and identify the files of an inbox; one that goes away meanwhile is left out.

    Raises
    ------
    MissingResource, Unavailable
        Files cannot be read now.
    """
    trained, bad = trained_contents(past), bad_contents(past, judged_by)
    files: dict[str, ArrivedFile] = {}
    checks = []
    for listed in inbox.list_files():
        try:
            path = inbox.fetch(listed.name, scratch)
            sha256 = sha256_of(path)
        except FileNotFoundError:
            continue
        except UnusableName as error:
            lost = _unusable(listed, scratch)
            if lost.file.sha256 not in bad:
                checks.append(
                    QualityCheck(what="schema", ok=False, detail=f"{listed.name!r}: {error}")
                )
            files[lost.file.sha256] = lost
            continue
        except OSError as error:
            raise MissingResource(f"cannot read {listed.name}: {error.strerror}") from error
        file = RunFile(
            name=listed.name,
            sha256=sha256,
            size_bytes=listed.size_bytes,
            is_new=sha256 not in trained,
            is_bad=sha256 in bad,
        )
        files.setdefault(sha256, ArrivedFile(file, path))
    return ArrivedFiles(list(files.values()), checks)


def _unusable(listed: InboxFile, scratch: Path) -> ArrivedFile:
    """Return a file whose content nobody can know: its name stands for it."""
    sha256 = hashlib.sha256(b"name " + listed.name.encode(errors="surrogatepass")).hexdigest()
    file = RunFile(name=listed.name, sha256=sha256, size_bytes=listed.size_bytes, is_bad=True)
    return ArrivedFile(file, scratch)
