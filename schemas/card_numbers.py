"""Card numbers: recognised in texts that must hold none, masked in what is kept of bad records.

What looks like one is 13 to 19 digits that pass the test of ISO/IEC 7812-1 (H. P. Luhn, US patent
2950048, 1960), whatever spaces and dashes stand between them. One in ten numbers of that length
passes by chance; better too many are masked than one too few.
"""

import re

import numpy as np
from numpy.typing import NDArray

FEWEST_DIGITS, MOST_DIGITS = 13, 19
SHOWN_DIGITS = 4

_SPACES = " \t\n\r\u00a0\u202f\u3000" + "".join(map(chr, range(0x2000, 0x200C)))
_DASHES = "-\u00ad\u2212" + "".join(map(chr, range(0x2010, 0x2016)))
_SEPARATORS = _SPACES + _DASHES
_NO_SEPARATORS = str.maketrans("", "", _SEPARATORS)

_POINT, _SPACE, _DASH, _ZERO, _NINE, _MASK = (ord(c) for c in ". -09*")


def is_card_number(text: str) -> bool:
    """Whether a text, spaces and dashes aside, is what looks like a card number and nothing else.

    Examples
    --------
    >>> is_card_number("4111 1111-1111 1111"), is_card_number("4111111111111112")
    (True, False)
    """
    if len(text) < FEWEST_DIGITS:
        return False
    digits = text.translate(_NO_SEPARATORS)
    if not (FEWEST_DIGITS <= len(digits) <= MOST_DIGITS and digits.isascii() and digits.isdigit()):
        return False
    backwards = [int(digit) for digit in reversed(digits)]
    doubled = sum(2 * digit - 9 * (digit > 4) for digit in backwards[1::2])
    return (sum(backwards[::2]) + doubled) % 10 == 0


def redacted(content: bytes | None) -> bytes | None:
    r"""Return bytes with all digits but the last four of what looks like a card number masked.

    The bytes may be anything: JSON with or without escapes, UTF-16, damaged or none at all. Digits
    count as one number where only spaces and dashes stand between them, and it begins and ends
    where other characters, or spaces and dashes, do. The decimals of a number are none.

    Examples
    --------
    >>> redacted(b'{"card_token":"4111-1111-1111-1111","amount":5.4111111111111111}')
    b'{"card_token":"****-****-****-1111","amount":5.4111111111111111}'
    """
    if not content:
        return content
    readable = _ESCAPED_DIGIT.sub(rb"\1", content) if b"\\u003" in content else content
    # as long as before, so that what is found in the one has its place in the other
    plain = readable.translate(_WHITE_TO_SPACE)
    if b"\\" in plain or not plain.isascii():
        plain = _ODD.sub(lambda match: (b" " if match[1] else b"x") * len(match[0]), plain)
    if not _CANDIDATE.search(plain):
        return content
    places = _places(np.frombuffer(plain, np.uint8))
    if not len(places):
        return content
    masked = np.frombuffer(readable, np.uint8).copy()
    masked[places] = _MASK
    return masked.tobytes()


def _spellings(separator: str) -> list[bytes]:
    """Return how a separator is written other than by one byte of its own."""
    escapes = {"\t": [rb"\\t"], "\n": [rb"\\n"], "\r": [rb"\\r"]}.get(separator, [])
    escapes.append(rb"\\u(?i:%04x)" % ord(separator))
    return escapes if separator.isascii() else [separator.encode(), *escapes]


_WHITE_TO_SPACE = bytes.maketrans(b"\t\n\r", b"   ")
_ESCAPED_DIGIT = re.compile(rb"\\u003([0-9])")
_ODD = re.compile(
    rb"(%s)|\\u[0-9a-fA-F]{4}" % b"|".join(way for c in _SEPARATORS for way in _spellings(c))
)
# what every masked number matches, and little else: begun by a digit behind no digit and no decimal
# point, enough characters that may belong to it, enough digits; zero bytes are halves of UTF-16
_CANDIDATE = re.compile(
    rb"[0-9](?<![0-9].)(?<![0-9]\..)(?=[0-9 \0-]{%d})(?:[ \0-]*+[0-9]){%d}"
    % (FEWEST_DIGITS - 1, FEWEST_DIGITS - 1),
    re.DOTALL,
)


def _places(data: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return where the digits to be masked stand."""
    kept = np.flatnonzero(data)
    data = data[kept]
    is_digit = (data >= _ZERO) & (data <= _NINE)
    at = np.flatnonzero(is_digit)
    # digits with the same count of other characters before them have none in between
    run = np.cumsum(~is_digit & (data != _SPACE) & (data != _DASH))[at]
    begins = np.diff(at, prepend=-2) > 1
    ends = np.append(begins[1:], True)
    before = np.concatenate(([0, 0], data))
    begins &= ~((before[at + 1] == _POINT) & np.concatenate(([False, False], is_digit))[at])
    sums = _sums((data[at] - _ZERO).astype(np.int64))
    hidden = np.zeros(len(at), np.bool_)
    for length in range(FEWEST_DIGITS, min(MOST_DIGITS, len(at)) + 1):
        first = np.flatnonzero(begins[: len(at) - length + 1] & ends[length - 1 :])
        behind = first + length
        total = sums[behind & 1, behind] - sums[behind & 1, first]
        starts = first[(run[first] == run[behind - 1]) & (total % 10 == 0)]
        for k in range(length - SHOWN_DIGITS):
            hidden[starts + k] = True
    places: NDArray[np.int64] = kept[at[hidden]]
    return places


def _sums(digits: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return Luhn's sums of the first 0, 1, ... digits; row p doubles those at places p, p + 2, ...

    A number that ends before place b doubles those at b - 2, b - 4, ...: row b modulo 2.
    """
    doubled = 2 * digits - 9 * (digits > 4)
    odd = np.arange(len(digits)) % 2 == 1
    sums = np.zeros((2, len(digits) + 1), np.int64)
    np.cumsum(np.where(odd, digits, doubled), out=sums[0, 1:])
    np.cumsum(np.where(odd, doubled, digits), out=sums[1, 1:])
    return sums
