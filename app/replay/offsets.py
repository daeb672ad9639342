"""Offsets as people give them: a number for every partition, or a time."""

from datetime import datetime

from eddy.schemas.errors import ConfigError
from eddy.streams.reading import TopicReader


def offsets(reader: TopicReader, topic: str, given: str | None) -> dict[int, int]:
    """Return by partition the offset that `given` means; nothing where nothing is given.

    Raises
    ------
    ConfigError
        Where it is neither an offset nor an RFC 3339 time.
    """
    if given is None:
        return {}
    if given.isdecimal():
        return dict.fromkeys(reader.ranges(topic), int(given))
    return reader.offsets_at(topic, round(moment(given, "--from/--to").timestamp() * 1e3))


def moment(given: str, option: str) -> datetime:
    """Return an RFC 3339 time.

    Raises
    ------
    ConfigError
        Where it is none, or has no offset from UTC.
    """
    try:
        time = datetime.fromisoformat(given)
    except ValueError as error:
        raise ConfigError(f"{option} {given!r}: not an RFC 3339 time") from error
    if time.tzinfo is None:
        raise ConfigError(f"{option} {given!r}: a time needs an offset such as Z")
    return time
