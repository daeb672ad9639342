"""Plain JSON strings: finding their end, recognising known ones and card numbers, hashing keys."""

import numpy as np

from eddy.schemas.card_numbers import FEWEST_DIGITS, MOST_DIGITS
from eddy.schemas.decoding.machine import (
    BLOCK,
    QUOTE,
    SPACE,
    ZERO,
    Word,
    byte,
    compiled,
    high_product,
    read_word,
    specials,
    trailing_zeros,
    word,
)
from eddy.schemas.decoding.numbers import MINUS, NINE
from eddy.schemas.keys import FACTOR, FINAL, SEED

U = np.uint64

_SEED, _FACTOR, _FINAL = U(SEED), U(FACTOR), U(FINAL)


@compiled
def closing_quote(at: int, end: int) -> int:
    """Return the address of the quote that ends a string; -1 where the string is not plain.

    Plain is ASCII from the space on, without a backslash: its bytes are its characters.
    """
    while at < end:
        bits = specials(at, end)
        if bits != U(0):
            at += trailing_zeros(bits)
            return at if byte(at, end) == QUOTE else -1
        at += BLOCK
    return -1


@compiled
def spells(at: int, end: int, spelling: int) -> bool:
    """Whether the text at an address is the known one at another (see `eddy.schemas.tables`)."""
    while True:
        mask = read_word(spelling + 8)
        if mask == U(0):
            return True
        if word(at, end) & mask != read_word(spelling):
            return False
        at += 8
        spelling += 16


@compiled
def may_be_card_number(at: int, length: int, end: int) -> bool:
    """Whether a plain string holds as many digits as a card number, spaces and dashes, no more."""
    digits = 0
    for k in range(length if length >= FEWEST_DIGITS else 0):
        here = byte(at + k, end)
        if ZERO <= here <= NINE:
            digits += 1
        elif here not in (SPACE, MINUS):
            return False
    return FEWEST_DIGITS <= digits <= MOST_DIGITS


@compiled
def hash_plain(at: int, length: int, end: int) -> Word:
    """Return what `hash_text` returns, of a plain string in a record."""
    state = _SEED ^ U(length)
    while length > 0:
        part = word(at, end)
        if length < 8:
            part &= (U(1) << U(8 * length)) - U(1)
        state = _fold(state ^ part)
        at += 8
        length -= 8
    return _fold(state ^ _FINAL)


@compiled
def _fold(word_: Word) -> Word:
    return (word_ * _FACTOR) ^ high_product(word_, _FACTOR)
