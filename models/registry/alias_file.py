"""The aliases of a model in a folder: one small file replaced whole, and the log of every change.

``aliases.json`` decides. A change is written to ``aliases.jsonl`` first and takes effect with the
replacement of ``aliases.json``; a crash between the two leaves a line whose sequence number lies
ahead, which readers pass over and the next change removes. So the log holds exactly the changes
that happened.
"""

from pathlib import Path

import msgspec

from eddy.models.registry import durable
from eddy.models.registry.aliases import AliasChange, Aliases
from eddy.schemas.errors import DamagedModel

_LIMIT_BYTES = 1024 * 1024
_LOG_LIMIT_BYTES = 64 * 1024 * 1024


class AliasFile:
    """The aliases of one model; `apply` only under the model's lock."""

    def __init__(self, home: Path) -> None:
        self._file = home / "aliases.json"
        self._log = home / "aliases.jsonl"

    def read(self) -> Aliases:
        """Return the aliases in force; none where there is no file yet.

        Raises
        ------
        DamagedModel
            The file is not what this class writes.
        """
        try:
            content = durable.read_capped(self._file, _LIMIT_BYTES)
            return msgspec.json.decode(content, type=Aliases)
        except FileNotFoundError:
            return Aliases()
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise DamagedModel(f"{self._file}: {error}; its changes are in {self._log}") from error

    def history(self) -> list[AliasChange]:
        """Return the changes that took effect, oldest first."""
        limit = self.read().sequence
        changes = [_parse(line) for line in self._lines()]
        return [change for change in changes if change and change.sequence <= limit]

    def apply(self, change: AliasChange) -> Aliases:
        """Log the change, then let it take effect."""
        before = self.read()
        self._drop_unfinished(before.sequence)
        after = before.moved(change)
        durable.append(self._log, msgspec.json.encode(change) + b"\n")
        durable.replace(self._file, msgspec.json.encode(after) + b"\n")
        return after

    def _lines(self) -> list[bytes]:
        try:
            return durable.read_capped(self._log, _LOG_LIMIT_BYTES).splitlines(keepends=True)
        except FileNotFoundError:
            return []

    def _drop_unfinished(self, sequence: int) -> None:
        lines = self._lines()
        kept = len(lines)
        while kept and not _finished(lines[kept - 1], sequence):
            kept -= 1
        if kept < len(lines):
            durable.replace(self._log, b"".join(lines[:kept]))


def _finished(line: bytes, sequence: int) -> bool:
    change = _parse(line)
    return line.endswith(b"\n") and change is not None and change.sequence <= sequence


def _parse(line: bytes) -> AliasChange | None:
    try:
        return msgspec.json.decode(line, type=AliasChange)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
