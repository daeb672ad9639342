"""Text that came with events, made harmless: control characters never reach a terminal."""

import re
from typing import Any, TypeVar

import msgspec

Struct = TypeVar("Struct", bound=msgspec.Struct)

# C0 without tab and line feed, DEL, C1, and what turns the direction of text.
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def plain(text: str) -> str:
    r"""Return a text in which control characters are written out.

    Examples
    --------
    >>> plain("ride \x1b[2J")
    'ride \\x1b[2J'
    """
    return _CONTROLS.sub(lambda match: _written_out(match[0]), text)


def harmless(struct: Struct) -> Struct:
    """Return a struct whose texts hold no control characters."""
    return msgspec.convert(_harmless(msgspec.to_builtins(struct)), type(struct))


def _harmless(value: Any) -> Any:
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, dict):
        return {plain(key): _harmless(inner) for key, inner in value.items()}
    return [_harmless(inner) for inner in value] if isinstance(value, list) else value


def _written_out(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def escape_json(text: bytes) -> bytes:
    """Return JSON in which control characters are escaped, so that it means the same."""
    escape = lambda match: f"\\u{ord(match[0]):04x}"  # noqa: E731 - one line of glue
    return _CONTROLS.sub(escape, text.decode(errors="replace")).encode()
