"""The rejection: a record that cannot become an event, set aside whole and with its reason."""

from typing import Literal, get_args

import msgspec

Reason = Literal[
    "empty",
    "too_large",
    "malformed_json",
    "schema_violation",
    "card_number",
    "future_timestamp",
]
REASONS: tuple[str, ...] = get_args(Reason)

MAX_RECORD_BYTES = 64 * 1024


class Rejection(msgspec.Struct, frozen=True, kw_only=True):
    """One record set aside; published on ``rejections.<domain>`` under its original key.

    The value published is `payload`, byte for byte but for what looks like a card number (see
    `eddy.schemas.card_numbers.redacted`), as is the key; the other fields travel as headers
    (`reason`, `detail`, `topic`, `partition`, `offset`, `trace`).
    """

    reason: Reason
    detail: str
    topic: str
    partition: int
    offset: int
    key: bytes | None
    payload: bytes | None
    trace: str
