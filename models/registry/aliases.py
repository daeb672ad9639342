"""Which version is in use, and one line of the log of how that changed."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

import msgspec

from eddy.models.registry.names import CHAMPION
from eddy.schemas.errors import ConfigError

MAX_LINE_BYTES = 4000  # of the audit log; MLflow's databases take 5000 characters
_MAX_REPLACED = 1000

Action = Literal["set", "rollback", "refused"]


class AliasChange(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the audit log: an alias moved from `before` to `after`, or was not let.

    Attributes
    ----------
    sequence : int
        Counts the lines of one model, from 1.
    action : str
        Where it is "refused", `alias` stayed at `before`; `after` is what it was not given.
    by, reason : str
        Who, and why.
    evidence : dict
        The figures it was decided on; plain values only.
    """

    sequence: int
    at: datetime
    action: Action
    alias: str
    before: str | None
    after: str
    by: str = ""
    reason: str = ""
    evidence: dict[str, Any] = {}


class Aliases(msgspec.Struct, frozen=True):
    """The content of ``aliases.json``.

    Attributes
    ----------
    sequence : int
        Number of the last change.
    aliases : dict of str to str
        Alias to version.
    replaced : list of str
        Earlier champions, oldest first; what `rollback` goes back through.
    """

    sequence: int = 0
    aliases: dict[str, str] = {}
    replaced: list[str] = []

    def moved(self, change: AliasChange) -> "Aliases":
        """Return what holds after `change`."""
        if change.action == "refused":
            return msgspec.structs.replace(self, sequence=change.sequence)
        replaced = self.replaced
        if change.action == "rollback":
            replaced = replaced[:-1]
        elif change.alias == CHAMPION and change.before not in (None, change.after):
            replaced = [*replaced, change.before][-_MAX_REPLACED:]
        aliases = {**self.aliases, change.alias: change.after}
        return Aliases(change.sequence, dict(sorted(aliases.items())), replaced)


def check_evidence(by: str, reason: str, evidence: Mapping[str, Any]) -> None:
    """Raise ConfigError unless who, why and on what figures fit into a line of the audit log."""
    size = len(msgspec.json.encode([by, reason, evidence]))
    if size > MAX_LINE_BYTES:
        raise ConfigError(f"the audit log takes {MAX_LINE_BYTES} bytes a line, not {size}")
