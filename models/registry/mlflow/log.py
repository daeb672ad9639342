"""The audit log of a model in MLflow: one tag of the registered model a line.

MLflow has no transactions over several calls and no locks, so nobody takes turns. A line is
written first, in one call, under a name of its own: the number after the highest one seen and a
few random digits. Lines sort by name; two writers that had seen the same lines are in the order
of their digits, for all readers alike. The alias follows, then the line is confirmed.
A crash before the alias moved leaves a line that everybody passes over; after it, a line that is
the last of its alias and says what the alias is, which counts, and the next writer confirms it.
"""

import re
import secrets
from collections.abc import Mapping

import msgspec

from eddy.models.registry.aliases import AliasChange, Aliases

_PREFIX = "eddy.log."
_KEY = re.compile(r"eddy\.log\.([0-9]{8})\.[0-9a-f]{8}")


class Line(msgspec.Struct, frozen=True):
    """The value of a tag.

    Attributes
    ----------
    is_confirmed : bool
        Whether its writer saw the alias follow.
    """

    change: AliasChange
    is_confirmed: bool


class AuditLog:
    """What the tags and aliases of a registered model say, read in one call.

    Parameters
    ----------
    tags : mapping of str to str
        Of the registered model; others than the log's are passed over.
    aliases : mapping of str to str
        Alias to version, as MLflow has them now.
    """

    def __init__(self, tags: Mapping[str, str], aliases: Mapping[str, str]) -> None:
        self._lines = {key: line for key in sorted(tags) if (line := _parse(key, tags[key]))}
        self._now = aliases
        self.state = Aliases()
        self.changes: list[AliasChange] = []
        for key, line in self._lines.items():
            if line.is_confirmed or self._took_effect(key, line):
                self._add(line.change)

    def next_key(self) -> str:
        """Return a name for the line after all of these."""
        highest = max((int(key.split(".")[2]) for key in self._lines), default=0)
        return f"{_PREFIX}{highest + 1:08d}.{secrets.token_hex(4)}"

    def target(self, alias: str) -> str | None:
        """Return the version that the last line about `alias` wants, confirmed or not."""
        wanted = [line.change.after for line in self._lines.values() if _moves(line, alias)]
        return wanted[-1] if wanted else None

    def unconfirmed(self) -> dict[str, AliasChange]:
        """Return the lines by name that took effect and whose writer did not get to say so."""
        return {
            key: line.change
            for key, line in self._lines.items()
            if not line.is_confirmed and self._took_effect(key, line)
        }

    def _took_effect(self, key: str, line: Line) -> bool:
        alias = line.change.alias
        about = [other for other, known in self._lines.items() if _moves(known, alias)]
        return about[-1:] == [key] and self._now.get(alias) == line.change.after

    def _add(self, change: AliasChange) -> None:
        change = msgspec.structs.replace(
            change,
            sequence=self.state.sequence + 1,
            before=self.state.aliases.get(change.alias),
        )
        self.state = self.state.moved(change)
        self.changes.append(change)


def encode(change: AliasChange, *, is_confirmed: bool) -> str:
    """Return the value of a line's tag."""
    return msgspec.json.encode(Line(change, is_confirmed)).decode()


def _moves(line: Line, alias: str) -> bool:
    return line.change.alias == alias and line.change.action != "refused"


def _parse(key: str, value: str) -> Line | None:
    if not _KEY.fullmatch(key):
        return None
    try:
        return msgspec.json.decode(value, type=Line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
