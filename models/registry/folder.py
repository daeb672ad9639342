"""The registry as a folder: for one machine, a shared volume, and the tests.

::

    <root>/<name>/versions/<n>/manifest.json   what the version is, with the sha256 of its files
                               model.json      the artefact
                               ...             its further files, such as model.skops
    <root>/<name>/aliases.json                 which version is in use
    <root>/<name>/aliases.jsonl                every change of an alias, and every refusal
    <root>/<name>/staging/                     a version being written; never read

A crash loses at most the version or the change being written. Readers need no lock and no right
to write; writers of one model take turns.
"""

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from eddy.models.artefact import MAX_ARTEFACT_BYTES
from eddy.models.judge import Model
from eddy.models.registry import durable
from eddy.models.registry.aliases import AliasFile, next_change
from eddy.models.registry.files import MANIFEST_FILE, all_files, check_size, eddy_version, opened
from eddy.models.registry.registry import (
    CHAMPION,
    LATEST,
    Action,
    AliasChange,
    File,
    Manifest,
    Training,
    check_alias,
    check_evidence,
    check_name,
    is_name,
    is_version,
    pick,
)
from eddy.schemas.errors import DamagedModel, UnknownModel

_MAX_MANIFEST_BYTES = 1024 * 1024


class FolderRegistry:
    """A `eddy.models.registry.registry.Registry` below one folder.

    Parameters
    ----------
    root : Path
        Made when the first model is registered.
    clock : callable
        Gives the time in UTC; stamps versions and changes.
    max_artefact_bytes : int
        Versions whose files are together larger are neither registered nor loaded.
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
        self,
        name: str,
        artefact: bytes,
        *,
        training: Training,
        metrics: Mapping[str, float],
        files: Mapping[str, bytes] = {},
    ) -> str:
        """Keep `artefact` and `files` for good; return their new version.

        Raises
        ------
        ConfigError
            A name cannot be used, or the files are larger than allowed.
        MissingResource
            The disk is full or may not be written.
        Unavailable
            Another process does not let go of the lock.
        """
        check_name(name)
        contents = all_files(name, artefact, files, self._limit)
        with self._writing(name) as home:
            number = str(int((self._numbers(name) or ["0"])[-1]) + 1)
            manifest = Manifest(
                name=name,
                version=number,
                files={file: File.of(content) for file, content in contents.items()},
                created_at=self._clock(),
                training=training,
                metrics=dict(metrics),
                eddy_version=eddy_version(),
            )
            _publish(home, manifest, contents)
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
        """Return a verified model: every file as registered, parameters of the type asked for."""
        manifest = self.resolve(name, which)
        return Model(manifest.ref, opened(self._verified(manifest), parameters_type))

    def aliases(self, name: str) -> dict[str, str]:
        """Return alias -> version."""
        return AliasFile(self._home(name)).read().aliases if is_name(name) else {}

    def set_alias(
        self,
        name: str,
        alias: str,
        which: str,
        *,
        by: str = "",
        reason: str = "",
        evidence: Mapping[str, Any] = {},
    ) -> Manifest:
        """Point `alias` at a version whose files are intact; nothing to do where it does."""
        check_alias(alias)
        check_evidence(by, reason, evidence)
        self.resolve(name, which)  # an unknown name must not leave a folder behind
        with self._writing(name) as home:
            manifest = self.resolve(name, which)
            self._verified(manifest)
            if AliasFile(home).read().aliases.get(alias) != manifest.version:
                self._log(home, alias, manifest.version, "set", by, reason, evidence)
            return manifest

    def promote(
        self,
        name: str,
        which: str,
        *,
        by: str = "",
        reason: str = "",
        evidence: Mapping[str, Any] = {},
    ) -> Manifest:
        """Make a version the champion."""
        return self.set_alias(name, CHAMPION, which, by=by, reason=reason, evidence=evidence)

    def rollback(self, name: str, *, by: str = "", reason: str = "") -> Manifest:
        """Make the champion the one it replaced; again, the one before that.

        Raises
        ------
        UnknownModel
            The champion replaced none.
        """
        check_evidence(by, reason, {})
        self.resolve(name, CHAMPION)
        with self._writing(name) as home:
            replaced = AliasFile(home).read().replaced
            if not replaced:
                raise UnknownModel(f"the champion of {name!r} replaced none; promote a version")
            manifest = self.resolve(name, replaced[-1])
            self._verified(manifest)
            self._log(home, CHAMPION, manifest.version, "rollback", by, reason, {})
            return manifest

    def refuse(
        self,
        name: str,
        which: str,
        *,
        by: str = "",
        reason: str = "",
        evidence: Mapping[str, Any] = {},
    ) -> AliasChange:
        """Write into the audit log that a version was not made the champion, and why."""
        check_evidence(by, reason, evidence)
        self.resolve(name, which)
        with self._writing(name) as home:
            version = self.resolve(name, which).version
            return self._log(home, CHAMPION, version, "refused", by, reason, evidence)

    def history(self, name: str) -> list[AliasChange]:
        """Return the audit log: every change of an alias and every refusal, oldest first."""
        return AliasFile(self._home(name)).history() if is_name(name) else []

    def _log(
        self,
        home: Path,
        alias: str,
        version: str,
        action: Action,
        by: str,
        reason: str,
        evidence: Mapping[str, Any],
    ) -> AliasChange:
        file = AliasFile(home)
        change = next_change(
            file.read(),
            alias,
            version,
            action=action,
            at=self._clock(),
            by=by,
            reason=reason,
            evidence=evidence,
        )
        file.apply(change)
        return change

    def _home(self, name: str) -> Path:
        return self._root / name

    def _numbers(self, name: str) -> list[str]:
        found = durable.entries(self._home(name) / "versions")
        return sorted((entry for entry in found if is_version(entry)), key=int)

    def _manifest(self, name: str, number: str) -> Manifest:
        path = self._home(name) / "versions" / number / MANIFEST_FILE
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

    def _verified(self, manifest: Manifest) -> dict[str, bytes]:
        folder = self._home(manifest.name) / "versions" / manifest.version
        check_size(manifest.files, self._limit, str(folder))
        contents = {}
        for name, file in manifest.files.items():
            try:
                contents[name] = durable.read_capped(folder / name, file.size_bytes)
            except FileNotFoundError as error:
                raise DamagedModel(f"{folder / name} is missing") from error
            file.check(contents[name], str(folder / name))
        return contents

    @contextmanager
    def _writing(self, name: str) -> Iterator[Path]:
        home = self._home(name)
        with durable.writing(home):
            durable.make_folder(home)
            with durable.locked(home / ".lock"):
                yield home


def _publish(home: Path, manifest: Manifest, contents: Mapping[str, bytes]) -> None:
    """Write the version aside, then make it appear whole; the caller holds the lock."""
    staging = home / "staging"
    if staging.exists():  # left by a writer that died: nobody else writes while we hold the lock
        shutil.rmtree(staging)
    durable.make_folder(staging)
    durable.make_folder(home / "versions")
    for file, content in contents.items():
        durable.write_new(staging / file, content)
    durable.write_new(staging / MANIFEST_FILE, msgspec.json.encode(manifest))
    durable.move_folder(staging, home / "versions" / manifest.version)
