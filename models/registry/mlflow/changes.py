"""Changing an alias in MLflow, with its line in `eddy.models.registry.mlflow.log`."""

from typing import Any

import msgspec

from eddy.models.registry.aliases import AliasChange
from eddy.models.registry.mlflow.client import again
from eddy.models.registry.mlflow.log import AuditLog, encode
from eddy.models.registry.store import Proposal
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

    Attributes
    ----------
    log : AuditLog
        Changes and refusals.
    """

    def __init__(self, uri: str, client: Any, name: str) -> None:
        self._uri = uri
        self._client = client
        self._name = name
        self._aliases, self.log = self._read()

    def make(self, propose: Proposal) -> AliasChange | None:
        """Log a change, let it take effect, and say in the log that it did; or log a refusal."""
        state = self.log.state
        change = propose(msgspec.structs.replace(state, aliases=self._agreed()))
        if change is None:
            return None
        change = msgspec.structs.replace(change, before=state.aliases.get(change.alias))
        for key, unconfirmed in self.log.unconfirmed().items():
            self._write(key, unconfirmed, is_confirmed=True)
        key, is_refusal = self.log.next_key(), change.action == "refused"
        self._write(key, change, is_confirmed=is_refusal)
        if not is_refusal:
            self._follow(change.alias, change.after)
            self._write(key, change, is_confirmed=True)
        return change

    def _agreed(self) -> dict[str, str]:
        """Return the aliases that are where the log says; others were moved in MLflow's page."""
        logged = self.log.state.aliases
        return {a: version for a, version in self._aliases.items() if logged.get(a) == version}

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
