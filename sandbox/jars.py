"""The jars of a Java program, downloaded once into a cache that all stacks share.

A listing (``kafka-jars.txt``) names every jar by its Maven coordinate, one a line. Exactly those
are fetched and nothing they depend on: left to itself a resolver mixes versions, and the program
dies with ``NoSuchMethodError``. The file beside it (``kafka-jars-sha256.txt``) pins what each jar
holds, as the hashes in ``requirements/*.txt`` do for wheels.
"""

import errno
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from eddy.sandbox.machine import require_disk
from eddy.schemas.errors import ConfigError, MissingResource

KAFKA_JARS = Path(__file__).with_name("kafka-jars.txt")
"""The broker and the Connect worker."""

ICEBERG_SINK_JARS = Path(__file__).with_name("iceberg-sink-jars.txt")
"""The plugin of the Connect worker that writes tables, and what makes columns of headers."""

OBJECT_STORE_JARS = Path(__file__).with_name("objectstore-jars.txt")
"""An S3 server: of S3Proxy's dependencies those that a folder as the store needs."""

Progress = Callable[[int, int], None]
"""Called with (jars present, jars in all) whenever one more is there."""

_MARKER = "SHA256SUMS"  # written last: a folder without it is not used
_PARTIAL = ".partial-"
_ROOM_BYTES = 256 * 2**20
_CONNECTIONS = 8
_TRIES = 3
_TIMEOUT_S = 20


@dataclass(frozen=True)
class Jar:
    """One line of a listing: ``group:artifact:jar[:classifier]:version:scope``."""

    group: str
    artifact: str
    version: str
    classifier: str = ""

    @classmethod
    def parse(cls, coordinate: str) -> "Jar":
        """Read one coordinate.

        Raises
        ------
        ConfigError
            When it has another form.
        """
        match coordinate.split(":"):
            case [group, artifact, "jar", version, _scope]:
                return cls(group, artifact, version)
            case [group, artifact, "jar", classifier, version, _scope]:
                return cls(group, artifact, version, classifier)
        raise ConfigError(f"not a coordinate (group:artifact:jar:version:scope): {coordinate!r}")

    @property
    def filename(self) -> str:
        """The jar's name in the cache, the one the repository gives it."""
        parts = (self.artifact, self.version, self.classifier)
        return "-".join(part for part in parts if part) + ".jar"


def read_listing(listing: Path) -> list[Jar]:
    """Return the jars a listing names, in its order."""
    lines = (line.strip() for line in listing.read_text(encoding="utf-8").splitlines())
    return [Jar.parse(line) for line in lines if line and not line.startswith("#")]


def read_pins(listing: Path) -> dict[str, str]:
    """Return {file name: sha256} from the file beside `listing`; empty where there is none.

    Its form is that of ``sha256sum``, which is also the form of the marker in the cache: to pin
    a new listing, fetch it once and copy the marker.
    """
    pins = listing.with_name(f"{listing.stem}-sha256.txt")
    if not pins.exists():
        return {}
    lines = (line.split() for line in pins.read_text(encoding="utf-8").splitlines())
    return {name: digest for digest, name in lines}


def cache_directory() -> Path:
    """Return the folder of everything downloaded: ``EDDY_CACHE``, else the user's cache folder."""
    if cache := os.environ.get("EDDY_CACHE"):
        return Path(cache).expanduser().absolute()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "eddy"


def jar_directory(listing: Path = KAFKA_JARS) -> Path:
    """Return the cache folder of one listing; another listing, another folder."""
    digest = hashlib.sha256(listing.read_bytes()).hexdigest()[:12]
    return cache_directory() / "jars" / f"{listing.stem}-{digest}"


