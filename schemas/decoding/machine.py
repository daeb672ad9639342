"""What numba does not offer: reading foreign memory, 128-bit products, counting zero bits.

Readers of records take the record's end and never touch a byte at or behind it: near the end they
read once more what is in front of it and shift that into place. Callers therefore promise that
`BLOCK` bytes in front of the end belong to the record. Little-endian machines (x86-64, arm64).
"""

from collections.abc import Callable
from typing import Any, cast

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from eddy.schemas.compilation import Function, compile_and_keep

BLOCK = 32
"""Bytes that `specials` and `others` look at in one step; a shorter record may not be read."""

QUOTE, BACKSLASH, SPACE, ZERO = (ord(c) for c in '"\\ 0')

Word = np.uint64


def compiled(function: Function) -> Function:
    """Compile `function` for use inside other kernels, copied into each of them.

    A call costs more than most of these functions do. Division follows numpy's rules, because
    checking for zero costs a branch and an exception.
    """
    inlined = numba.njit(nogil=True, error_model="numpy", forceinline=True)
    return cast("Function", inlined(function))


def compiled_and_kept(function: Function) -> Function:
    """Compile an entry kernel and keep the machine code on disk where there is a place for it."""
    return compile_and_keep(function, nogil=True, error_model="numpy")


_BYTE, _I64, _I128 = ir.IntType(8), ir.IntType(64), ir.IntType(128)
_VECTOR = ir.VectorType(_BYTE, BLOCK)
_BEHIND_BLOCK = np.uint64(1 << BLOCK)


def _instruction(result: Any, arguments: tuple[Any, ...], emit: Callable[..., Any]) -> Any:
    """Make a function for kernels; ``emit(builder, *values)`` writes its LLVM instructions."""

    def generate(_context: Any, builder: Any, _signature: Any, values: Any) -> Any:
        return emit(builder, *values)

    def unary(_typing: Any, _a: Any) -> Any:
        return result(*arguments), generate

    def binary(_typing: Any, _a: Any, _b: Any) -> Any:  # numba folds no starred arguments
        return result(*arguments), generate

    return intrinsic(unary if len(arguments) == 1 else binary)


def _load(builder: Any, address: Any, kind: Any) -> Any:
    return builder.load(builder.inttoptr(address, kind.as_pointer()), align=1)


def _store(builder: Any, address: Any, value: Any) -> Any:
    builder.store(value, builder.inttoptr(address, value.type.as_pointer()), align=1)
    return value


def _all(value: int) -> Any:
    return ir.Constant(_VECTOR, [value] * BLOCK)


def _bits(builder: Any, vector: Any) -> Any:
    return builder.zext(builder.bitcast(vector, ir.IntType(BLOCK)), _I64)


def _special_bits(builder: Any, address: Any) -> Any:
    block = _load(builder, address, _VECTOR)
    quote = builder.icmp_unsigned("==", block, _all(QUOTE))
    escape = builder.icmp_unsigned("==", block, _all(BACKSLASH))
    # read as signed, bytes from 128 on are negative: one comparison finds them and the controls
    odd = builder.icmp_signed("<", block, _all(SPACE))
    return _bits(builder, builder.or_(builder.or_(quote, escape), odd))


def _other_bits(builder: Any, address: Any) -> Any:
    values = builder.sub(_load(builder, address, _VECTOR), _all(ZERO))
    return _bits(builder, builder.icmp_unsigned(">", values, _all(9)))


def _high_product(builder: Any, a: Any, b: Any) -> Any:
    wide = builder.mul(builder.zext(a, _I128), builder.zext(b, _I128))
    return builder.trunc(builder.lshr(wide, ir.Constant(_I128, 64)), _I64)


def _defined_for_zero(count: Callable[..., Any]) -> Callable[..., Any]:
    def emit(builder: Any, bits: Any) -> Any:
        return count(builder, bits, ir.Constant(ir.IntType(1), 0))

    return emit


