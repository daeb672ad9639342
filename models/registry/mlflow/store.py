"""The registry in MLflow: for teams that keep their models there, with its pages.

A version is a version of the registered model of that name. Its manifest is one of its tags, its
files are artifacts of the run it came from, which also shows parameters, metrics and, where there
is one, the model card (a ``.md`` file). Aliases are MLflow's own, and one moved in MLflow's page
is obeyed, though the audit log knows only of changes made here (see
`eddy.models.registry.mlflow.log`).

A version appears with the last call of `add`, whole; a crash before that loses it and leaves
a run nobody refers to. A crash while an alias changes loses the change or only its confirmation,
never a line of one that happened. Nothing from MLflow is ever executed: files are fetched, no
larger than the manifest says, and verified.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from eddy.models.registry.aliases import AliasChange
from eddy.models.registry.manifest import Manifest
from eddy.models.registry.mlflow import runs
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
from eddy.models.registry.store import Proposal, StoredVersion
from eddy.schemas.errors import Unavailable, UnknownModel


class MlflowStore:
    """Versions and aliases in an MLflow server or its database.

    Nothing is imported, opened or asked before the first call.

    Parameters
    ----------
    uri : str
        ``http://host:port``, ``https://...``, or ``sqlite:////absolute/path.db`` for the database
        itself; the files are then in ``artifacts`` beside it.
    """

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._database = Path(uri.removeprefix("sqlite:///")) if uri.startswith("sqlite:") else None
        self._files: Files = (
            LocalFiles(self._database.parent / "artifacts") if self._database else ServedFiles(uri)
        )
        self._connected: Any = None

    def names(self) -> list[str]:
        """Return the names of the models that have versions, sorted."""
        if self._is_absent():
            return []
        with answering(self._uri):
            return models_in(self._client())

    def versions(self, name: str) -> list[str]:
        """Return the versions of a model, oldest first; none where the name is not known."""
        if self._is_absent():
            return []
        with answering(self._uri):
            return versions_of(self._client(), name)

    def find(self, name: str, which: str) -> StoredVersion:
        """Return what `which`, a version, an alias or "latest", means, in one call."""
        if self._is_absent():
            raise UnknownModel(f"no model is named {name!r} in {self._uri}")
        with answering(self._uri):
            version = find(self._client(), name, which)
        return StoredVersion(manifest_of(version, name), version.source)

    def read_file(self, folder: str, file: str, limit_bytes: int) -> bytes:
        """Return a file of a version."""
        return self._files.get(folder, file, limit_bytes)

    def add(self, manifest: Manifest, contents: Mapping[str, bytes]) -> str:
        """Keep a version for good; return the number that MLflow gave it.

        Raises
        ------
        ConfigError
            There is more to say about the training than fits.
        Unavailable
            The server does not answer, or takes no changes.
        """
        tags = tags_of(manifest)
        with answering(self._uri):
            client = self._client(writing=True)
            self._make_model(client, manifest.name)
            run = runs.start(client, manifest, artifacts_are_ours=self._database is not None)
            folder = f"{run.info.artifact_uri}/model"
            check_served(folder)
            for file, content in contents.items():
                self._files.put(folder, file, content)
            runs.finish(client, run, manifest, contents)
            version = again(
                client.create_model_version,
                manifest.name,
                folder,
                run.info.run_id,
                tags=tags,
                description=runs.card(contents),
                await_creation_for=0,
            )
        return str(version.version)

    def aliases(self, name: str) -> dict[str, str]:
        """Return alias -> version."""
        if self._is_absent():
            return {}
        try:
            with answering(self._uri):
                return aliases_of(self._client().get_registered_model(name))
        except UnknownModel:
            return {}

    def history(self, name: str) -> list[AliasChange]:
        """Return every change of an alias that took effect and every refusal, oldest first."""
        if self._is_absent():
            return []
        try:
            with answering(self._uri):
                return Changes(self._uri, self._client(), name).log.changes
        except UnknownModel:
            return []

    def change(self, name: str, propose: Proposal) -> AliasChange | None:
        """Log a change, let it take effect, and say in the log that it did."""
        with answering(self._uri):
            return Changes(self._uri, self._client(), name).make(propose)

    def _client(self, *, writing: bool = False) -> Any:
        if self._connected is None:
            if self._database and writing:
                self._database.parent.mkdir(parents=True, exist_ok=True)
            self._connected = connect(self._uri)
        return self._connected

    def _is_absent(self) -> bool:
        """Whether there is no database yet; MLflow would make one where it only should read."""
        return self._database is not None and not self._database.exists()

    def _make_model(self, client: Any, name: str) -> None:
        try:
            with answering(self._uri):
                again(client.create_registered_model, name, tags=MADE_HERE)
        except Unavailable as error:
            if code(error) != EXISTS:
                raise
