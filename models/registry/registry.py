"""The registry of models: versions never change, aliases say which one is in use."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from eddy.models.artefact import MAX_ARTEFACT_BYTES, File
from eddy.models.judge import Model
from eddy.models.registry.aliases import Action, AliasChange, Aliases, check_evidence
from eddy.models.registry.files import all_files, check_size, eddy_version, opened
from eddy.models.registry.manifest import Manifest, Training
from eddy.models.registry.names import CHAMPION, check_alias, check_name, is_name
from eddy.models.registry.store import Store, StoredVersion
from eddy.schemas.errors import UnknownModel


class Registry:
    """Models by name and version, in a store.

    `which` is a version ("3"), an alias ("champion") or "latest". Reading raises only
    `eddy.schemas.errors.ModelRefused` (or one of its kinds) and `eddy.schemas.errors.Unavailable`,
    so that a running stream can keep its last good model. Writing may also raise
    `eddy.schemas.errors.MissingResource`, where the disk is full or may not be written.

    Parameters
    ----------
    store : Store
    clock : callable
        Gives the time in UTC; stamps versions and changes.
    max_artefact_bytes : int
        Versions whose files are together larger are neither registered nor loaded.
    """

    def __init__(
        self,
        store: Store,
        clock: Callable[[], datetime],
        *,
        max_artefact_bytes: int = MAX_ARTEFACT_BYTES,
    ) -> None:
        self._store = store
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
        """Keep `artefact` (from `encode_parameters`) and `files` for good; return the version.

        What the model needs of `files` to judge, `artefact` names by SHA-256: its digest alone
        identifies the content of a version.

        Raises
        ------
        ConfigError
            A name cannot be used, the files are larger than allowed, or there is more to say
            about the training than the store takes.
        """
        check_name(name)
        contents = all_files(name, artefact, files, self._limit)
        manifest = Manifest(
            name=name,
            version="0",  # the store counts
            files={file: File.of(content) for file, content in contents.items()},
            created_at=self._clock(),
            training=training,
            metrics=dict(metrics),
            eddy_version=eddy_version(),
        )
        return self._store.add(manifest, contents)

    def names(self) -> list[str]:
        """Return the names of the models, sorted."""
        return self._store.names()

    def versions(self, name: str) -> list[str]:
        """Return the versions of `name`, oldest first; none where the name is not known."""
        return self._store.versions(name) if is_name(name) else []

    def resolve(self, name: str, which: str) -> Manifest:
        """Return the manifest of a version; cheap, does not read the artefact."""
        return self._find(name, which).manifest

    def load(self, name: str, which: str, parameters_type: type[Any]) -> Model:
        """Return a verified model: size and sha256 of every file as registered.

        Its parameters are of the type asked for or, where that has a method ``opened(files)``,
        what this returns for the further files.
        """
        stored = self._find(name, which)
        return Model(stored.manifest.ref, opened(self._verified(stored), parameters_type))

    def aliases(self, name: str) -> dict[str, str]:
        """Return alias -> version."""
        return self._store.aliases(name) if is_name(name) else {}

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
        manifest = self._intact(name, which)

        def move(state: Aliases) -> AliasChange | None:
            if state.aliases.get(alias) == manifest.version:
                return None
            return self._change(state, "set", alias, manifest.version, by, reason, evidence)

        self._store.change(name, move)
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
        manifest = self.resolve(name, CHAMPION)

        def go_back(state: Aliases) -> AliasChange:
            nonlocal manifest
            if not state.replaced:
                raise UnknownModel(f"the champion of {name!r} replaced none; promote a version")
            manifest = self._intact(name, state.replaced[-1])
            return self._change(state, "rollback", CHAMPION, manifest.version, by, reason, {})

        self._store.change(name, go_back)
        return manifest

    def refuse(
        self,
        name: str,
        which: str,
        *,
        by: str = "",
        reason: str = "",
        evidence: Mapping[str, Any] = {},
    ) -> None:
        """Write into the audit log that a version was not made the champion, and why."""
        check_evidence(by, reason, evidence)
        version = self.resolve(name, which).version
        self._store.change(
            name,
            lambda state: self._change(state, "refused", CHAMPION, version, by, reason, evidence),
        )

    def history(self, name: str) -> list[AliasChange]:
        """Return the audit log: every change of an alias and every refusal, oldest first."""
        return self._store.history(name) if is_name(name) else []

    def _find(self, name: str, which: str) -> StoredVersion:
        if not is_name(name):
            raise UnknownModel(f"no model is named {name!r}")
        return self._store.find(name, which)

    def _intact(self, name: str, which: str) -> Manifest:
        """Return the manifest of a version whose files have all been read."""
        stored = self._find(name, which)
        self._verified(stored)
        return stored.manifest

    def _verified(self, stored: StoredVersion) -> dict[str, bytes]:
        files = stored.manifest.files
        check_size(files, self._limit, stored.folder)
        contents = {}
        for name, file in files.items():
            contents[name] = self._store.read_file(stored.folder, name, file.size_bytes)
            file.check(contents[name], f"{stored.folder}/{name}")
        return contents

    def _change(
        self,
        state: Aliases,
        action: Action,
        alias: str,
        after: str,
        by: str,
        reason: str,
        evidence: Mapping[str, Any],
    ) -> AliasChange:
        return AliasChange(
            sequence=state.sequence + 1,
            at=self._clock(),
            action=action,
            alias=alias,
            before=state.aliases.get(alias),
            after=after,
            by=by,
            reason=reason,
            evidence=dict(evidence),
        )