def ensure_jars(progress: Progress | None = None, listing: Path = KAFKA_JARS) -> list[Path]:
    """Return the jars of `listing`, downloading those that are not in the cache.

    Each jar is moved into its place only when it is whole and its hash is right, and the folder
    counts only when all are there, so an interrupted download is taken up where it ended. Two
    processes at once take turns.

    Parameters
    ----------
    progress : Progress, optional
        Told about every jar that is there, for a progress bar.
    listing : Path
        Which jars.

    Raises
    ------
    MissingResource
        No network, no room on the disk, or a jar that is not what it was when it was pinned.
    """
    folder = jar_directory(listing)
    paths = [folder / jar.filename for jar in read_listing(listing)]
    if not _is_complete(folder, paths):
        try:
            require_disk(folder, _ROOM_BYTES)
            folder.mkdir(parents=True, exist_ok=True)
            with FileLock(folder / ".lock"):  # the kernel frees it however the process ends
                if not _is_complete(folder, paths):  # the process before us did it
                    _fill(folder, listing, progress)
        except OSError as error:
            raise MissingResource(f"cannot write jars to {folder}: {error}") from error
    if progress:
        progress(len(paths), len(paths))
    return paths


def _is_complete(folder: Path, paths: list[Path]) -> bool:
    """Whether the marker is there and so is every jar."""
    try:
        return (folder / _MARKER).is_file() and all(path.stat().st_size > 0 for path in paths)
    except OSError:
        return False


def _fill(folder: Path, listing: Path, progress: Progress | None) -> None:
    """Fetch what is missing, then write the marker."""
    (folder / _MARKER).unlink(missing_ok=True)
    for left_over in folder.glob(f"{_PARTIAL}*"):
        shutil.rmtree(left_over)
    jars, pins = read_listing(listing), read_pins(listing)
    digests: dict[str, str] = {}
    with ThreadPoolExecutor(_CONNECTIONS) as pool:
        tasks = {pool.submit(_ensure_jar, jar, folder, pins.get(jar.filename)): jar for jar in jars}
        try:
            for task in as_completed(tasks):
                digests[tasks[task].filename] = task.result()
                if progress:
                    progress(len(digests), len(jars))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    lines = (f"{digests[name]}  {name}\n" for name in sorted(digests))
    partial = folder / f"{_PARTIAL}marker"
    partial.write_text("".join(lines), encoding="utf-8")
    partial.replace(folder / _MARKER)


def _ensure_jar(jar: Jar, folder: Path, pin: str | None) -> str:
    """Return the jar's sha256, after fetching it unless it is there and as pinned."""
    path = folder / jar.filename
    if pin and path.is_file() and _sha256(path) == pin:
        return pin
    with tempfile.TemporaryDirectory(prefix=_PARTIAL, dir=folder) as private:
        fetched = _fetch(jar, Path(private))
        digest = _sha256(fetched)
        if pin and digest != pin:
            raise MissingResource(
                f"{jar.filename} was downloaded but is not the file that is pinned "
                f"(sha256 {digest}, expected {pin}); try again, and mind what is between you "
                "and the repository if it stays so"
            )
        fetched.replace(path)
    return digest


def _fetch(jar: Jar, private: Path) -> Path:
    """Download one jar, and nothing it depends on, into a folder of its own.

    A folder of its own, because jgo writes straight to the final name and would take a half
    file for a whole one the next time.
    """
    from jgo.maven import MavenContext  # noqa: PLC0415 - slow to import, seldom needed

    for attempt in range(1, _TRIES + 1):
        context = MavenContext(repo_cache=private / str(attempt), timeout=_TIMEOUT_S)
        component = context.project(jar.group, jar.artifact).at_version(jar.version)
        try:
            return Path(component.artifact(jar.classifier, "jar").resolve())
        except (OSError, RuntimeError) as error:  # what requests raises is an OSError
            if getattr(error, "errno", None) == errno.ENOSPC:
                raise
            if attempt == _TRIES:
                raise MissingResource(_no_download(jar, error)) from error
        time.sleep(attempt)
    raise AssertionError("unreachable")


def _no_download(jar: Jar, error: Exception) -> str:
    """Say what failed and what to do; the whole error stays the cause of ours."""
    return (
        f"cannot download {jar.filename} ({type(error).__name__}). The embedded stack's jars are "
        "fetched once and need a network: behind a proxy set HTTPS_PROXY, and REQUESTS_CA_BUNDLE "
        "to your company's certificate file; or copy the folder of a machine that has them to "
        f"{cache_directory()}"
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
