"""What becomes of an event type's fields as columns; derived from the typed struct alone."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import msgspec
import numpy as np
from msgspec import inspect
from numpy.typing import NDArray

from eddy.schemas.fields import OCCURRED_AT, TIME, Field
from eddy.schemas.keys import NO_KEY, hash_text
from eddy.schemas.tables import build
from eddy.schemas.vectors import no_vectors, widened

MOST_FIELDS = 62  # one bit each in a signed word

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Program:
    """Which fields of an event type become columns, and what each of them takes.

    ==========================================  ===================================================
    ``occurred_at``: a required aware datetime  the timestamp
    float or int, nullable or not               a number column; NaN for null
    str, or a Literal of strings                checked only; with ``Meta(extra={"column": "key"})``
                                                a column of 64-bit hashes, 0 for null
    str or int                                  a label: checked only
    list of floats with a ``max_length``,       the vectors; one field at most
    nullable or not, none or ``[]`` by default
    anything else (other lists, structs, bool)  no column, and a record that carries the field is
                                                left to the strict decoder
    ==========================================  ===================================================

    Left to the strict decoder too, though their columns are kept: fields with a `pattern` or a
    `multiple_of`, and every record of a type with ``__post_init__``, whose rules no table holds.
    A str with ``Meta(extra={"refuse": "card_number"})`` is checked for card numbers as well.

    Attributes
    ----------
    event_type : type
        The typed struct.
    fields : tuple of Field
        All its fields, in its order.
    numbers, keys : tuple of str
        The names of the columns of `Columns.values` and `Columns.keys`.
    vector : str, optional
        The name of the field of `Columns.vectors`.
    longest_vector : int
        How many numbers it holds at most; 0 where there is no such field.
    table : ndarray of uint64, shape (words,)
        The same for the compiled decoder, all in one piece.

    Examples
    --------
    >>> from eddy.schemas.rides import Ride
    >>> Program.of(Ride).numbers
    ('distance_km', 'duration_s', 'fare', 'passengers')
    """

    event_type: type[msgspec.Struct]
    fields: tuple[Field, ...]
    numbers: tuple[str, ...]
    keys: tuple[str, ...]
    vector: str | None
    longest_vector: int
    table: NDArray[np.uint64]

    @classmethod
    def of(cls, event_type: type[msgspec.Struct]) -> "Program":
        """Derive the program of an event type.

        Raises
        ------
        TypeError
            Where the type has no ``occurred_at``, or asks for what a JSON object whose unknown
            fields are ignored cannot give.
        """
        return _program(event_type)


@dataclass(slots=True)
class Columns:
    """A batch of records of one event type; a row that is not valid means nothing.

    Attributes
    ----------
    occurred_at : ndarray of int64, shape (n,)
        Microseconds since 1970, UTC.
    values : ndarray of float64, shape (n, k)
        The fields of `Program.numbers`; NaN for null and for absent without a default.
    keys : ndarray of uint64, shape (n, m)
        `hash_text` of the fields of `Program.keys`; 0 for null and absent likewise.
    valid : ndarray of bool, shape (n,)
        Whether the record became an event.
    vectors : ndarray of float64, shape (n, w)
        The field `Program.vector`, `w` the greatest length among the valid rows; NaN behind what a
        row holds. By default, and where no row holds any, (n, 0).
    """

    occurred_at: NDArray[np.int64]
    values: NDArray[np.float64]
    keys: NDArray[np.uint64]
    valid: NDArray[np.bool_]
    vectors: NDArray[np.float64] = field(default_factory=lambda: no_vectors(0))

    def __post_init__(self) -> None:
        if not self.vectors.size:
            self.vectors = no_vectors(len(self.valid))

    def __len__(self) -> int:
        return len(self.valid)

    @classmethod
    def blank(cls, program: Program, n: int) -> "Columns":
        """Return `n` rows that hold what absent fields mean; none is valid yet."""
        numbers = [member.default for member in program.fields if member.is_number]
        keys = [_key(member.default) for member in program.fields if member.is_key]
        return cls(
            occurred_at=np.zeros(n, np.int64),
            values=np.tile(np.array(numbers, np.float64), (n, 1)),  # None becomes NaN
            keys=np.tile(np.array(keys, np.uint64), (n, 1)),
            valid=np.zeros(n, np.bool_),
        )

    def fill(self, rows: Sequence[int], events: Sequence[msgspec.Struct], program: Program) -> None:
        """Write decoded events, their times in UTC, into rows and make these valid."""
        self.occurred_at[rows] = [_micros(getattr(event, OCCURRED_AT)) for event in events]
        for k, name in enumerate(program.numbers):
            numbers = [_known(getattr(event, name)) for event in events]
            self.values[rows, k] = np.array(numbers, np.float64)  # None becomes NaN
        for k, name in enumerate(program.keys):
            self.keys[rows, k] = [_key(_known(getattr(event, name))) for event in events]
        if program.vector is not None:
            self._fill_vectors(rows, [getattr(event, program.vector) or () for event in events])
        self.valid[rows] = True

    def _fill_vectors(self, rows: Sequence[int], vectors: Sequence[Sequence[float]]) -> None:
        width = max(map(len, vectors), default=0)
        if width > self.vectors.shape[1]:
            self.vectors = widened(self.vectors, width)
        for row, vector in zip(rows, vectors, strict=True):
            self.vectors[row] = np.nan
            self.vectors[row, : len(vector)] = vector


def _known(value: Any) -> Any:
    return None if value is msgspec.UNSET else value


def _micros(moment: datetime) -> int:
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def _key(text: str | None) -> int:
    return NO_KEY if text is None else hash_text(text)


@lru_cache
def _program(event_type: type[msgspec.Struct]) -> Program:
    info = inspect.type_info(event_type)
    name = event_type.__name__
    if not isinstance(info, inspect.StructType):
        raise TypeError(f"{name} is no msgspec Struct")
    if info.array_like or info.tag is not None or info.forbid_unknown_fields:
        raise TypeError(f"{name}: array_like, tag and forbid_unknown_fields are not supported")
    if len(info.fields) > MOST_FIELDS:
        raise TypeError(f"{name}: more than {MOST_FIELDS} fields")
    fields = tuple(Field.of(member) for member in info.fields)
    if not any(member.takes & TIME for member in fields):
        raise TypeError(f"{name}: wants a required field {OCCURRED_AT}: datetime, Meta(tz=True)")
    vectors = [member for member in fields if member.is_vector]
    if len(vectors) > 1:
        raise TypeError(f"{name}: only one field can be a vector, not {len(vectors)}")
    return Program(
        event_type=event_type,
        fields=fields,
        numbers=tuple(member.name for member in fields if member.is_number),
        keys=tuple(member.name for member in fields if member.is_key),
        vector=vectors[0].name if vectors else None,
        longest_vector=vectors[0].longest if vectors else 0,
        table=build(fields, all_strict=hasattr(event_type, "__post_init__")),
    )
