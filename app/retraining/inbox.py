"""The inbox of new data: a folder, or a prefix of a bucket."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Protocol

from pyarrow.fs import FileSelector, FileType

from eddy.datasets.history.files import COLUMNS, LINES
from eddy.lake.config import LakeConfig
from eddy.lake.outages import named_outages
from eddy.lake.store import filesystem, object_path
from eddy.schemas.errors import MissingResource, Unavailable

_BLOCK_BYTES = 1 << 20
_ENDINGS = COLUMNS + LINES
_LONGEST_NAME = 100  # of a fetched file; in characters, and with its ending within 255 bytes


class UnusableName(Exception):
    """A file has a name by which it cannot be fetched, and never will be."""


@dataclass(frozen=True, slots=True)
class InboxFile:
    """A file that is there.

    Attributes
    ----------
    name : str
        Below the folder; files are read in the order of their names.
    size_bytes : int
    modified_at : datetime
    """

    name: str
    size_bytes: int
    modified_at: datetime


class Inbox(Protocol):
    """A folder or prefix where files arrive."""

    def list_files(self) -> list[InboxFile]:
        """Return the files of a kind that can be read, by name."""
        ...

    def fetch(self, name: str, scratch: Path) -> Path:
        """Return where a file can be read, fetched below `scratch` if need be.

        Raises
        ------
        UnusableName
            It cannot be fetched by this name.
        FileNotFoundError
            It is gone.
        """
        ...


class FolderInbox:
    """Files in a folder and the folders below it; hidden ones and ``*.partial`` are left out.

    Parameters
    ----------
    folder : Path
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def list_files(self) -> list[InboxFile]:
        """Return the files of a kind that can be read, by name.

        Raises
        ------
        MissingResource
            There is no such folder, or it may not be read.
        """
        if not self._folder.is_dir():
            raise MissingResource(f"{self._folder}: no such folder")
        files = []
        for path in self._folder.rglob("*"):
            name = str(path.relative_to(self._folder))
            try:
                stat = path.stat()
            except FileNotFoundError:
                continue  # moved away meanwhile
            if path.is_file() and _is_data(name):
                at = datetime.fromtimestamp(stat.st_mtime, UTC)
                files.append(InboxFile(name, stat.st_size, at))
        return sorted(files, key=lambda file: file.name)

    def fetch(self, name: str, scratch: Path) -> Path:  # noqa: ARG002 - it is here already
        """Return where the file is."""
        return self._folder / name


class BucketInbox:
    """Objects below ``s3://BUCKET/PREFIX``.

    Parameters
    ----------
    url : str
    config : LakeConfig
        The address and keys of the store.
    """

    def __init__(self, url: str, config: LakeConfig) -> None:
        self._path = object_path(url)
        self._store = filesystem(config)
        self._fetched = count(1)

    def list_files(self) -> list[InboxFile]:
        """Return the objects of a kind that can be read, by name."""
        selector = FileSelector(self._path, recursive=True, allow_not_found=True)
        with named_outages(f"s3://{self._path}"):
            objects = self._store.get_file_info(selector)
        files = [
            InboxFile(entry.path.removeprefix(f"{self._path}/"), entry.size, entry.mtime)
            for entry in objects
            if entry.type == FileType.File
        ]
        return sorted((file for file in files if _is_data(file.name)), key=lambda file: file.name)

    def fetch(self, name: str, scratch: Path) -> Path:
        """Fetch an object into a folder of its own: keys are no paths.

        Raises
        ------
        UnusableName
            The store's client takes no such key.
        FileNotFoundError
            There is no such object any more.
        """
        if not _is_key(name):
            raise UnusableName("a key with an empty part or a zero byte")
        target = scratch / str(next(self._fetched)) / _file_name(name)
        target.parent.mkdir(parents=True)
        path = f"{self._path}/{name}"
        try:
            with named_outages(f"s3://{path}"):
                self._copy(path, target)
        except Unavailable as error:
            if isinstance(error.__cause__, FileNotFoundError):
                raise FileNotFoundError(path) from error
            raise
        return target

    def _copy(self, path: str, target: Path) -> None:
        with (
            self._store.open_input_stream(path, compression=None) as stream,
            target.open("wb") as file,
        ):
            while block := stream.read(_BLOCK_BYTES):
                file.write(block)


def open_inbox(address: str, config: LakeConfig) -> Inbox:
    """Return the inbox at a folder or an ``s3://`` address."""
    if address.startswith("s3://"):
        return BucketInbox(address, config)
    return FolderInbox(Path(address))


def _is_key(name: str) -> bool:
    return all(name.split("/")) and "\0" not in name


def _file_name(key: str) -> str:
    """Return the last part of a key, so short that every file system takes it."""
    last = Path(key.rpartition("/")[2])
    stem = last.stem[: _LONGEST_NAME - len(last.suffix)].encode()[: 2 * _LONGEST_NAME]
    return stem.decode(errors="ignore") + last.suffix


def _is_data(name: str) -> bool:
    parts = Path(name).parts
    is_hidden = any(part.startswith((".", "_")) for part in parts)
    return not is_hidden and name.lower().endswith(_ENDINGS)


def sha256_of(path: Path) -> str:
    """Return the digest of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(slots=True)
class Debounce:
    """Tells when files have come to rest, so that a burst of them makes one run.

    Parameters
    ----------
    quiet_s : float
        Nothing may come, grow or change for so long, by the caller's clock: files may carry times
        of other clocks.
    """

    quiet_s: float
    _seen: tuple[InboxFile, ...] = ()
    _since_s: float | None = field(default=None)

    def is_settled(self, files: Sequence[InboxFile], now_s: float) -> bool:
        """Whether the same files have been there for `quiet_s`."""
        present = tuple(files)
        if self._since_s is None or present != self._seen:
            self._seen, self._since_s = present, now_s
        return now_s - self._since_s >= self.quiet_s
