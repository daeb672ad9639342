"""The part of librdkafka's public C API that is needed here, in the wheel's own library.

confluent-kafka's wheel carries librdkafka; the same loaded library is reached here through
ctypes, so no compiler and no second copy is needed. Names and layouts: ``rdkafka.h``.
"""

import ctypes
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import confluent_kafka

from eddy.schemas.errors import ConfigError, Unavailable

_CONSUMER = 1
_VOID = ctypes.c_void_p
_SIGNATURES: dict[str, tuple[Any, list[Any]]] = {
    "conf_new": (_VOID, []),
    "conf_destroy": (None, [_VOID]),
    "conf_set": (
        ctypes.c_int,
        [_VOID, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_size_t],
    ),
    "new": (_VOID, [ctypes.c_int, _VOID, ctypes.c_char_p, ctypes.c_size_t]),
    "poll_set_consumer": (ctypes.c_int, [_VOID]),
    "queue_get_consumer": (_VOID, [_VOID]),
    "queue_destroy": (None, [_VOID]),
    "consume_batch_queue": (
        ctypes.c_ssize_t,
        [_VOID, ctypes.c_int, _VOID, ctypes.c_size_t],
    ),
    "topic_partition_list_new": (_VOID, [ctypes.c_int]),
    "topic_partition_list_add": (_VOID, [_VOID, ctypes.c_char_p, ctypes.c_int32]),
    "topic_partition_list_set_offset": (
        ctypes.c_int,
        [_VOID, ctypes.c_char_p, ctypes.c_int32, ctypes.c_int64],
    ),
    "topic_partition_list_destroy": (None, [_VOID]),
    "incremental_assign": (_VOID, [_VOID, _VOID]),
    "incremental_unassign": (_VOID, [_VOID, _VOID]),
    "error_string": (ctypes.c_char_p, [_VOID]),
    "error_destroy": (None, [_VOID]),
    "err2str": (ctypes.c_char_p, [ctypes.c_int]),
    "topic_name": (ctypes.c_char_p, [_VOID]),
    "get_watermark_offsets": (
        ctypes.c_int,
        [
            _VOID,
            ctypes.c_char_p,
            ctypes.c_int32,
            ctypes.POINTER(ctypes.c_int64),
            ctypes.POINTER(ctypes.c_int64),
        ],
    ),
    "consumer_close": (ctypes.c_int, [_VOID]),
    "destroy": (None, [_VOID]),
    "message_destroy": (None, [_VOID]),
    "message_timestamp": (ctypes.c_int64, [_VOID, _VOID]),
    "name": (ctypes.c_char_p, [_VOID]),
    "topic_new": (_VOID, [_VOID, ctypes.c_char_p, _VOID]),
    "topic_destroy": (None, [_VOID]),
    "produce_batch": (
        ctypes.c_int,
        [_VOID, ctypes.c_int32, ctypes.c_int, _VOID, ctypes.c_int],
    ),
}


def find_library() -> Path | None:
    """Return the librdkafka that confluent-kafka's wheel carries, or None."""
    package = Path(confluent_kafka.__file__).parent
    for folder, pattern in (
        (package.parent / "confluent_kafka.libs", "librdkafka*.so*"),
        (package / ".dylibs", "librdkafka*.dylib"),
    ):
        paths = sorted(folder.glob(pattern)) if folder.is_dir() else []
        if paths:
            return paths[0]
    return None


class Library:
    """librdkafka's functions by their names without ``rd_kafka_``.

    Raises
    ------
    Unavailable
        Where the wheel's library is not found or lacks a function.
    """

    def __init__(self) -> None:
        path = find_library()
        if path is None or sys.platform == "win32":
            raise Unavailable("librdkafka not found beside confluent_kafka; the wheel carries it")
        self._functions: dict[str, Any] = {}
        try:
            handle = ctypes.CDLL(str(path))
            for name, (result, arguments) in _SIGNATURES.items():
                function = getattr(handle, f"rd_kafka_{name}")
                function.restype, function.argtypes = result, arguments
                self._functions[name] = function
        except (OSError, AttributeError) as error:
            raise Unavailable(f"{path}: {error}") from error

    def __getattr__(self, name: str) -> Any:
        try:
            return self._functions[name]
        except KeyError as error:
            raise AttributeError(name) from error

    def address(self, name: str) -> int:
        """Return the address of a function, for calls from compiled loops."""
        address = ctypes.cast(self._functions[name], _VOID).value
        assert address is not None
        return address


class Handle:
    """One librdkafka consumer with manual assignment: it never joins a group."""

    def __init__(self, library: Library, settings: Mapping[str, Any]) -> None:
        self.library = library
        message = ctypes.create_string_buffer(512)
        conf = library.conf_new()
        for name, value in settings.items():
            text = str(value).lower() if isinstance(value, bool) else str(value)
            if library.conf_set(conf, name.encode(), text.encode(), message, len(message)) != 0:
                library.conf_destroy(conf)
                raise ConfigError(f"kafka.properties: {name}: {message.value.decode()}")
        self._rk = library.new(_CONSUMER, conf, message, len(message))
        if not self._rk:
            library.conf_destroy(conf)
            raise ConfigError(f"kafka: {message.value.decode()}")
        library.poll_set_consumer(self._rk)
        self.queue = library.queue_get_consumer(self._rk)

    def assign(self, offsets: Mapping[tuple[str, int], int]) -> None:
        """Add partitions, each beginning at its offset; the others keep their position."""
        self._change("incremental_assign", offsets.items())

    def unassign(self, partitions: Iterable[tuple[str, int]]) -> None:
        """Remove partitions; what was fetched of them is dropped."""
        self._change("incremental_unassign", ((partition, 0) for partition in partitions))

    def watermarks(self, topic: str, partition: int) -> tuple[int, int] | None:
        """Return the (low, high) offsets of the last fetch, or None before the first."""
        low, high = ctypes.c_int64(-1001), ctypes.c_int64(-1001)
        code = self.library.get_watermark_offsets(
            self._rk, topic.encode(), partition, ctypes.byref(low), ctypes.byref(high)
        )
        return (low.value, high.value) if code == 0 and high.value >= 0 else None

    def close(self) -> None:
        """End the consumer; every message must have been destroyed before."""
        if self._rk:
            self.library.queue_destroy(self.queue)
            self.library.consumer_close(self._rk)
            self.library.destroy(self._rk)
            self._rk = None

    def _change(self, verb: str, items: Iterable[tuple[tuple[str, int], int]]) -> None:
        entries = list(items)
        partitions = self.library.topic_partition_list_new(len(entries))
        for (topic, partition), offset in entries:
            name = topic.encode()
            self.library.topic_partition_list_add(partitions, name, partition)
            self.library.topic_partition_list_set_offset(partitions, name, partition, offset)
        error = getattr(self.library, verb)(self._rk, partitions)
        self.library.topic_partition_list_destroy(partitions)
        if error:
            text = self.library.error_string(error).decode()
            self.library.error_destroy(error)
            raise Unavailable(f"{verb}: {text}")
