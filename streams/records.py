"""Raw records as a reader hands them on: columns of where they stand, bytes left where they are."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eddy.schemas.errors import MissingResource
from eddy.schemas.spans import Spans


@dataclass(frozen=True, slots=True)
class ReadError:
    """What a broker said instead of a record."""

    code: int
    text: str
    topic: str
    partition: int


@dataclass(frozen=True, slots=True)
class Run:
    """Rows ``start:stop`` of a batch: neighbours of one partition, offsets ascending."""

    topic: str
    partition: int
    start: int
    stop: int


@dataclass(slots=True)
class Records:
    """A batch before decoding; all arrays have shape (n,).

    Attributes
    ----------
    runs : list of Run
        Cover all rows that are records; rows that are errors belong to none.
    errors : list of ReadError
        What the error rows said.
    offsets, timestamps : ndarray of int64
        Kafka's; timestamps in milliseconds, -1 where unknown.
    addresses, lengths : ndarray of int64
        Where the payloads are, valid until `release`.
    value, key : callable
        Give a row's payload and key as bytes, None for null.
    release : callable
        Gives the memory back; call exactly once.
    keys : callable
        Gives the keys of many rows where they lie, valid until `release`.
    """

    runs: list[Run]
    errors: list[ReadError]
    offsets: NDArray[np.int64]
    timestamps: NDArray[np.int64]
    addresses: NDArray[np.int64]
    lengths: NDArray[np.int64]
    value: Callable[[int], bytes | None]
    key: Callable[[int], bytes | None]
    release: Callable[[], None]
    keys: Callable[[NDArray[np.int64]], Spans]

    def segments(self) -> Iterator[tuple[str, int, int]]:
        """Yield (topic, start, stop) of neighbouring runs of one topic, to be decoded at once."""
        runs = iter(self.runs)
        first = next(runs, None)
        if first is None:
            return
        topic, start, stop = first.topic, first.start, first.stop
        for run in runs:
            if run.topic == topic and run.start == stop:
                stop = run.stop
                continue
            yield topic, start, stop
            topic, start, stop = run.topic, run.start, run.stop
        yield topic, start, stop


# librdkafka's codes (rdkafka.h) that a reader must tell apart.
OFFSET_RESET = frozenset({-140, 1})
_REFUSED = {
    -169: "authentication failed",
    -181: "TLS failed",
    29: "not authorised to read the topic",
    30: "not authorised to use the group",
}


def raise_if_refused(error: ReadError) -> None:
    """Raise MissingResource where reading can only go on after somebody acts."""
    if error.code in _REFUSED:
        raise MissingResource(
            f"kafka: {error.topic}[{error.partition}]: {_REFUSED[error.code]} ({error.text}); "
            "check the credentials and the ACLs"
        )
