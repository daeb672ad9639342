"""JSON numbers, read in machine words and bit-equal to Python's ``float``.

Sources: W. D. Clinger, How to Read Floating Point Numbers Accurately (1990), for the short ones;
D. Lemire, Number Parsing at a Gigabyte per Second (2021), for up to 19 digits; N. Mushtak and
D. Lemire, Fast Number Parsing Without Fallback (2023), for why no case is left over.
"""

import numpy as np
from numpy.typing import NDArray

from eddy.schemas.decoding.machine import (
    ZERO,
    Word,
    as_float,
    as_int,
    byte,
    compiled,
    high_product,
    leading_zeros,
    others,
    trailing_zeros,
    word,
)

U = np.uint64
MINUS, PLUS, DOT, NINE, LOWER_E = (ord(c) for c in "-+.9e")

MOST_DIGITS = 19
"""As many digits as always fit 64 bits."""
MOST_POWER = 64
"""Powers of ten beyond this many are left to the strict decoder: so a double can neither overflow
nor lose precision near zero, and the code for both is not needed."""
EXACT = U(1 << 53)
EXACT_POWER = 22

_LOW_NIBBLES = U(0x0F0F0F0F0F0F0F0F)
_TEN_TO_8 = U(10**8)
_PAIRS = U(0x000000FF000000FF)
_HUNDREDS = U(0x000F424000000064)
_UNITS = U(0x0000271000000001)

POWERS_OF_TEN = np.array([10**k for k in range(MOST_DIGITS + 1)], np.uint64)
EXACT_POWERS_OF_TEN = np.array([10.0**k for k in range(EXACT_POWER + 1)])


def _five_to(power: int) -> tuple[int, int]:
    """Return the leading 128 bits of 5**power as two words; rounded up below zero, else down."""
    if power >= 0:
        bits = 5**power
        bits = bits << 128 >> bits.bit_length()
    else:
        divisor = 5**-power
        bits = (1 << (divisor.bit_length() + 127)) // divisor + 1
    return bits >> 64, bits & (2**64 - 1)


POWERS_OF_FIVE: NDArray[np.uint64] = np.array(
    [_five_to(power) for power in range(-MOST_POWER, MOST_POWER + 1)], np.uint64
)


@compiled
def eight(at: int, end: int, count: int) -> Word:
    """Return the number that the 1 to 8 digits at an address spell."""
    # they move to the high end; the zero bytes that come in are leading zeros of the number
    values = (word(at, end) & _LOW_NIBBLES) << U(64 - 8 * count)
    values = values * U(10) + (values >> U(8))
    high = (values & _PAIRS) * _HUNDREDS
    low = ((values >> U(16)) & _PAIRS) * _UNITS
    return (high + low) >> U(32)


@compiled
def append(mantissa: Word, at: int, end: int, count: int) -> Word:
    """Return `mantissa` followed by the `count` digits at an address; at least one."""
    while count > 8:
        mantissa = mantissa * _TEN_TO_8 + eight(at, end, 8)
        at += 8
        count -= 8
    power: Word = POWERS_OF_TEN[U(count)]
    return mantissa * power + eight(at, end, count)


@compiled
def number(at: int, end: int) -> tuple[int, bool, Word, int, bool]:
    """Read one JSON number.

    Returns
    -------
    after : int
        The address behind it; -1 for what is no JSON number, for minus zero and for more digits
        or a longer exponent than are read here.
    negative, mantissa, power : bool, int, int
        The value is ``(-1)**negative * mantissa * 10**power``, exactly.
    integral : bool
        Whether it is written without fraction and exponent.
    """
    nothing = U(0)
    negative = byte(at, end) == MINUS
    start = at + 1 if negative else at
    bits = others(start, end)
    whole = trailing_zeros(bits)
    if whole == 0 or whole > MOST_DIGITS or (whole > 1 and byte(start, end) == ZERO):
        return -1, negative, nothing, 0, False
    mantissa = append(nothing, start, end, whole)
    after = start + whole
    power = 0
    integral = True
    if byte(after, end) == DOT:
        # behind the point the same bits go on; where they end early there are too many digits
        decimals = trailing_zeros(bits & (bits - U(1))) - whole - 1
        # the zero of "0.00123" is no digit of the mantissa
        count = whole + decimals if mantissa != nothing else decimals
        if decimals == 0 or count > MOST_DIGITS:
            return -1, negative, nothing, 0, False
        mantissa = append(mantissa, after + 1, end, decimals)
        after += 1 + decimals
        power = -decimals
        integral = False
    if byte(after, end) | 32 == LOWER_E:
        after, shift = _exponent(after + 1, end)
        power += shift
        integral = False
    if negative and mantissa == nothing:
        after = -1
    return after, negative, mantissa, power, integral


@compiled
def _exponent(at: int, end: int) -> tuple[int, int]:
    """Read what follows the letter e: the address behind it (-1: not read here) and its value."""
    sign = byte(at, end)
    if sign in (PLUS, MINUS):
        at += 1
    count = trailing_zeros(others(at, end))
    if count == 0 or count > 4:
        return -1, 0
    shift = as_int(eight(at, end, count))
    return at + count, -shift if sign == MINUS else shift


@compiled
def to_float(negative: bool, mantissa: Word, power: int) -> tuple[bool, float]:
    """Return whether ``mantissa * 10**power`` is rounded here, and the double nearest to it."""
    is_read = True
    value = 0.0
    if mantissa <= EXACT and -EXACT_POWER <= power <= EXACT_POWER:
        # both factors are doubles without error, so IEEE 754's one rounding is the right one
        value = np.float64(mantissa)
        if power >= 0:
            value *= EXACT_POWERS_OF_TEN[U(power)]
        else:
            value /= EXACT_POWERS_OF_TEN[U(-power)]
    elif mantissa != U(0):
        is_read = -MOST_POWER <= power <= MOST_POWER
        if is_read:
            value = _nearest(mantissa, power)
    return is_read, -value if negative else value


@compiled
def _nearest(mantissa: Word, power: int) -> float:
    """Round ``mantissa * 10**power`` to the nearest double, ties to even (Eisel and Lemire)."""
    zeros = leading_zeros(mantissa)
    wide = mantissa << U(zeros)
    row = U(power + MOST_POWER)
    high = high_product(wide, POWERS_OF_FIVE[row, 0])
    low = wide * POWERS_OF_FIVE[row, 0]
    if high & U(0x1FF) == U(0x1FF):  # the deciding bits may still change: use the second word
        more = high_product(wide, POWERS_OF_FIVE[row, 1])
        low += more
        if more > low:
            high += U(1)
    top = high >> U(63)
    shift = top + U(9)
    bits = high >> shift
    if low <= U(1) and -4 <= power <= 23 and bits & U(3) == U(1) and bits << shift == high:
        bits &= ~U(1)  # exactly between two doubles: down, to the even one
    bits = (bits + (bits & U(1))) >> U(1)
    # (217706 * power) >> 16 is the floor of the binary logarithm of 10**power
    exponent = ((217706 * power) >> 16) + 63 + as_int(top) - zeros + 1023
    if bits >= U(1 << 53):
        bits = U(1 << 52)
        exponent += 1
    return as_float((bits & ~U(1 << 52)) | (U(exponent) << U(52)))
