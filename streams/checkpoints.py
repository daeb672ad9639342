"""Where judges' snapshots rest between restarts: a folder, or a bucket, through one library.

A checkpoint speaks for one partition at one committed offset. It is written whole under its own
name and becomes current by existing: readers take the newest at or below the committed offset
whose checksum and configuration fit, so a lost, cut or foreign one costs replay time only.
"""

import hashlib
from datetime import datetime
from pathlib import Path
from typing import Literal

import cramjam
import msgspec
import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, ObjectStore, from_url

from eddy.schemas.errors import ConfigError, Unavailable

MAGIC = b"EDDYCKP1"
KEPT = 3


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """What a checkpoint says of itself."""

    group: str
    topic: str
    partition: int
    offset: int
    state_hash: str
    model_version: str
    written_at: datetime
    sha256: str


class StoredCheckpoint(msgspec.Struct, frozen=True):
    """A checkpoint that fits."""

    header: Header
    state: bytes


Refusal = Literal["corrupt", "incompatible"]


def open_store(url: str) -> ObjectStore:
    """Return the store at `url`: a path, ``file://``, ``memory://`` or ``s3://``.

    Raises
    ------
    ConfigError
        Where the URL names no store that is known.
    """
    try:
        if "://" not in url:
            return LocalStore(prefix=Path(url).absolute(), mkdir=True)
        if url.startswith("file://"):
            return LocalStore(prefix=url.removeprefix("file://"), mkdir=True)
        return from_url(url)
    except (BaseError, ValueError) as error:
        raise ConfigError(f"checkpoints.url: {url}: {error}") from error


class Checkpoints:
    """The checkpoints of one consumer group.

    Parameters
    ----------
    store : ObjectStore
        Where the bytes go.
    group : str
        Consumer group; part of the name, so that side-by-side groups never meet.
    """

    def __init__(self, store: ObjectStore, group: str) -> None:
        self._store = store
        self._group = group

    def write(
        self,
        topic: str,
        partition: int,
        offset: int,
        state: bytes,
        *,
        state_hash: str,
        model_version: str,
        now: datetime,
    ) -> int:
        """Write a checkpoint, drop all but the newest few, and return its size in bytes.

        Raises
        ------
        Unavailable
            Where the store does not take it (no disk, no network); older ones still stand.
        """
        body = bytes(cramjam.zstd.compress(state, level=1))
        header = Header(
            group=self._group,
            topic=topic,
            partition=partition,
            offset=offset,
            state_hash=state_hash,
            model_version=model_version,
            written_at=now,
            sha256=hashlib.sha256(body).hexdigest(),
        )
        head = msgspec.json.encode(header)
        blob = MAGIC + len(head).to_bytes(4, "big") + head + body
        try:
            obstore.put(self._store, f"{self._folder(topic, partition)}/{offset:020d}.ckpt", blob)
            self._prune(topic, partition, offset)
        except (BaseError, OSError) as error:
            raise Unavailable(f"checkpoint of {topic}-{partition} not written: {error}") from error
        return len(blob)

    def newest(
        self, topic: str, partition: int, at_most: int, state_hash: str
    ) -> tuple[StoredCheckpoint | None, list[Refusal]]:
        """Return the newest fitting checkpoint at or below an offset, and why others did not fit.

        Raises
        ------
        Unavailable
            Where the store does not answer.
        """
        refused: list[Refusal] = []
        for offset in sorted(self._offsets(topic, partition), reverse=True):
            if offset > at_most:
                continue
            stored = self._read(topic, partition, offset)
            if isinstance(stored, str):
                refused.append(stored)
            elif stored.header.state_hash != state_hash:
                refused.append("incompatible")
            else:
                return stored, refused
        return None, refused

    def _folder(self, topic: str, partition: int) -> str:
        return f"{self._group}/{topic}/{partition:05d}"

    def _offsets(self, topic: str, partition: int) -> list[int]:
        try:
            names = [
                Path(str(meta["path"])).name
                for page in obstore.list(self._store, prefix=self._folder(topic, partition))
                for meta in page
            ]
        except FileNotFoundError:
            return []
        except (BaseError, OSError) as error:
            raise Unavailable(f"checkpoints of {topic}-{partition}: {error}") from error
        return [int(name[:20]) for name in names if name.endswith(".ckpt") and name[:20].isdigit()]

    def _read(self, topic: str, partition: int, offset: int) -> StoredCheckpoint | Refusal:
        path = f"{self._folder(topic, partition)}/{offset:020d}.ckpt"
        try:
            blob = bytes(obstore.get(self._store, path).bytes())
        except FileNotFoundError:
            return "corrupt"
        except (BaseError, OSError) as error:
            raise Unavailable(f"checkpoint {path}: {error}") from error
        return _decode(blob)

    def _prune(self, topic: str, partition: int, newest: int) -> None:
        # Above the newest stand leftovers of a group whose offsets were reset: never useful again.
        offsets = sorted(self._offsets(topic, partition))
        stale = [offset for offset in offsets if offset > newest]
        stale += [offset for offset in offsets if offset <= newest][:-KEPT]
        folder = self._folder(topic, partition)
        for offset in stale:
            obstore.delete(self._store, f"{folder}/{offset:020d}.ckpt")


def _decode(blob: bytes) -> StoredCheckpoint | Refusal:
    if not blob.startswith(MAGIC):
        return "corrupt"
    start = len(MAGIC) + 4
    length = int.from_bytes(blob[len(MAGIC) : start], "big")
    body = blob[start + length :]
    try:
        header = msgspec.json.decode(blob[start : start + length], type=Header)
        if hashlib.sha256(body).hexdigest() != header.sha256:
            return "corrupt"
        return StoredCheckpoint(header, bytes(cramjam.zstd.decompress(body)))
    except (msgspec.MsgspecError, cramjam.DecompressionError):
        return "corrupt"
