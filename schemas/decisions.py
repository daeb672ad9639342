"""The decision record: the features of a run of events as they were when they were judged.

One record of ``decisions.<domain>`` holds some thousand rows as columns, because a record for each
event would cost more than judging it. Labels are joined to these rows, so that a model learns from
what was known when the decision was made, and from nothing later.
"""

from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from schemas.anomalies import ModelRef

SCHEMA_VERSION = 1
MOST_ROWS = 2_000
"""Rows in one record: with fifteen features some 340 KB, well below what brokers take."""

_DTYPES = {
    "offsets": np.dtype("<i8"),
    "occurred_at": np.dtype("<i8"),
    "events": np.dtype("<u8"),
    "cards": np.dtype("<u8"),
    "features": np.dtype("<f8"),
    "scores": np.dtype("<f8"),
    "challenger_scores": np.dtype("<f8"),
}


class Decisions(msgspec.Struct, frozen=True, kw_only=True):
    """n rows of one partition, in offset order.

    Attributes
    ----------
    topic, partition
        Where the events stand.
    model, challenger : ModelRef
        Who scored.
    names : list of str
        Of the columns of `features`.
    offsets, occurred_at : ndarray of int64, shape (n,)
        Times in microseconds since 1970, UTC.
    events, cards : ndarray of uint64, shape (n,)
        `schemas.keys.hash_text` of event_id and card_token.
    features : ndarray of float64, shape (n, d)
        NaN where the event did not say.
    scores, challenger_scores : ndarray of float64, shape (n,)
        1.0 is the boundary; no challenger, no scores: shape (0,).
    """

    topic: str
    partition: int
    model: ModelRef
    challenger: ModelRef | None
    names: list[str]
    offsets: NDArray[np.int64]
    occurred_at: NDArray[np.int64]
    events: NDArray[np.uint64]
    cards: NDArray[np.uint64]
    features: NDArray[np.float64]
    scores: NDArray[np.float64]
    challenger_scores: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.offsets)


class _Packed(msgspec.Struct, frozen=True, kw_only=True):
    schema_version: Annotated[int, Meta(ge=1)] = SCHEMA_VERSION
    topic: str
    partition: int
    model: ModelRef
    challenger: ModelRef | None
    names: list[str]
    columns: dict[str, bytes]


def encode(decisions: Decisions) -> bytes:
    """Return the record as MessagePack; columns are little-endian, features row by row."""
    columns = {
        name: np.ascontiguousarray(getattr(decisions, name), dtype).tobytes()
        for name, dtype in _DTYPES.items()
    }
    return msgspec.msgpack.encode(
        _Packed(
            topic=decisions.topic,
            partition=decisions.partition,
            model=decisions.model,
            challenger=decisions.challenger,
            names=decisions.names,
            columns=columns,
        )
    )


def decode(record: bytes) -> Decisions:
    """Return what `encode` made a record of.

    Raises
    ------
    ValueError
        It is something else, cut short, or of a newer schema.
    """
    try:
        packed = msgspec.msgpack.decode(record, type=_Packed)
    except msgspec.MsgspecError as error:
        raise ValueError(f"not a decision record: {error}") from error
    if packed.schema_version > SCHEMA_VERSION:
        raise ValueError(f"a decision record of schema {packed.schema_version}: newer than this")
    if missing := _DTYPES.keys() - packed.columns.keys():
        raise ValueError(f"a decision record without {', '.join(sorted(missing))}")
    columns = {
        name: np.frombuffer(packed.columns[name], dtype) for name, dtype in _DTYPES.items()
    }
    n, d = len(columns["offsets"]), len(packed.names)
    if len(columns["features"]) != n * d:
        raise ValueError(f"a decision record of {n} rows that lacks features")
    columns["features"] = columns["features"].reshape(n, d)
    for name in ("occurred_at", "events", "cards", "scores"):
        if len(columns[name]) != n:
            raise ValueError(f"a decision record of {n} rows with {len(columns[name])} {name}")
    if len(columns["challenger_scores"]) not in (0, n):
        raise ValueError("a decision record with some challenger_scores only")
    return Decisions(
        topic=packed.topic,
        partition=packed.partition,
        model=packed.model,
        challenger=packed.challenger,
        names=packed.names,
        **columns,
    )
