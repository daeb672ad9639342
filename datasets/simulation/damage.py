"""Records that are no events: ways to break a JSON payload, and how they must be rejected."""

import json
from collections.abc import Callable
from typing import Any

from eddy.schemas.rejections import MAX_RECORD_BYTES, Reason


def _truncated(payload: bytes, _field: str) -> bytes:
    return payload[: len(payload) // 2]


def _not_json(payload: bytes, _field: str) -> bytes:
    return b"\xfe\xff\x00" + payload[:16]


def _empty(_payload: bytes, _field: str) -> bytes:
    return b""


def _too_large(payload: bytes, _field: str) -> bytes:
    return _with(payload, padding="x" * MAX_RECORD_BYTES)


def _missing_field(payload: bytes, field: str) -> bytes:
    fields = json.loads(payload)
    del fields[field]
    return json.dumps(fields).encode()


def _wrong_type(payload: bytes, field: str) -> bytes:
    return _with(payload, **{field: "far"})


def _not_finite(payload: bytes, field: str) -> bytes:
    return _with(payload, **{field: float("nan")})  # NaN is no JSON, though many write it


def _out_of_range(payload: bytes, field: str) -> bytes:
    return _with(payload, **{field: 1e30})


def _with(payload: bytes, **fields: Any) -> bytes:
    return json.dumps({**json.loads(payload), **fields}).encode()


DAMAGES: dict[str, tuple[Callable[[bytes, str], bytes], Reason]] = {
    "truncated": (_truncated, "malformed_json"),
    "not_json": (_not_json, "malformed_json"),
    "not_finite": (_not_finite, "malformed_json"),
    "empty": (_empty, "empty"),
    "too_large": (_too_large, "too_large"),
    "missing_field": (_missing_field, "schema_violation"),
    "wrong_type": (_wrong_type, "schema_violation"),
    "out_of_range": (_out_of_range, "schema_violation"),
}


def damaged(payload: bytes, kind: str, field: str) -> bytes:
    """Return `payload` broken in the way `kind` names; `field` is a required number in it."""
    return DAMAGES[kind][0](payload, field)
