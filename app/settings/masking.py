"""The settings as they are shown: secrets masked, the paths of their files not."""

from collections.abc import Iterator
from dataclasses import asdict, is_dataclass
from typing import Any

from eddy.app.settings.model import Settings

MASK = "********"
_SECRET_WORDS = ("password", "secret", "token", "private", ".key")


def flatten(settings: Settings) -> Iterator[tuple[str, Any]]:
    """Yield every setting as (dotted name, value), secrets masked."""
    for name in type(settings).model_fields:
        yield from _flatten(name, getattr(settings, name))


def _flatten(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _flatten(f"{name}.{key}", inner)
    elif value not in (None, "") and is_secret(name):
        yield name, MASK
    else:
        yield name, value


def is_secret(name: str) -> bool:
    """Whether a setting holds a secret itself, and not the path of its file."""
    return not name.endswith("_file") and any(word in name for word in _SECRET_WORDS)
