"""The peers' own virtual environment: their libraries want other versions than the engine's."""

import functools
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from rich.console import Console

from eddy.schemas.errors import MissingResource

ROOT = Path(__file__).resolve().parents[1]
REQUIREMENTS = ROOT / "requirements" / "bench.txt"
FOLDER = ROOT / ".venv-bench"

_MARKER = "installed.sha256"


@functools.cache
def bench_python() -> Path:
    """Return the Python of the peers' environment, which is made where it is not there.

    Raises
    ------
    MissingResource
        When it cannot be made.
    """
    digest = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()
    marker = FOLDER / _MARKER
    python = FOLDER / "bin" / "python"
    if marker.is_file() and marker.read_text() == digest:
        return python
    with Console().status("installing the peers' libraries into .venv-bench ..."):
        shutil.rmtree(FOLDER, ignore_errors=True)
        _run(sys.executable, "-m", "venv", str(FOLDER))
        _run(str(python), "-m", "pip", "install", "-q", "--require-hashes", "-r", str(REQUIREMENTS))
    marker.write_text(digest)
    return python


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr or done.stdout).strip().splitlines()[-1:]
        raise MissingResource(f"cannot make .venv-bench: {' '.join(last)}")
