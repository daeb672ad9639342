"""Models in a bucket: for fleets of machines without a shared volume or a server of MLflow's.

::

    <prefix>/<name>/versions/<n>/model.json      the artefact; who writes it has the number
                                ...              its further files, such as model.skops
                                manifest.json    written last: with it the version is there
    <prefix>/<name>/aliases.json                 which version is in use, and the last change
    <prefix>/<name>/changes/<n>-<digits>.json    a change, and the name of the one before it

Nobody holds a lock. A number is taken by creating an object that must not exist yet; an alias
moves by replacing ``aliases.json`` on the condition that it is still the one that was read. A
crash loses at most the version or the change being written; objects that it leaves are referred
to by nobody. Needs a store that knows conditional writes, as Amazon S3, R2, MinIO and Ceph do.
"""

import random
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

import msgspec
import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError
from obstore.store import ObjectStore, from_url

from eddy.models.artefact import PARAMETERS_FILE
from eddy.models.registry.aliases import AliasChange, Aliases
from eddy.models.registry.files import MANIFEST_FILE, MAX_MANIFEST_BYTES, read_manifest
from eddy.models.registry.manifest import Manifest
from eddy.models.registry.names import is_name, is_version
from eddy.models.registry.store import Proposal, StoredVersion, absence, number_of
from eddy.schemas.errors import ConfigError, DamagedModel, Unavailable

_LIMIT_BYTES = 1024 * 1024
_TRIES = 50
_PAUSE_S = 0.02

Content = TypeVar("Content")


class BucketAliases(Aliases, frozen=True):
    """The content of ``aliases.json``; `last` names the last change."""

    last: str | None = None


class LoggedChange(msgspec.Struct, frozen=True):
    """A change and the name of the one before it."""

    change: AliasChange
    previous: str | None


