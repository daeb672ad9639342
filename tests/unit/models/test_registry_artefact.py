import math

import msgspec
import numpy as np
import pytest

from eddy.models.artefact import decode_parameters, encode_parameters
from eddy.schemas.errors import ConfigError, ModelRefused


class Point(msgspec.Struct, frozen=True):
    x: float
    names: dict[str, float] = {}


class Picky(msgspec.Struct, frozen=True):
    x: float

    def __post_init__(self) -> None:
        if self.x > 1:
            raise ConfigError("x: at most 1")
        if self.x < 0:
            raise ValueError("x: at least 0")


def test_round_trip_is_exact() -> None:
    for x in (0.1, 1 / 3, 5e-324, 1.7976931348623157e308, -0.0):
        again = decode_parameters(encode_parameters(Point(x)), Point).x
        assert math.copysign(1, again) == math.copysign(1, x)
        assert again == x


def test_numbers_of_numpy_are_numbers() -> None:
    assert encode_parameters(Point(np.float64(0.1))) == encode_parameters(Point(0.1))
    assert encode_parameters(Point(1)) == encode_parameters(Point(1.0))


def test_the_order_of_a_dict_changes_nothing() -> None:
    one, other = Point(1.0, {"a": 1.0, "b": 2.0}), Point(1.0, {"b": 2.0, "a": 1.0})
    assert encode_parameters(one) == encode_parameters(other)


@pytest.mark.parametrize("x", [math.nan, math.inf, -math.inf, np.zeros(2), object()])
def test_what_json_cannot_say_is_refused(x: object) -> None:
    with pytest.raises(ModelRefused):
        encode_parameters(Point(x))  # type: ignore[arg-type] # that is the point


@pytest.mark.parametrize("x", [2, -1])
def test_the_type_s_own_checks_refuse(x: int) -> None:
    with pytest.raises(ModelRefused, match=r"at (most|least)"):
        decode_parameters(b'{"x":%d}' % x, Picky)


@pytest.mark.parametrize("junk", [b"", b"\xff", b"[" * 100_000, b'{"x":1e999}', b"cos\nsystem\n."])
def test_junk_is_refused(junk: bytes) -> None:
    with pytest.raises(ModelRefused):
        decode_parameters(junk, Point)