_ADDRESS, _UNSIGNED, _FLOAT = types.int64, types.uint64, types.float64

_read_byte: Callable[[int], int] = _instruction(
    types.int64, (_ADDRESS,), lambda builder, at: builder.zext(_load(builder, at, _BYTE), _I64)
)
_read_specials: Callable[[int], Word] = _instruction(_UNSIGNED, (_ADDRESS,), _special_bits)
_read_others: Callable[[int], Word] = _instruction(_UNSIGNED, (_ADDRESS,), _other_bits)

read_word: Callable[[int], Word] = _instruction(
    _UNSIGNED, (_ADDRESS,), lambda builder, at: _load(builder, at, _I64)
)
read_int: Callable[[int], int] = _instruction(
    types.int64, (_ADDRESS,), lambda builder, at: _load(builder, at, _I64)
)
read_float: Callable[[int], float] = _instruction(
    _FLOAT, (_ADDRESS,), lambda builder, at: _load(builder, at, ir.DoubleType())
)
store_word: Callable[[int, Word], Word] = _instruction(_UNSIGNED, (_ADDRESS, _UNSIGNED), _store)
store_int: Callable[[int, int], int] = _instruction(types.int64, (_ADDRESS, types.int64), _store)
store_float: Callable[[int, float], float] = _instruction(_FLOAT, (_ADDRESS, _FLOAT), _store)
store_byte: Callable[[int, np.uint8], np.uint8] = _instruction(
    types.uint8, (_ADDRESS, types.uint8), _store
)

high_product: Callable[[Word, Word], Word] = _instruction(
    _UNSIGNED, (_UNSIGNED, _UNSIGNED), _high_product
)
"""The upper 64 bits of a product of 128."""
trailing_zeros: Callable[[Word], int] = _instruction(
    types.int64, (_UNSIGNED,), _defined_for_zero(ir.IRBuilder.cttz)
)
leading_zeros: Callable[[Word], int] = _instruction(
    types.int64, (_UNSIGNED,), _defined_for_zero(ir.IRBuilder.ctlz)
)
as_int: Callable[[Word], int] = _instruction(types.int64, (_UNSIGNED,), lambda _, bits: bits)
"""The signed integer with these bits; one of each sign in a sum would make numba use floats."""
as_float: Callable[[Word], float] = _instruction(
    _FLOAT, (_UNSIGNED,), lambda builder, bits: builder.bitcast(bits, ir.DoubleType())
)
"""The double with these bits."""


@compiled
def byte(at: int, end: int) -> int:
    """Return the byte at an address, 0 at the record's end: JSON allows no such byte anywhere."""
    return _read_byte(at) if at < end else 0


@compiled
def word(at: int, end: int) -> Word:
    """Return eight bytes, the first one lowest; zeros stand for bytes behind the end."""
    over = at + 8 - end
    if over <= 0:
        return read_word(at)
    if over >= 8:
        return np.uint64(0)
    return read_word(end - 8) >> np.uint64(8 * over)


@compiled
def specials(at: int, end: int) -> Word:
    """Return a bit for each of `BLOCK` bytes that is a quote, a backslash, a control or no ASCII.

    Bytes behind the end have none.
    """
    over = at + BLOCK - end
    if over <= 0:
        return _read_specials(at)
    if over >= BLOCK:
        return np.uint64(0)
    return _read_specials(end - BLOCK) >> np.uint64(over)


@compiled
def others(at: int, end: int) -> Word:
    """Return a bit for each of `BLOCK` bytes that is no digit, and one for the byte behind them.

    The first byte behind the end counts as no digit.
    """
    over = at + BLOCK - end
    if over <= 0:
        return _read_others(at) | _BEHIND_BLOCK
    if over >= BLOCK:
        return np.uint64(1)
    bits = _read_others(end - BLOCK) >> np.uint64(over)
    return bits | (np.uint64(1) << np.uint64(BLOCK - over))
