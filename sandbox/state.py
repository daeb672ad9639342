"""What a stack remembers of what it started, in one JSON file.

The file is replaced whole, so it is never half written; it is written after every single start
and end, so that a crash of ours leaves nothing running that the file does not name.
"""

from datetime import UTC, datetime
from pathlib import Path

import msgspec

from eddy.sandbox.processes import BackgroundProcess, ProcessId
from eddy.schemas.errors import ConfigError

VERSION = 2


class ProcessRecord(msgspec.Struct, frozen=True):
    """One process that was started."""

    name: str
    pid: int
    started: str
    since: datetime
    log: str
    argv: tuple[str, ...]
    ports: tuple[int, ...]
    stop_within_s: float

    @classmethod
    def of(cls, process: BackgroundProcess, started: ProcessId, log: Path) -> "ProcessRecord":
        """Note down what was just started."""
        return cls(
            name=process.name,
            pid=started.pid,
            started=started.started,
            since=datetime.now(UTC),
            log=str(log),
            argv=process.argv,
            ports=process.ports,
            stop_within_s=process.stop_within_s,
        )

    @property
    def id(self) -> ProcessId:
        """The process itself."""
        return ProcessId(self.pid, self.started)

    def is_of(self, process: BackgroundProcess) -> bool:
        """Whether it was started from this very description."""
        return (self.argv, self.ports) == (process.argv, process.ports)


class _File(msgspec.Struct, frozen=True):
    version: int
    processes: tuple[ProcessRecord, ...]


def read_state(path: Path) -> list[ProcessRecord]:
    """Return the records in `path`, in the order of the starts; none when there is no file.

    Raises
    ------
    ConfigError
        When the file is not one of ours.
    """
    try:
        file = msgspec.json.decode(path.read_bytes(), type=_File)
    except FileNotFoundError:
        return []
    except (msgspec.MsgspecError, OSError) as error:
        raise ConfigError(
            f"cannot read {path} ({error}); end the processes it names, then delete it"
        ) from error
    if file.version != VERSION:
        raise ConfigError(
            f"{path} was written by another version of eddy; end its stack with that version"
        )
    return list(file.processes)


def write_state(path: Path, records: list[ProcessRecord]) -> None:
    """Replace the file, or remove it when nothing is left to remember."""
    if not records:
        path.unlink(missing_ok=True)
        return
    partial = path.with_suffix(".partial")
    encoded = msgspec.json.encode(_File(VERSION, tuple(records)))
    partial.write_bytes(msgspec.json.format(encoded, indent=2))
    partial.replace(path)
