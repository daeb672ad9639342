"""A program as one block of memory, for the compiled decoder.

A header, a row for each field, then the spellings of choices. A spelling is a run of pairs: eight
bytes of the text with its closing quote, and the mask of those that count; a pair of zeros ends it.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from eddy.schemas.fields import Field

_HEADER = np.dtype(
    [
        ("fields", "<i8"),  # how many rows
        ("required", "<i8"),  # the bits of the fields that must be there
        ("lengths", "<i8"),  # bit k: some field's name has k characters
        ("row_bytes", "<i8"),
        ("spelling_bytes", "<i8"),
    ]
)
_ROW = np.dtype(
    [
        ("bit", "<i8"),  # one bit for each field
        ("state", "<i8"),  # where the decoder remembers what came behind this field, in bytes
        ("takes", "<i8"),  # `Field.takes`
        ("column", "<i8"),  # where in the column's array the field goes, in bytes; -1 for nowhere
        ("low", "<f8"),
        ("high", "<f8"),
        ("shortest", "<i8"),
        ("longest", "<i8"),
        ("choices", "<i8"),  # how many
        ("first_choice", "<i8"),  # where its spelling starts, in bytes from the header
        ("name_length", "<i8"),
    ]
)

HEADER_BYTES, NAME = _HEADER.itemsize, _ROW.itemsize
"""Where the rows start in the table, and the name's spelling in a row; in bytes."""
FIELDS, REQUIRED, LENGTHS, ROW_BYTES, SPELLING_BYTES = range(0, HEADER_BYTES, 8)
BIT, STATE, TAKES, COLUMN, LOW, HIGH, SHORTEST, LONGEST, CHOICES, FIRST_CHOICE, NAME_LENGTH = range(
    0, NAME, 8
)

LONGEST_SHOWN = 62
"""Longer names share the last bit of ``lengths``."""


def build(fields: Sequence[Field], *, all_strict: bool) -> NDArray[np.uint64]:
    """Return the table of a program; `all_strict` makes no field readable for the fast path."""
    choices = [choice for field in fields for choice in field.choices]
    spellings = _spell([field.json_name for field in fields] + choices)
    names, spelled_choices = spellings[: len(fields)], spellings[len(fields) :]
    rows = _rows(fields, all_strict=all_strict)
    spelling_bytes = 8 * spellings.shape[1]
    before = np.cumsum([0] + [len(field.choices) for field in fields[:-1]])
    rows["first_choice"] = HEADER_BYTES + rows.nbytes + names.nbytes + before * spelling_bytes
    header = np.zeros(1, _HEADER)
    header["fields"] = len(fields)
    header["required"] = sum(1 << k for k, field in enumerate(fields) if field.required)
    header["lengths"] = sum({1 << min(len(field.json_name), LONGEST_SHOWN) for field in fields})
    header["row_bytes"] = NAME + spelling_bytes
    header["spelling_bytes"] = spelling_bytes
    named = np.hstack([rows.view("<u8").reshape(len(fields), -1), names])
    return np.concatenate([header.view("<u8"), named.ravel(), spelled_choices.ravel()])


def _rows(fields: Sequence[Field], *, all_strict: bool) -> NDArray[np.void]:
    rows = np.zeros(len(fields), _ROW)
    columns = {"number": 0, "key": 0, "none": -1}
    for k, (row, field) in enumerate(zip(rows, fields, strict=True)):
        kind = "number" if field.is_number else "key" if field.is_key else "none"
        row["column"] = columns[kind]
        columns[kind] += 0 if kind == "none" else 8
        row["bit"] = 1 << k
        row["state"] = 16 * (k + 1)
        row["takes"] = 0 if all_strict else field.takes
        row["choices"] = len(field.choices)
        row["name_length"] = len(field.json_name)
        for name in ("low", "high", "shortest", "longest"):
            row[name] = getattr(field, name)
    return rows


def _spell(texts: Sequence[str]) -> NDArray[np.uint64]:
    """Return the spelling of each text as a row of words, all equally long."""
    closed = [text.encode() + b'"' for text in texts]
    pairs = -(-max(map(len, closed)) // 8) + 1
    spelled = np.zeros((len(closed), pairs, 2), "<u8")
    for row, text in zip(spelled, closed, strict=True):
        row[:, 0] = np.frombuffer(text.ljust(8 * pairs, b"\0"), "<u8")
        row[:, 1] = np.frombuffer((b"\xff" * len(text)).ljust(8 * pairs, b"\0"), "<u8")
    return spelled.reshape(len(closed), -1)
