"""Compiled loops over librdkafka's messages: their columns out, and their destruction.

A ctypes call per message would cost more than the detector. The C functions are called by their
address, given as an argument, so that the compiled code can be cached on disk.
"""

import ctypes
from functools import partial
from typing import Any

import numpy as np
from numba import carray
from numba.core import cgutils, types
from numba.extending import intrinsic
from numpy.typing import NDArray

from eddy.schemas.compilation import compile_and_keep
from eddy.schemas.spans import Spans

# rd_kafka_message_t as eight-byte words: err and padding, topic, partition and padding, payload,
# length, key, key length, offset.
_ERR, _TOPIC, _PARTITION, _PAYLOAD, _LENGTH, _KEY, _KEY_LENGTH, _OFFSET = range(8)
_WORDS = 8

_compiled = partial(compile_and_keep, nogil=True)


@intrinsic  # type: ignore[untyped-decorator]  # numba carries no types
def _pointer(typing_context: Any, address: Any) -> Any:  # noqa: ARG001 - numba's signature
    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        return builder.inttoptr(arguments[0], cgutils.voidptr_t)

    return types.voidptr(address), codegen


@intrinsic  # type: ignore[untyped-decorator]  # numba carries no types
def _call_void(typing_context: Any, function: Any, argument: Any) -> Any:  # noqa: ARG001
    """``((void (*)(void *)) function)(argument)``."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        from llvmlite import ir  # noqa: PLC0415 - only while compiling

        kind = ir.FunctionType(ir.VoidType(), [cgutils.voidptr_t])
        pointer = builder.inttoptr(arguments[0], kind.as_pointer())
        builder.call(pointer, [builder.inttoptr(arguments[1], cgutils.voidptr_t)])
        return context.get_dummy_value()

    return types.void(function, argument), codegen


@intrinsic  # type: ignore[untyped-decorator]  # numba carries no types
def _call_long(typing_context: Any, function: Any, argument: Any, out: Any) -> Any:  # noqa: ARG001
    """``((int64_t (*)(void *, void *)) function)(argument, out)``."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        from llvmlite import ir  # noqa: PLC0415 - only while compiling

        kind = ir.FunctionType(ir.IntType(64), [cgutils.voidptr_t, cgutils.voidptr_t])
        pointer = builder.inttoptr(arguments[0], kind.as_pointer())
        words = [builder.inttoptr(word, cgutils.voidptr_t) for word in arguments[1:]]
        return builder.call(pointer, words)

    return types.int64(function, argument, out), codegen


@_compiled
def unpack(
    messages: NDArray[np.int64],
    count: int,
    timestamp_function: int,
    codes: NDArray[np.int32],
    topics: NDArray[np.int64],
    partitions: NDArray[np.int32],
    offsets: NDArray[np.int64],
    timestamps: NDArray[np.int64],
    addresses: NDArray[np.int64],
    lengths: NDArray[np.int64],
) -> None:
    """Copy the fields of `count` messages into columns; payloads stay where they are."""
    for i in range(count):
        words = carray(_pointer(messages[i]), (_WORDS,), np.int64)
        codes[i] = np.int32(words[_ERR] & 0xFFFFFFFF)
        topics[i] = words[_TOPIC]
        partitions[i] = np.int32(words[_PARTITION] & 0xFFFFFFFF)
        offsets[i] = words[_OFFSET]
        addresses[i] = words[_PAYLOAD]
        lengths[i] = words[_LENGTH]
        timestamps[i] = _call_long(timestamp_function, messages[i], 0)


@_compiled
def destroy(messages: NDArray[np.int64], count: int, destroy_function: int) -> None:
    """Give `count` messages back to librdkafka."""
    for i in range(count):
        _call_void(destroy_function, messages[i])


@_compiled
def _keys(
    messages: NDArray[np.int64], addresses: NDArray[np.int64], lengths: NDArray[np.int64]
) -> None:
    for i in range(len(messages)):
        words = carray(_pointer(messages[i]), (_WORDS,), np.int64)
        addresses[i] = words[_KEY]
        lengths[i] = words[_KEY_LENGTH] if words[_KEY] else -1


def keys_of(messages: NDArray[np.int64]) -> Spans:
    """Return the keys of messages where they lie; valid until these are destroyed."""
    addresses, lengths = np.empty((2, len(messages)), np.int64)
    _keys(messages, addresses, lengths)
    return Spans(None, addresses, lengths)


def key_of(message: int) -> bytes | None:
    """Return a message's key; for the few rows that need it."""
    words = (ctypes.c_int64 * _WORDS).from_address(message)
    if not words[_KEY]:
        return None
    return ctypes.string_at(words[_KEY], words[_KEY_LENGTH])
