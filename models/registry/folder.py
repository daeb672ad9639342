"""The registry as a folder: for one machine, a shared volume, and the tests.

::

    <root>/<name>/versions/<n>/manifest.json   what the version is, with the sha256 of its files
                               model.json      the artefact
    <root>/<name>/aliases.json                 which version is in use
    <root>/<name>/aliases.jsonl                every change of an alias
    <root>/<name>/staging/                     a version being written; never read

A crash loses at most the version or the change being written. Readers need no lock and no right
to write; writers of one model take turns.
"""

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

import msgspec

from models.judge import Model
from models.registry import durable
from models.registry.aliases import AliasFile, next_change
from models.registry.artefact import (
    MAX_ARTEFACT_BYTES,
    PARAMETERS_FILE,
    decode_parameters,
    digest,
)
from models.registry.registry import (
    CHAMPION,
    LATEST,
    AliasChange,
    File,
    Manifest,
    Training,
    check_alias,
    check_name,
    is_name,
    is_version,
    pick,
)
from schemas.errors import ConfigError, DamagedModel, UnknownModel

_MANIFEST_FILE = "manifest.json"
_MAX_MANIFEST_BYTES = 1024 * 1024


class FolderRegistry:
    """A `models.registry.registry.Registry` below one folder.

    Parameters
    ----------
    root : Path
        Made when the first model is registered.
    clock : callable
        Gives the time in UTC; stamps versions and changes.
    max_artefact_bytes : int
        Larger artefacts are neither registered nor loaded.
    """

    def __init__(
        self,
        root: Path,
        clock: Callable[[], datetime],
        *,
        max_artefact_bytes: int = MAX_ARTEFACT_BYTES,
    ) -> None:
        self._root = root
        self._clock = clock
        self._limit = max_artefact_bytes

    def register(
        self, name: str, artefact: bytes, *, training: Training, metrics: Mapping[str, float]
    ) -> str:
        """Keep `artefact` for good; return its new version.

        Raises
        ------
        ConfigError
            The name cannot be used, or the artefact is larger than allowed.
        MissingResource
            The disk is full or may not be written.
        Unavailable
            Another process does not let go of the lock.
        """
        check_name(name)
        if len(artefact) > self._limit:
            raise ConfigError(f"the artefact of {name!r} is larger than {self._limit} bytes")
        with self._writing(name) as home:
            number = str(int((self._numbers(name) or ["0"])[-1]) + 1)
            manifest = Manifest(
                name=name,
                version=number,
                files={PARAMETERS_FILE: File(digest(artefact), len(artefact))},
                created_at=self._clock(),
                training=training,
                metrics=dict(metrics),
                eddy_version=_eddy_version(),
            )
            _publish(home, manifest, artefact)
        return number

    def names(self) -> list[str]:
        """Return the names of the models, sorted."""
        return sorted(
            name for name in durable.entries(self._root) if is_name(name) and self._numbers(name)
        )

    def versions(self, name: str) -> list[str]:
        """Return the versions of `name`, oldest first; none where the name is not known."""
        return self._numbers(name) if is_name(name) else []

    def resolve(self, name: str, which: str) -> Manifest:
        """Return the manifest of a version, an alias or "latest"."""
        if not is_name(name):
            raise UnknownModel(f"no model is named {name!r}")
        if which == LATEST and (numbers := self._numbers(name)):
            return self._manifest(name, numbers[-1])
        versions = self._home(name) / "versions"
        number = pick(name, which, self.aliases(name), lambda n: durable.is_there(versions / n))
        return self._manifest(name, number)

    def load(self, name: str, which: str, parameters_type: type[Any]) -> Model:
        """Return a verified model: size and sha256 as registered, content of the type asked for."""
        manifest = self.resolve(name, which)
        artefact = self._verified(manifest)
        return Model(manifest.ref, decode_parameters(artefact, parameters_type))

    def aliases(self, name: str) -> dict[str, str]:
        """Return alias -> version."""
        return AliasFile(self._home(name)).read().aliases if is_name(name) else {}

    def set_alias(self, name: str, alias: str, which: str, *, by: str = "") -> Manifest:
        """Point `alias` at a version whose files are intact; nothing to do where it does."""
        check_alias(alias)
        self.resolve(name, which)  # an unknown name must not leave a folder behind
        with self._writing(name):
            manifest = self.resolve(name, which)
            return self._point(manifest, alias, action="set", by=by)

    def promote(self, name: str, which: str, *, by: str = "") -> Manifest:
        """Make a version the champion."""
        return self.set_alias(name, CHAMPION, which, by=by)

    def rollback(self, name: str, *, by: str = "") -> Manifest:
        """Make the champion the one it replaced; again, the one before that.

        Raises
        ------
        UnknownModel
            The champion replaced none.
        """
        self.resolve(name, CHAMPION)
        with self._writing(name) as home:
            replaced = AliasFile(home).read().replaced
            if not replaced:
                raise UnknownModel(f"the champion of {name!r} replaced none; promote a version")
            manifest = self.resolve(name, replaced[-1])
            return self._point(manifest, CHAMPION, action="rollback", by=by)

    def history(self, name: str) -> list[AliasChange]:
        """Return every change of an alias, oldest first."""
        return AliasFile(self._home(name)).history() if is_name(name) else []

    def _point(
        self, manifest: Manifest, alias: str, *, action: Literal["set", "rollback"], by: str
    ) -> Manifest:
        self._verified(manifest)
        file = AliasFile(self._home(manifest.name))
        before = file.read()
        if before.aliases.get(alias) != manifest.version:
            change = next_change(
                before, alias, manifest.version, action=action, at=self._clock(), by=by
            )
            file.apply(change)
        return manifest

    def _home(self, name: str) -> Path:
        return self._root / name

    def _numbers(self, name: str) -> list[str]:
        found = durable.entries(self._home(name) / "versions")
        return sorted((entry for entry in found if is_version(entry)), key=int)

    def _manifest(self, name: str, number: str) -> Manifest:
        path = self._home(name) / "versions" / number / _MANIFEST_FILE
        try:
            content = durable.read_capped(path, _MAX_MANIFEST_BYTES)
            manifest = msgspec.json.decode(content, type=Manifest)
        except FileNotFoundError as error:
            raise DamagedModel(f"{path} is missing") from error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise DamagedModel(f"{path}: {error}") from error
        if (manifest.name, manifest.version) != (name, number):
            raise DamagedModel(f"{path} belongs to {manifest.name!r} version {manifest.version}")
        return manifest

    def _verified(self, manifest: Manifest) -> bytes:
        path = self._home(manifest.name) / "versions" / manifest.version / PARAMETERS_FILE
        expected = manifest.files[PARAMETERS_FILE]
        try:
            content = durable.read_capped(path, self._limit)
        except FileNotFoundError as error:
            raise DamagedModel(f"{path} is missing") from error
        if len(content) != expected.size_bytes or digest(content) != expected.sha256:
            raise DamagedModel(f"{path} is not the file that was registered")
        return content

    @contextmanager
    def _writing(self, name: str) -> Iterator[Path]:
        home = self._home(name)
        with durable.writing(home):
            durable.make_folder(home)
            with durable.locked(home / ".lock"):
                yield home


def _publish(home: Path, manifest: Manifest, artefact: bytes) -> None:
    """Write the version aside, then make it appear whole; the caller holds the lock."""
    staging = home / "staging"
    if staging.exists():  # left by a writer that died: nobody else writes while we hold the lock
        shutil.rmtree(staging)
    durable.make_folder(staging)
    durable.make_folder(home / "versions")
    durable.write_new(staging / PARAMETERS_FILE, artefact)
    durable.write_new(staging / _MANIFEST_FILE, msgspec.json.encode(manifest))
    durable.move_folder(staging, home / "versions" / manifest.version)


def _eddy_version() -> str:
    try:
        return version("eddy")
    except PackageNotFoundError:
        return "unknown"
