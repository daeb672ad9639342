"""Numbers on the fast path: bit-equal to Python's float, or left alone."""

import random
import struct

import numpy as np
import pytest

from tests.support.corpus import ride, spelled
from tests.support.decoding import event_type, read, timed


def bits(value: float) -> bytes:
    return struct.pack("<d", value)


def as_producers_write(draw: random.Random, count: int) -> list[str]:
    return [
        *(repr(draw.uniform(-1e6, 1e6)) for _ in range(count)),
        *(repr(draw.randrange(1, 10_000) / 100 * 1.609) for _ in range(count)),
        *(f"{draw.uniform(0, 1000):.{draw.randrange(18)}f}" for _ in range(count)),
        *(str(draw.randrange(10 ** draw.randrange(1, 20))) for _ in range(count)),
        *(
            f"{draw.randrange(10 ** draw.randrange(1, 20))}e{draw.randrange(-64, 64)}"
            for _ in range(count)
        ),
    ]


def hard_to_round(draw: random.Random, count: int) -> list[str]:
    """Numbers exactly between two doubles, and beside."""
    odd = [2 * draw.randrange(2**52, 2**53) + 1 for _ in range(count)]
    return [
        *(f"{2**53 + one}e{k}" for one in range(-3, 6) for k in range(-30, 30)),
        *(str(m) for m in odd),
        *(f"{m * 5**k}e-{k}" for k in (1, 2, 3) for m in odd),
        *(f"{draw.randrange(2**50, 2**51)}.125" for _ in range(count)),
        *(f"{draw.randrange(2**51, 2**52)}.25" for _ in range(count)),
        *(f"{draw.randrange(2**52, 2**53)}.5" for _ in range(count)),
        *(
            f"{draw.randrange(2**52, 2**53)}.{part}"
            for part in ("499", "501")
            for _ in range(count)
        ),
    ]


EDGES = """0 0.0 0e0 0.1 1e22 1e23 9007199254740993 9999999999999999999 8.5e-60 1e-64 1e64
    4503599627370496.5 4503599627370497.5 9223372036854775808 0.000012345678901234567
    123456789012345678e-40 0.00000000000000000001 1E+05 1e-05 10000000000000000000e-19"""


def test_numbers_are_bit_equal_to_python_s():
    draw = random.Random(7)
    texts = [*as_producers_write(draw, 8_000), *hard_to_round(draw, 5_000), *EDGES.split()]
    columns = read([timed(f'"x":{text}') for text in texts], event_type(x=float))
    assert columns.valid.mean() > 0.8
    wrong = [
        text
        for text, value, is_valid in zip(texts, columns.values[:, 0], columns.valid, strict=True)
        if is_valid and bits(float(value)) != bits(float(text))
    ]
    assert wrong == []


def test_what_producers_write_is_plain():
    texts = as_producers_write(random.Random(8), 5_000)
    columns = read([timed(f'"x":{text}') for text in texts], event_type(x=float))
    left = [text for text, is_valid in zip(texts, columns.valid, strict=True) if not is_valid]
    assert all(len(text) > 20 for text in left)
    assert len(left) < len(texts) / 50


def test_products_of_17_digits_are_plain():
    draw = random.Random(3)
    payloads = [ride(distance_km=draw.randrange(1, 10_000) / 100 * 1.609) for _ in range(2_000)]
    assert read(payloads).valid.all()


NOT_READ = "- + . 01 -01 00 1. .5 +1 1e 1e+ 1.e3 --1 1.5.5 0x1 1_0 NaN Infinity -0 -0.0 1e99999"


@pytest.mark.parametrize("text", NOT_READ.split())
def test_what_is_no_number_or_out_of_reach_is_left_alone(text):
    for place in ("x", "unknown"):
        record = timed(f'"x":1,"unknown":{text}' if place == "unknown" else f'"x":{text}')
        assert not read([record], event_type(x=float)).valid.any()


def test_integers_beyond_a_double_s_precision_are_left_alone():
    texts = [str(2**53), str(-(2**53)), str(2**53 + 1), "1.0", "1e2", "-0", "9" * 19]
    columns = read([timed(f'"x":{text}') for text in texts], event_type(x=int))
    assert columns.valid.tolist() == [True, True, False, False, False, False, False]
    assert columns.values[:2, 0].tolist() == [2.0**53, -(2.0**53)]


@pytest.mark.parametrize(("name", "limit"), [("distance_km", 1e6), ("duration_s", 1e8)])
def test_bounds_are_checked_to_the_last_bit(name, limit):
    inside, outside = float(np.nextafter(limit, 0)), float(np.nextafter(limit, np.inf))
    values = (limit, inside, -limit, outside, -outside)
    columns = read([spelled(name, repr(value)) for value in values])
    assert columns.valid.tolist() == [True, True, True, False, False]
