"""The compiled loop over one plain record: names, values, constraints.

Addresses are plain integers throughout. `end` is the first address behind the record, `table` that
of a program's table (see `eddy.schemas.tables`), `row` that of a field's row in it; `numbers` and
`hashes` are those of the record's rows in the columns, `components` that of where its vector's
numbers go, and `count` that of how many there are. Readers return the address behind what they have
read, or -1 for what is not plain.
"""

import numpy as np

from eddy.schemas.decoding.machine import (
    QUOTE,
    SPACE,
    ZERO,
    byte,
    compiled,
    read_float,
    read_int,
    store_float,
    store_int,
    store_word,
    word,
)
from eddy.schemas.decoding.numbers import EXACT, MINUS, NINE, number, to_float
from eddy.schemas.decoding.texts import closing_quote, hash_plain, may_be_card_number, spells
from eddy.schemas.decoding.timestamps import timestamp
from eddy.schemas.fields import CHOICE, FLOAT, INTEGER, KEY, NO_CARD, NULL, TEXT, TIME, VECTOR
from eddy.schemas.keys import NO_KEY
from eddy.schemas.tables import (
    BIT,
    CHOICES,
    COLUMN,
    FIELDS,
    FIRST_CHOICE,
    HEADER_BYTES,
    HIGH,
    LENGTHS,
    LONGEST,
    LONGEST_SHOWN,
    LOW,
    NAME,
    NAME_LENGTH,
    REQUIRED,
    ROW_BYTES,
    SHORTEST,
    SPELLING_BYTES,
    STATE,
    TAKES,
)

_OPEN, _CLOSE, _COMMA, _COLON, _LOWER_N = (ord(c) for c in "{},:n")
_OPEN_LIST, _CLOSE_LIST = (ord(c) for c in "[]")
_TAB, _LINE_FEED, _RETURN = 9, 10, 13

_NULL, _TRUE, _FALSE = (
    np.uint64(int.from_bytes(text, "little")) for text in (b"null", b"true", b"false")
)
_FOUR_BYTES, _FIVE_BYTES = np.uint64(2**32 - 1), np.uint64(2**40 - 1)
_NO_KEY = np.uint64(NO_KEY)


@compiled
def record(  # noqa: PLR0911 - each doubt leaves at once; kernels know no keywords
    at: int,
    end: int,
    table: int,
    follows: int,
    time: int,
    numbers: int,
    hashes: int,
    components: int,
    count: int,
) -> bool:
    """Read one record into its rows; False where it is not plain.

    `follows` remembers which field came behind which in the record before: producers write all
    records alike. Its first pair of words is for the start, pair k + 1 for what is behind field k;
    in each pair the second word is for what is behind an unknown field that came there.
    """
    seen = 0
    state = 0
    at = _space(at, end)
    if byte(at, end) != _OPEN:
        return False
    while True:
        at = _space(at + 1, end)  # behind the brace or the comma
        if byte(at, end) != QUOTE:
            return False
        at, row = _name(at + 1, end, table, follows + state)
        if at < 0:
            return False
        at = _space(at, end)
        if byte(at, end) != _COLON:
            return False
        at = _space(at + 1, end)
        if row == table:
            state |= 8
            at = _skip(at, end)
        else:
            bit = read_int(row + BIT)
            if seen & bit:
                return False
            seen |= bit
            state = read_int(row + STATE)
            at = _value(at, end, table, row, time, numbers, hashes, components, count)
        if at < 0:
            return False
        at = _space(at, end)
        here = byte(at, end)
        if here != _COMMA:
            break
    required = read_int(table + REQUIRED)
    return here == _CLOSE and seen & required == required and _space(at + 1, end) == end


@compiled
def _space(at: int, end: int) -> int:
    """Return the address of the first byte that is no JSON white space."""
    while at < end:
        here = byte(at, end)
        if here > SPACE:
            break
        if here not in (SPACE, _LINE_FEED, _RETURN, _TAB):
            break
        at += 1
    return at


@compiled
def _name(at: int, end: int, table: int, follower: int) -> tuple[int, int]:
    """Read a field's name, its closing quote and its row; `table` stands for an unknown field's.

    `follower` is the address of the word that remembers which row it was the last time.
    """
    row = table + read_int(follower)
    if row != table and spells(at, end, row + NAME):
        return at + read_int(row + NAME_LENGTH) + 1, row
    quote = closing_quote(at, end)
    if quote < 0:
        return -1, table
    row = _find(at, end, table, quote - at)
    store_int(follower, row - table)
    return quote + 1, row


