"""The decision record: the features of a run of events as they were when they were judged.

One record of ``decisions.<domain>`` holds some thousand rows as columns, because a record for each
event would cost more than judging it. Labels are joined to these rows, so that a model learns from
what was known when the decision was made, and from nothing later.
"""

from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from eddy.schemas.anomalies import ModelRef

SCHEMA_VERSION = 1
MOST_ROWS = 2_000
"""Rows in one record: with fifteen features some 340 KB, well below what brokers take."""

_DTYPES = {
    "offsets": "<i8",
    "occurred_at": "<i8",
    "events": "<u8",
    "cards": "<u8",
    "features": "<f8",
    "scores": "<f8",
    "challenger_scores": "<f8",
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
        `eddy.schemas.keys.hash_text` of event_id and card_token.
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


class _Version(msgspec.Struct, frozen=True, kw_only=True):
    schema_version: Annotated[int, Meta(ge=1)]


class _Packed(_Version, frozen=True, kw_only=True):
    topic: str
    partition: int
    model: ModelRef
    challenger: ModelRef | None
    names: list[str]
    columns: dict[str, bytes]


def encode(decisions: Decisions) -> bytes:
    """Return the record as MessagePack; columns are little-endian, features row by row.

    Raises
    ------
    ValueError
        The columns do not have the shapes that `Decisions` says.
    """
    _check_shapes(decisions)
    columns = {
        name: np.ascontiguousarray(getattr(decisions, name), dtype).tobytes()
        for name, dtype in _DTYPES.items()
    }
    return msgspec.msgpack.encode(
        _Packed(
            schema_version=SCHEMA_VERSION,
            topic=decisions.topic,
            partition=decisions.partition,
            model=decisions.model,
            challenger=decisions.challenger,
            names=decisions.names,
            columns=columns,
        )
    )


def decode(record: bytes) -> Decisions:
    """Return what `encode` made a record of; its columns are views into the record.

    Raises
    ------
    ValueError
        It is something else, cut short, or of a newer schema.
    """
    packed = _unpacked(record)
    n, d = len(packed.columns["offsets"]) // 8, len(packed.names)
    if len(packed.columns["features"]) != 8 * n * d:
        raise ValueError(f"a decision record whose features are not {n} rows of {d}")
    decisions = Decisions(
        topic=packed.topic,
        partition=packed.partition,
        model=packed.model,
        challenger=packed.challenger,
        names=packed.names,
        offsets=_column(packed, "offsets"),
        occurred_at=_column(packed, "occurred_at"),
        events=_column(packed, "events"),
        cards=_column(packed, "cards"),
        features=_column(packed, "features").reshape(n, d),
        scores=_column(packed, "scores"),
        challenger_scores=_column(packed, "challenger_scores"),
    )
    _check_shapes(decisions)
    return decisions


def _unpacked(record: bytes) -> _Packed:
    try:
        # first the version alone: a newer record may lack what this one must have
        version = msgspec.msgpack.decode(record, type=_Version).schema_version
        if version > SCHEMA_VERSION:
            raise ValueError(f"a decision record of schema {version}: newer than {SCHEMA_VERSION}")
        packed = msgspec.msgpack.decode(record, type=_Packed)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise ValueError(f"not a decision record: {error}") from error
    if missing := _DTYPES.keys() - packed.columns.keys():
        raise ValueError(f"a decision record without {', '.join(sorted(missing))}")
    return packed


def _column(packed: _Packed, name: str) -> NDArray[Any]:
    content = packed.columns[name]
    if len(content) % 8:
        raise ValueError(f"a decision record whose {name} are cut short")
    return np.frombuffer(content, _DTYPES[name])


def _check_shapes(decisions: Decisions) -> None:
    n = len(decisions)
    wanted: dict[str, tuple[int, ...]] = dict.fromkeys(_DTYPES, (n,)) | {
        "features": (n, len(decisions.names))
    }
    if not decisions.challenger_scores.size:
        wanted["challenger_scores"] = (0,)
    for name, shape in wanted.items():
        actual = getattr(decisions, name).shape
        if actual != shape:
            raise ValueError(f"a decision record of {n} rows with {name} of shape {actual}")
