"""The compiled loops that write scored events as JSON, and see whether an event may go in as sent.

Addresses are plain integers throughout, as in `eddy.schemas.decoding`.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from eddy.schemas.decoding import machine, numbers
from eddy.schemas.decoding.machine import (
    BACKSLASH,
    BLOCK,
    QUOTE,
    ZERO,
    Word,
    byte,
    compiled,
    compiled_and_kept,
    read_int,
    read_word,
    specials,
    store_byte,
    store_int,
    store_word,
    trailing_zeros,
)
from eddy.schemas.decoding.numbers import MINUS, NINE

LONGEST_EVENT = 50_000
"""Jackson, which Kafka Connect reads JSON with, refuses longer names; a shorter record has none."""
LONGEST_INTEGER = 18
"""Characters; so it is within 64 bits, beyond which Connect cuts integers off without a word."""
LONGEST_NUMBER = 100
LONGEST_POWER = 6
"""Characters of an exponent, with its ``e`` and sign: Java has a limit, JSON has none."""

LONGEST_TIME = len("9999-12-31T23:59:59.999999Z")
LONGEST_OFFSET = len(str(2**63))
HEAD, SCORE, EVENT, TAIL = range(4)
"""Which pieces of text are which; from `TAIL` on one for each verdict."""

_COMMA, _CLOSE_LIST, _CLOSE = ord(","), ord("]"), ord("}")
_DOT, _PLUS, _DASH, _COLON = ord("."), ord("+"), ord("-"), ord(":")
_T, _Z, _SMALL_E, _LARGE_E = ord("T"), ord("Z"), ord("e"), ord("E")
_NOTHING = Word(0)
_DAY_S, _SECOND_US = 86_400, 1_000_000
_DAYS_TO_1970, _DAYS_IN_ERA = 719_468, 146_097


@compiled
def fits(at: int, end: int) -> bool:
    """Whether a valid event may stand in a scored one as it is."""
    if not BLOCK <= end - at <= LONGEST_EVENT:
        return False
    while at < end:
        here = byte(at, end)
        if here == QUOTE:
            at = _behind_text(at + 1, end)
        elif here == MINUS or ZERO <= here <= NINE:
            at = _behind_number(at, end)
            if at < 0:
                return False
        else:
            at += 1
    return True


@compiled
def _behind_text(at: int, end: int) -> int:
    while at < end:
        bits = specials(at, end)
        if bits == _NOTHING:
            at += BLOCK
            continue
        at += trailing_zeros(bits)
        here = byte(at, end)
        if here == QUOTE:
            return at + 1
        at += 2 if here == BACKSLASH else 1
    return end


@compiled
def _behind_number(at: int, end: int) -> int:
    """Return the address behind a number; -1 where it is too long."""
    start = at
    power = -1
    is_integral = True
    while at < end:
        here = byte(at, end)
        if here in (_SMALL_E, _LARGE_E):
            power = at
        elif not (ZERO <= here <= NINE or here in (MINUS, _PLUS, _DOT)):
            break
        is_integral &= here not in (_SMALL_E, _LARGE_E, _DOT)
        at += 1
    longest = LONGEST_INTEGER if is_integral else LONGEST_NUMBER
    if at - start > longest or (power >= 0 and at - power > LONGEST_POWER):
        return -1
    return at


@compiled
def copy(to: int, at: int, end: int) -> int:
    """Copy bytes and return the address behind the copy."""
    while at + 8 <= end:
        store_word(to, read_word(at))
        at += 8
        to += 8
    while at < end:
        to = put(to, byte(at, end))
        at += 1
    return to


@compiled
def put(to: int, character: int) -> int:
    """Write one byte and return the address behind it."""
    store_byte(to, np.uint8(character))
    return to + 1


@compiled
def digits(to: int, number: int, count: int) -> int:
    """Write a number that is not negative with so many digits."""
    for place in range(to + count - 1, to - 1, -1):
        put(place, ZERO + number % 10)
        number //= 10
    return to + count


@compiled
def integer(to: int, number: int) -> int:
    """Write a number that is not negative."""
    count, rest = 1, number // 10
    while rest > 0:
        count += 1
        rest //= 10
    return digits(to, number, count)


@compiled
def time(to: int, time_us: int) -> int:
    """Write microseconds since 1970 as RFC 3339 in UTC; the years 1 to 9999.

    Years begin in March here, so that the leap day is their last (H. Hinnant, chrono-Compatible
    Low-Level Date Algorithms).
    """
    seconds = time_us // _SECOND_US
    micros = time_us - seconds * _SECOND_US
    days = seconds // _DAY_S
    second = seconds - days * _DAY_S
    of_all = days + _DAYS_TO_1970
    era = of_all // _DAYS_IN_ERA
    of_era = of_all - era * _DAYS_IN_ERA
    year = (of_era - of_era // 1_460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * year + year // 4 - year // 100)
    month = (5 * of_year + 2) // 153
    day = of_year - (153 * month + 2) // 5 + 1
    month += 3 if month < 10 else -9
    year += era * 400 + (1 if month <= 2 else 0)
    to = put(digits(put(digits(put(digits(to, year, 4), _DASH), month, 2), _DASH), day, 2), _T)
    to = put(digits(to, second // 3600, 2), _COLON)
    to = put(digits(to, second // 60 % 60, 2), _COLON)
    to = digits(to, second % 60, 2)
    if micros:
        to = digits(put(to, _DOT), micros, 6)
    return put(to, _Z)


@compiled
def piece(to: int, pieces: int, which: int) -> int:
    """Copy one of the pieces of text: pairs of an address and a length."""
    at = read_int(pieces + 16 * which)
    return copy(to, at, at + read_int(pieces + 16 * which + 8))


def _build(sources: str) -> tuple[Callable[..., None], Callable[..., None]]:
    """Make the entry kernels; `sources` as in `eddy.schemas.decoding.plain`."""

    @compiled_and_kept
    def fitting(addresses: int, lengths: int, count: int, out: int) -> None:
        _ = sources
        for row in range(count):
            at = read_int(addresses + 8 * row)
            does = fits(at, at + read_int(lengths + 8 * row))
            store_byte(out + row, np.uint8(1 if does else 0))

    @compiled_and_kept
    def write(
        count: int,
        pieces: int,
        times: int,
        scores: int,
        verdicts: int,
        offsets: int,
        events: int,
        event_lengths: int,
        to: int,
        addresses: int,
        lengths: int,
    ) -> None:
        _ = sources
        score = scores + 1  # behind the bracket of the list
        for row in range(count):
            start = to
            to = time(piece(to, pieces, HEAD), read_int(times + 8 * row))
            to = piece(to, pieces, SCORE)
            end = score
            while byte(end, end + 1) not in (_COMMA, _CLOSE_LIST):
                end += 1
            to = copy(to, score, end)
            score = end + 1
            to = piece(to, pieces, TAIL + read_int(verdicts + 8 * row))
            to = integer(to, read_int(offsets + 8 * row))
            event = read_int(events + 8 * row)
            to = piece(to, pieces, EVENT)
            to = put(copy(to, event, event + read_int(event_lengths + 8 * row)), _CLOSE)
            store_int(addresses + 8 * row, start)
            store_int(lengths + 8 * row, to - start)

    return fitting, write


def _digest() -> str:
    files = (str(machine.__file__), str(numbers.__file__), __file__)
    return hashlib.sha256(b"".join(Path(file).read_bytes() for file in files)).hexdigest()


fitting, write = _build(_digest())
