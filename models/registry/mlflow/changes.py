"""Changing an alias in MLflow, with its line in `eddy.models.registry.mlflow.log`."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from eddy.models.registry.aliases import next_change
from eddy.models.registry.mlflow.client import again, answering
from eddy.models.registry.mlflow.log import AuditLog, encode
from eddy.models.registry.registry import Action, AliasChange
from eddy.schemas.errors import Unavailable

_TRIES = 20


class Changes:
    """The aliases of one model and their log, as they are when this is made.

    Parameters
    ----------
    uri : str
        Names the registry in errors.
    client : MlflowClient
    name : str
        The model's name.
    """

    def __init__(self, uri: str, client: Any, name: str) -> None:
        self._uri = uri
        self._client = client
        self._name = name
        self._aliases, self._log = self._read()

    @property
    def made(self) -> list[AliasChange]:
        """Changes and refusals, oldest first."""
        return self._log.changes

    @property
    def replaced(self) -> list[str]:
        """Earlier champions, oldest first."""
        return self._log.state.replaced

    def is_already(self, alias: str, version: str) -> bool:
        """Whether `alias` points at `version`, and the log knows it."""
        return self._aliases.get(alias) == self._log.state.aliases.get(alias) == version

    def make(
        self,
        alias: str,
        after: str,
        *,
        action: Action,
        at: datetime,
        by: str,
        reason: str,
        evidence: Mapping[str, Any],
    ) -> AliasChange:
        """Log a change, let it take effect, and say in the log that it did; or log a refusal."""
        change = next_change(
            self._log.state,
            alias,
            after,
            action=action,
            at=at,
            by=by,
            reason=reason,
            evidence=evidence,
        )
        with answering(self._uri):
            for key, left in self._log.unconfirmed().items():
                self._write(key, left, is_confirmed=True)
            key, refused = self._log.next_key(), action == "refused"
            self._write(key, change, is_confirmed=refused)
            if not refused:
                self._follow(alias, after)
                self._write(key, change, is_confirmed=True)
        return change

    def _follow(self, alias: str, version: str) -> None:
        """Point the alias at what the last line about it says, whoever wrote that.

        So of writers at the same time the one that looks last leaves alias and log agreeing.
        """
        for _ in range(_TRIES):
            again(self._client.set_registered_model_alias, self._name, alias, version)
            wanted = self._read()[1].target(alias)
            if wanted in (None, version):
                return
            version = str(wanted)
        raise Unavailable(f"{self._uri}: others keep changing {alias!r} of {self._name!r}")

    def _write(self, key: str, change: AliasChange, *, is_confirmed: bool) -> None:
        line = encode(change, is_confirmed=is_confirmed)
        again(self._client.set_registered_model_tag, self._name, key, line)

    def _read(self) -> tuple[dict[str, str], AuditLog]:
        model = self._client.get_registered_model(self._name)
        aliases = aliases_of(model)
        return aliases, AuditLog(model.tags, aliases)


def aliases_of(model: Any) -> dict[str, str]:
    """Return alias -> version of a registered model; a database counts in numbers."""
    return {alias: str(version) for alias, version in sorted(model.aliases.items())}
