"""Scored events as they are published: a batch of columns in, a JSON record for each event out.

The records are those that ``msgspec.json.encode(Scored(...))`` gives, in a twentieth of the time.

What is published must never fail a reader that puts it into a table, and that reader is not the
one that judged. An event that was accepted here is well-formed JSON of UTF-8 whose known fields
have their types, also where a name comes twice or is written with escapes, so it is taken over as
it was sent. But for these, of which only the fields of the event type go on, written anew:

* an integer of more than 18 characters: Kafka Connect keeps 64 bits of it and says nothing. As a
  label it goes on as text;
* a number of more than 100 characters, or with an exponent of more than five: Java's parsers
  refuse them (Jackson from 1,000 characters on);
* an event of more than 50,000 bytes: Jackson refuses names as long as that;
* an event of less than 32 bytes, which the compiled code does not look into.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from eddy.schemas.anomalies import ModelRef
from eddy.schemas.scored import VERDICTS
from eddy.schemas.scored_text import LONGEST_OFFSET, LONGEST_TIME, fitting, write
from eddy.schemas.spans import Spans

_encode = msgspec.json.Encoder().encode
_LARGEST = 2**63 - 1
_NORMAL, _ANOMALY, _WARMING = range(len(VERDICTS))


@dataclass(frozen=True, slots=True)
class JudgedEvents:
    """n valid events of one partition, and what was said of them.

    Attributes
    ----------
    events : Spans
        As they were sent.
    offsets : ndarray of int64, shape (n,)
    occurred_at : ndarray of int64, shape (n,)
        Microseconds since 1970, UTC.
    scores : ndarray of float64, shape (n,)
        NaN while warming.
    flagged : ndarray of int64, shape (m,)
        Rows that are anomalies.
    event : callable
        ``event(i)`` gives row i as the typed struct.
    """

    events: Spans
    offsets: NDArray[np.int64]
    occurred_at: NDArray[np.int64]
    scores: NDArray[np.float64]
    flagged: NDArray[np.int64]
    event: Callable[[int], Any]

    def verdicts(self) -> NDArray[np.int64]:
        """Return which of `VERDICTS` each row has."""
        return verdicts(self.scores, self.flagged)


def verdicts(scores: NDArray[np.float64], flagged: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the number in `VERDICTS` of each row's verdict."""
    numbers = np.full(len(scores), _NORMAL, np.int64)
    numbers[flagged] = _ANOMALY
    numbers[np.isnan(scores)] = _WARMING
    return numbers


def scored_records(judged: JudgedEvents, model: ModelRef, topic: str, partition: int) -> Spans:
    """Return the record of each event, in order.

    Parameters
    ----------
    judged : JudgedEvents
    model : ModelRef
        The model that judged.
    topic, partition : str, int
        Where the events stand.
    """
    events = _fitting(judged)
    count = len(events.lengths)
    pieces = _pieces(model, topic, partition)
    kept, addresses, lengths = Spans.of(pieces)
    scores = np.frombuffer(_encode(judged.scores.tolist()), np.uint8)
    around = int(lengths.sum()) + LONGEST_TIME + LONGEST_OFFSET + 1
    out = np.empty(int(events.lengths.sum()) + len(scores) + count * around, np.uint8)
    records = Spans(out, np.empty(count, np.int64), np.empty(count, np.int64))
    table = np.stack([addresses, lengths], axis=1)
    columns = [
        np.ascontiguousarray(column, np.int64)
        for column in (judged.occurred_at, judged.verdicts(), judged.offsets, *events[1:])
    ]
    times, which, offsets, event_addresses, event_lengths = (c.ctypes.data for c in columns)
    write(
        count,
        table.ctypes.data,
        times,
        scores.ctypes.data,
        which,
        offsets,
        event_addresses,
        event_lengths,
        out.ctypes.data,
        records.addresses.ctypes.data,
        records.lengths.ctypes.data,
    )
    del kept, columns  # written from until here
    return records


def prepare() -> None:
    """Load the compiled code now instead of with the first batch."""
    nothing = np.empty(0, np.int64)
    blank = JudgedEvents(Spans.of([]), nothing, nothing, np.empty(0), nothing, lambda _: None)
    scored_records(blank, ModelRef("", "", ""), "", 0)


def fields_alone(event: msgspec.Struct) -> bytes:
    """Return an event with the fields of its type alone, in a form that every reader takes."""
    return _encode(_bounded(msgspec.to_builtins(event)))


def _bounded(value: Any) -> Any:
    """Return integers beyond 64 bits as text: labels have no bounds."""
    if isinstance(value, dict):
        return {name: _bounded(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_bounded(inner) for inner in value]
    if isinstance(value, int) and not -_LARGEST <= value <= _LARGEST:
        return str(value)
    return value


def _fitting(judged: JudgedEvents) -> Spans:
    """Return the events with those written anew that cannot stay as they are."""
    _, addresses, lengths = judged.events
    addresses, lengths = np.ascontiguousarray(addresses), np.ascontiguousarray(lengths)
    stays = np.empty(len(lengths), np.bool_)
    fitting(addresses.ctypes.data, lengths.ctypes.data, len(lengths), stays.ctypes.data)
    rows = np.flatnonzero(~stays)
    if not len(rows):
        return Spans(judged.events.kept, addresses, lengths)
    anew = Spans.of([fields_alone(judged.event(row)) for row in rows.tolist()])
    addresses, lengths = addresses.copy(), lengths.copy()
    addresses[rows], lengths[rows] = anew.addresses, anew.lengths
    return Spans((judged.events.kept, anew.kept), addresses, lengths)


def _pieces(model: ModelRef, topic: str, partition: int) -> Sequence[bytes]:
    """Return the text between what differs from event to event, see `eddy.schemas.scored_text`."""
    rest = b',"model":%b,"source":{"topic":%b,"partition":%d,"offset":' % (
        _encode(model),
        _encode(topic),
        partition,
    )
    tails = [b',"verdict":"%b"%b' % (verdict.encode(), rest) for verdict in VERDICTS]
    return [b'{"occurred_at":"', b'","score":', b'},"event":', *tails]
