"""The registry in MLflow: for teams that keep their models there, with its pages.

A version is a version of the registered model of that name. Its manifest is one of its tags, its
files are artifacts of the run it came from, which also shows parameters, metrics and, where there
is one, the model card (a ``.md`` file). Aliases are MLflow's own, and one moved in MLflow's page
is obeyed, though the audit log knows only of changes made here (see `mlflow_log`).

A version appears with the last call of `register`, whole; a crash before that loses it and leaves
a run nobody refers to. A crash while an alias changes loses the change or only its confirmation,
never a line of one that happened. Nothing from MLflow is ever executed: files are fetched, no
larger than the manifest says, and verified.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from eddy.models.artefact import MAX_ARTEFACT_BYTES
from eddy.models.judge import Model
from eddy.models.registry.files import all_files, check_size, eddy_version, opened
from eddy.models.registry.mlflow import runs as mlflow_runs
from eddy.models.registry.mlflow.changes import Changes, aliases_of
from eddy.models.registry.mlflow.client import EXISTS, again, answering, code, connect
from eddy.models.registry.mlflow.files import Files, LocalFiles, ServedFiles, check_served
from eddy.models.registry.mlflow.versions import (
    MADE_HERE,
    find,
    manifest_of,
    models_in,
    tags_of,
    versions_of,
)
from eddy.models.registry.registry import (
    CHAMPION,
    AliasChange,
    File,
    Manifest,
    Training,
    check_alias,
    check_evidence,
    check_name,
    is_name,
)
from eddy.schemas.errors import Unavailable, UnknownModel


class MlflowRegistry:
    """A `eddy.models.registry.registry.Registry` in an MLflow server or its database.

    Nothing is imported, opened or asked before the first call.

    Parameters
    ----------
    uri : str
        ``http://host:port``, ``https://...``, or ``sqlite:////absolute/path.db`` for the database
        itself; the files are then in ``artifacts`` beside it.
    clock : callable
        Gives the time in UTC; stamps versions and changes.
    max_artefact_bytes : int
        Versions whose files are together larger are neither registered nor loaded.
    """

    def __init__(
        self,
        uri: str,
        clock: Callable[[], datetime],
        *,
        max_artefact_bytes: int = MAX_ARTEFACT_BYTES,
    ) -> None:
        self._uri = uri
        self._clock = clock
        self._limit = max_artefact_bytes
        self._database = Path(uri.removeprefix("sqlite:///")) if uri.startswith("sqlite:") else None
        self._files: Files = (
            LocalFiles(self._database.parent / "artifacts") if self._database else ServedFiles(uri)
        )
        self._connected: Any = None

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
            A name cannot be used, the files are larger than allowed, or there is more to say
            about the training than fits.
        Unavailable
            The server does not answer, or takes no changes.
        """
        check_name(name)
        contents = all_files(name, artefact, files, self._limit)
        manifest = Manifest(
            name=name,
            version="0",  # MLflow counts
            files={file: File.of(content) for file, content in contents.items()},
            created_at=self._clock(),
            training=training,
            metrics=dict(metrics),
            eddy_version=eddy_version(),
        )
        tags = tags_of(manifest)
        with answering(self._uri):
            client = self._client(writing=True)
            self._make_model(client, name)
            run = mlflow_runs.start(client, manifest, artifacts_are_ours=self._database is not None)
            place = f"{run.info.artifact_uri}/model"
            check_served(place)
            for file, content in contents.items():
                self._files.put(place, file, content)
            mlflow_runs.finish(client, run, manifest, contents)
            version = again(
                client.create_model_version,
                name,
                place,
                run.info.run_id,
                tags=tags,
                description=mlflow_runs.card(contents),
                await_creation_for=0,
            )
        return str(version.version)

    def names(self) -> list[str]:
        """Return the names of the models, sorted."""
        if self._is_absent():
            return []
        with answering(self._uri):
            return models_in(self._client())

    def versions(self, name: str) -> list[str]:
        """Return the versions of `name`, oldest first; none where the name is not known."""
        if not is_name(name) or self._is_absent():
            return []
        with answering(self._uri):
            return versions_of(self._client(), name)

    def resolve(self, name: str, which: str) -> Manifest:
        """Return the manifest of a version, an alias or "latest", in one call."""
        return manifest_of(self._version(name, which), name)

    def load(self, name: str, which: str, parameters_type: type[Any]) -> Model:
        """Return a verified model: every file as registered, parameters of the type asked for."""
        version = self._version(name, which)
        manifest = manifest_of(version, name)
        return Model(manifest.ref, opened(self._verified(version, manifest), parameters_type))

    def aliases(self, name: str) -> dict[str, str]:
        """Return alias -> version."""
        if not is_name(name) or self._is_absent():
            return {}
        try:
            with answering(self._uri):
                return aliases_of(self._client().get_registered_model(name))
        except UnknownModel:
            return {}

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
        changes = self._changes(name)
        if not changes.is_already(alias, manifest.version):
            changes.make(
                alias,
                manifest.version,
                action="set",
                at=self._clock(),
                by=by,
                reason=reason,
                evidence=evidence,
            )
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
        changes = self._changes(name)
        if not changes.replaced:
            raise UnknownModel(f"the champion of {name!r} replaced none; promote a version")
        manifest = self._intact(name, changes.replaced[-1])
        changes.make(
            CHAMPION,
            manifest.version,
            action="rollback",
            at=self._clock(),
            by=by,
            reason=reason,
            evidence={},
        )
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
        version = self.resolve(name, which).version
        changes = self._changes(name)
        return changes.make(
            CHAMPION,
            version,
            action="refused",
            at=self._clock(),
            by=by,
            reason=reason,
            evidence=evidence,
        )

    def history(self, name: str) -> list[AliasChange]:
        """Return the audit log: every change of an alias and every refusal, oldest first."""
        if not is_name(name) or self._is_absent():
            return []
        try:
            return self._changes(name).made
        except UnknownModel:
            return []

    def _client(self, *, writing: bool = False) -> Any:
        if self._connected is None:
            if self._database and writing:
                self._database.parent.mkdir(parents=True, exist_ok=True)
            self._connected = connect(self._uri)
        return self._connected

    def _is_absent(self) -> bool:
        """Whether there is no database yet; MLflow would make one where it only should read."""
        return self._database is not None and not self._database.exists()

    def _changes(self, name: str) -> Changes:
        with answering(self._uri):
            return Changes(self._uri, self._client(), name)

    def _make_model(self, client: Any, name: str) -> None:
        try:
            with answering(self._uri):
                again(client.create_registered_model, name, tags=MADE_HERE)
        except Unavailable as error:
            if code(error) != EXISTS:
                raise

    def _version(self, name: str, which: str) -> Any:
        """Return MLflow's version."""
        if not is_name(name) or self._is_absent():
            raise UnknownModel(f"no model is named {name!r} in {self._uri}")
        with answering(self._uri):
            return find(self._client(), name, which)

    def _intact(self, name: str, which: str) -> Manifest:
        """Return the manifest of a version whose files have all been read."""
        version = self._version(name, which)
        manifest = manifest_of(version, name)
        self._verified(version, manifest)
        return manifest

    def _verified(self, version: Any, manifest: Manifest) -> dict[str, bytes]:
        where = f"{manifest.name} {manifest.version}"
        check_size(manifest.files, self._limit, where)
        contents = {}
        for name, file in manifest.files.items():
            contents[name] = self._files.get(version.source, name, file.size_bytes)
            file.check(contents[name], f"{name} of {where}")
        return contents
