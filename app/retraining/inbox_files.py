"""What a run of retraining finds: each content once, and what past runs decided of it."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from eddy.app.retraining.inbox import Inbox, InboxFile, UnusableName, sha256_of
from eddy.app.retraining.read_files import ArrivedFile
from eddy.app.retraining.run_log import RetrainingRun, RunFile, found_bad, trained_on
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
    arrivals: Inbox, scratch: Path, past: Sequence[RetrainingRun], judged_by: str
) -> ArrivedFiles:
    """Fetch and identify what is there; what goes away meanwhile is not there.

    Raises
    ------
    MissingResource, Unavailable
        Files cannot be read now.
    """
    trained, bad = trained_on(past), found_bad(past, judged_by)
    found: dict[str, ArrivedFile] = {}
    checks = []
    for one in arrivals.look():
        try:
            path = arrivals.fetch(one.name, scratch)
            sha256 = sha256_of(path)
        except FileNotFoundError:
            continue
        except UnusableName as error:
            lost = _unusable(one, scratch)
            if lost.file.sha256 not in bad:
                checks.append(
                    QualityCheck(what="schema", ok=False, detail=f"{one.name!r}: {error}")
                )
            found[lost.file.sha256] = lost
            continue
        except OSError as error:
            raise MissingResource(f"cannot read {one.name}: {error.strerror}") from error
        file = RunFile(
            name=one.name,
            sha256=sha256,
            size_bytes=one.size_bytes,
            is_new=sha256 not in trained,
            is_bad=sha256 in bad,
        )
        found.setdefault(sha256, ArrivedFile(file, path))
    return ArrivedFiles(list(found.values()), checks)


def _unusable(one: InboxFile, scratch: Path) -> ArrivedFile:
    """Return a file whose content nobody can know: its name stands for it."""
    sha256 = hashlib.sha256(b"name " + one.name.encode(errors="surrogatepass")).hexdigest()
    file = RunFile(name=one.name, sha256=sha256, size_bytes=one.size_bytes, is_bad=True)
    return ArrivedFile(file, scratch)