class BucketStore:
    """Versions and aliases in an object store.

    Parameters
    ----------
    store : ObjectStore
        Whose root is the prefix.
    """

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def names(self) -> list[str]:
        """Return the names of the models that have versions, sorted."""
        return sorted(name for name in self._folders("") if is_name(name) and self.versions(name))

    def versions(self, name: str) -> list[str]:
        """Return the versions of a model, oldest first; none where the name is not known."""
        prefix = f"{name}/versions/"
        with _answering():
            paths = [file["path"] for page in obstore.list(self._store, prefix) for file in page]
        steps = [path.removeprefix(prefix).split("/") for path in paths]
        return sorted((n for n, file in steps if file == MANIFEST_FILE and is_version(n)), key=int)

    def find(self, name: str, which: str) -> StoredVersion:
        """Return what `which`, a version, an alias or "latest", means."""
        number = number_of(self, name, which)
        folder = f"{name}/versions/{number}"
        content = self._get(f"{folder}/{MANIFEST_FILE}", MAX_MANIFEST_BYTES)
        if content is None:
            raise absence(name, which, number)
        manifest = read_manifest(content[0], name, number, f"{folder}/{MANIFEST_FILE}")
        return StoredVersion(manifest, folder)

    def read_file(self, folder: str, file: str, limit_bytes: int) -> bytes:
        """Return a file of a version."""
        content = self._get(f"{folder}/{file}", limit_bytes)
        if content is None:
            raise DamagedModel(f"{folder}/{file} is missing")
        return content[0]

    def add(self, manifest: Manifest, contents: Mapping[str, bytes]) -> str:
        """Keep a version for good; return the number it got."""
        number = self._take_number(manifest.name, contents[PARAMETERS_FILE])
        folder = f"{manifest.name}/versions/{number}"
        for file, content in contents.items():
            if file != PARAMETERS_FILE:
                self._create(f"{folder}/{file}", content)
        manifest = msgspec.structs.replace(manifest, version=number)
        self._create(f"{folder}/{MANIFEST_FILE}", msgspec.json.encode(manifest))
        return number

    def aliases(self, name: str) -> dict[str, str]:
        """Return alias -> version."""
        return self._read_aliases(name)[0].aliases

    def history(self, name: str) -> list[AliasChange]:
        """Return every change of an alias that took effect and every refusal, oldest first."""
        changes, key = [], self._read_aliases(name)[0].last
        while key is not None:
            path = f"{name}/changes/{key}.json"
            content = self._get(path, _LIMIT_BYTES)
            if content is None:
                raise DamagedModel(f"{path} is missing")
            logged = _decode(content[0], LoggedChange, path)
            changes.append(logged.change)
            key = logged.previous
        return changes[::-1]

    def change(self, name: str, propose: Proposal) -> AliasChange | None:
        """Log a change and let it take effect; where another came first, propose once more."""
        for _ in range(_TRIES):
            state, e_tag = self._read_aliases(name)
            change = propose(state)
            if change is None:
                return None
            key = f"{change.sequence:08d}-{secrets.token_hex(4)}"
            self._create(
                f"{name}/changes/{key}.json", msgspec.json.encode(LoggedChange(change, state.last))
            )
            after = BucketAliases(**msgspec.structs.asdict(state.moved(change)) | {"last": key})
            if self._replace(f"{name}/aliases.json", msgspec.json.encode(after), e_tag):
                return change
            time.sleep(_PAUSE_S * random.random())  # noqa: S311 - writers only must not keep step
        raise Unavailable(f"others keep changing the aliases of {name!r}")

    def _take_number(self, name: str, artefact: bytes) -> str:
        number = max(map(int, filter(is_version, self._folders(f"{name}/versions/"))), default=0)
        while True:
            number += 1
            if self._create(f"{name}/versions/{number}/{PARAMETERS_FILE}", artefact):
                return str(number)

    def _read_aliases(self, name: str) -> tuple[BucketAliases, str | None]:
        path = f"{name}/aliases.json"
        content = self._get(path, _LIMIT_BYTES)
        if content is None:
            return BucketAliases(), None
        return _decode(content[0], BucketAliases, path), content[1]

    def _folders(self, prefix: str) -> list[str]:
        with _answering():
            listing = obstore.list_with_delimiter(self._store, prefix or None)
        return [path.rstrip("/").rpartition("/")[2] for path in listing["common_prefixes"]]

    def _get(self, path: str, limit_bytes: int) -> tuple[bytes, str | None] | None:
        """Return an object and its tag, or None where there is none."""
        with _answering():
            try:
                answer = obstore.get(self._store, path)
            except FileNotFoundError:
                return None
            if answer.meta["size"] > limit_bytes:
                raise DamagedModel(f"{path} is larger than {limit_bytes} bytes")
            return bytes(answer.bytes()), answer.meta["e_tag"]

    def _create(self, path: str, content: bytes) -> bool:
        """Write an object, unless there is one of that name; return whether it was written."""
        with _answering():
            try:
                obstore.put(self._store, path, content, mode="create")
            except AlreadyExistsError:
                return False
        return True

    def _replace(self, path: str, content: bytes, e_tag: str | None) -> bool:
        """Replace the object that had this tag; return whether it still had."""
        if e_tag is None:
            return self._create(path, content)
        with _answering():
            try:
                obstore.put(self._store, path, content, mode={"e_tag": e_tag})
            except PreconditionError:
                return False
        return True


def open_bucket(url: str) -> BucketStore:
    """Return the store at ``s3://bucket/prefix``; nothing is asked yet.

    Credentials, region and endpoint come from the variables that every client of S3 reads
    (``AWS_ACCESS_KEY_ID``, ``AWS_REGION``, ``AWS_ENDPOINT_URL``, ``AWS_ALLOW_HTTP``, ...).

    Raises
    ------
    ConfigError
        The address names no store.
    """
    try:
        return BucketStore(from_url(url))
    except (BaseError, ValueError) as error:
        raise ConfigError(f"storage.registry: {url}: {error}") from error


def _decode(content: bytes, kind: type[Content], path: str) -> Content:
    try:
        return msgspec.json.decode(content, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DamagedModel(f"{path}: {error}") from error


@contextmanager
def _answering() -> Iterator[None]:
    """Turn what the store raises into Unavailable, said in one line."""
    try:
        yield
    except BaseError as error:
        line = str(error).partition("\n")[0]
        raise Unavailable(f"storage.registry: {line}") from error