@compiled
def _find(at: int, end: int, table: int, length: int) -> int:
    """Return the row of the field whose name stands at an address, `table` where there is none."""
    if not (read_int(table + LENGTHS) >> min(length, LONGEST_SHOWN)) & 1:
        return table
    row = table + HEADER_BYTES
    for _ in range(read_int(table + FIELDS)):
        if spells(at, end, row + NAME):
            return row
        row += read_int(table + ROW_BYTES)
    return table


@compiled
def _skip(at: int, end: int) -> int:
    """Read the value of an unknown field."""
    here = byte(at, end)
    if here == QUOTE:
        quote = closing_quote(at + 1, end)
        return quote + 1 if quote >= 0 else -1
    if here == MINUS or ZERO <= here <= NINE:
        return number(at, end)[0]
    letters = word(at, end)
    if letters & _FOUR_BYTES == _NULL or letters & _FOUR_BYTES == _TRUE:
        return at + 4
    return at + 5 if letters & _FIVE_BYTES == _FALSE else -1


@compiled
def _value(
    at: int,
    end: int,
    table: int,
    row: int,
    time: int,
    numbers: int,
    hashes: int,
    components: int,
    count: int,
) -> int:
    """Read a known field's value into its column."""
    here = byte(at, end)
    if here == QUOTE:
        if read_int(row + TAKES) & TIME:
            after, time_us = timestamp(at + 1, end)
            store_int(time, time_us)
            return after
        return _text(at + 1, end, table, row, hashes)
    if here == MINUS or ZERO <= here <= NINE:
        return _number(at, end, row, numbers)
    if here == _LOWER_N:
        return _null(at, end, row, numbers, hashes)
    if here == _OPEN_LIST:
        return _vector(at + 1, end, row, components, count)
    return -1


@compiled
def _text(at: int, end: int, table: int, row: int, hashes: int) -> int:
    takes = read_int(row + TAKES)
    quote = closing_quote(at, end)
    length = quote - at
    if takes & TEXT:
        fits = read_int(row + SHORTEST) <= length <= read_int(row + LONGEST)
    else:
        fits = takes & CHOICE != 0 and _is_choice(at, end, table, row)
    if quote < 0 or not fits:
        return -1
    if takes & NO_CARD and may_be_card_number(at, length, end):
        return -1
    if takes & KEY:
        store_word(hashes + read_int(row + COLUMN), hash_plain(at, length, end))
    return quote + 1


@compiled
def _is_choice(at: int, end: int, table: int, row: int) -> bool:
    spelling = table + read_int(row + FIRST_CHOICE)
    for _ in range(read_int(row + CHOICES)):
        if spells(at, end, spelling):
            return True
        spelling += read_int(table + SPELLING_BYTES)
    return False


@compiled
def _number(at: int, end: int, row: int, numbers: int) -> int:
    takes = read_int(row + TAKES)
    after, negative, mantissa, power, is_integral = number(at, end)
    if after < 0:
        return -1
    if takes & FLOAT:
        is_read, value = to_float(negative, mantissa, power)
    else:
        is_read = takes & INTEGER != 0 and is_integral and bool(mantissa <= EXACT)
        value = -np.float64(mantissa) if negative else np.float64(mantissa)
    if not is_read or not read_float(row + LOW) <= value <= read_float(row + HIGH):
        return -1
    if not takes & TEXT:  # a label's number is no quantity
        store_float(numbers + read_int(row + COLUMN), value)
    return after


@compiled
def _vector(at: int, end: int, row: int, components: int, count: int) -> int:
    """Read a list of numbers, from behind its bracket."""
    takes, longest = read_int(row + TAKES), read_int(row + LONGEST)
    low, high = read_float(row + LOW), read_float(row + HIGH)
    length = 0
    at = _space(at, end)
    here = byte(at, end)
    while takes & VECTOR and here != _CLOSE_LIST:
        after, negative, mantissa, power, _ = number(at, end)
        if after < 0 or length == longest:
            return -1
        is_read, value = to_float(negative, mantissa, power)
        if not is_read or not low <= value <= high:
            return -1
        store_float(components + 8 * length, value)
        length += 1
        at = _space(after, end)
        here = byte(at, end)
        if here == _COMMA:
            at = _space(at + 1, end)
            here = 0  # a bracket behind a comma is no JSON; no number begins with one
        elif here != _CLOSE_LIST:
            return -1
    if not takes & VECTOR or length < read_int(row + SHORTEST):
        return -1
    store_int(count, length)
    return at + 1


@compiled
def _null(at: int, end: int, row: int, numbers: int, hashes: int) -> int:
    takes = read_int(row + TAKES)
    column = read_int(row + COLUMN)
    if not takes & NULL or word(at, end) & _FOUR_BYTES != _NULL:
        return -1
    if takes & KEY:
        store_word(hashes + column, _NO_KEY)
    elif column >= 0:
        store_float(numbers + column, np.nan)
    return at + 4
