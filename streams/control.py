"""Commands from the side: the one arrow against the stream, an ordinary Faust topic agent.

Every process reads every command (its control group is its own) and acts on what concerns it.
Commands are hints, at least once: a lost one delays what a timer would do anyway.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Kind = Literal[
    "model_promoted",
    "snooze",
    "feedback_applied",
    "configuration_reloaded",
    "retrain_requested",
]


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """One command on the ``control`` topic; the key is `command_id`."""

    command_id: Annotated[str, Meta(min_length=1, max_length=128)]
    kind: Kind
    name: str = ""
    arguments: dict[str, str] = {}


def parse(payload: bytes | None) -> Command | None:
    """Return the command, or None for what is not one (tombstones, newer kinds, noise)."""
    if not payload:
        return None
    try:
        return msgspec.json.decode(payload, type=Command)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
