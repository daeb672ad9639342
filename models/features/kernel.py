"""A transaction's history features, row by row in the order they came, compiled."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from eddy.models import entity_table
from eddy.models.arrays import Codes, Floats, Ints, Keys
from eddy.models.entity_table import NO_ROOM, TOO_SMALL, find_or_add
from eddy.models.features import memory, ring
from eddy.models.features.memory import ALWAYS, EARLIEST, KEEP, LATE, NEVER, WATERMARK, Memory
from eddy.models.features.ring import (
    add_fraud,
    append,
    count_frauds,
    count_within,
    expire_frauds,
    insert,
    make_room,
    ready,
    sum_within,
    sweep,
    take_back,
    time_at,
    value_at,
)
from eddy.models.numba_typing import compiled, compiled_and_kept, fingerprint

# Why a run ended before its last row: what must grow before it goes on.
DONE, CARD_TABLE, CARD_ARENA, TERMINAL_TABLE, TERMINAL_ARENA, FRAUDS = range(6)

# What became of a label: its event is remembered, and perhaps its absence was counted already.
NOT_FOUND, FOUND, FOUND_LATE = range(3)

AMOUNT_UNITS = 10_000
"""Amounts are added up in ten-thousandths: no currency of ISO 4217 has more than four decimals."""

SIEVE_BITS = 1 << 16
_SIEVE_MASK = np.uint64(SIEVE_BITS - 1)
_SIX, _LOW_BITS = np.uint64(6), np.uint64(63)
_ONE, _NOTHING = np.uint64(1), np.uint64(0)


class KernelRows(NamedTuple):
    """n transactions in the order they came.

    Attributes
    ----------
    times : ndarray of int64, shape (n,)
        Milliseconds since 1970.
    cards, terminals, events : ndarray of uint64, shape (n,)
    amounts : ndarray of int64, shape (n,)
        In ten-thousandths.
    """

    times: Ints
    cards: Keys
    terminals: Keys
    amounts: Ints
    events: Keys


class EventLabels(NamedTuple):
    """m labels, by event; those of one event by when they count, then in the order they came.

    Attributes
    ----------
    events : ndarray of uint64, shape (m,)
        Ascending.
    is_fraud : ndarray of uint8, shape (m,)
    since : ndarray of int64, shape (m,)
        From when on they count, milliseconds.
    sieve : ndarray of uint64, shape (SIEVE_BITS / 64,)
        A bit for each event, by its low bits: most events are none of these, and are told by it.
    """

    events: Keys
    is_fraud: Codes
    since: Ints
    sieve: Keys


@compiled
def _first(v: EventLabels, event: int) -> int:
    """Return the first label on an event, -1 where there is none."""
    low = np.uint64(event) & _SIEVE_MASK
    if v.sieve[low >> _SIX] >> (low & _LOW_BITS) & _ONE == _NOTHING:
        return -1
    i = np.searchsorted(v.events, np.uint64(event))
    return i if i < len(v.events) and v.events[i] == np.uint64(event) else -1


@compiled
def _is_noted(m: Memory, s: int, event: int, time: int, since: int) -> bool:
    """Whether an event passes for a fraud from a time on; an earlier time moves its beginning.

    Labels may be met twice, because an event came twice or because the work was begun again.
    """
    fraud = m.heads[s]["frauds"]
    while fraud >= 0:
        record = m.frauds[fraud]
        if record["event"] == event and record["time"] == time:
            if record["since"] <= since < record["until"] or record["since"] == since:
                return True
            if record["until"] == ALWAYS and record["since"] > since:
                record["since"] = since
                return True
        fraud = record["next"]
    return False


@compiled
def _note(m: Memory, s: int, v: EventLabels, i: int, time: int, oldest: int) -> bool:
    """Note what the labels from i on say of an event; False where there is no room for it.

    Labels from before the event, or from before `oldest`, say nothing: the latter may be
    forgotten already.
    """
    event = v.events[i]
    while i < len(v.events) and v.events[i] == event:
        since = v.since[i]
        if since >= max(time, oldest):
            if v.is_fraud[i] == 0:
                take_back(m, s, event, since)
            elif not _is_noted(m, s, event, time, since) and not add_fraud(
                m, s, event, time, since, ALWAYS
            ):
                return False
        i += 1
    return True


@compiled
def _slot(m: Memory, key: int) -> int:
    """Return an entity's slot; TOO_SMALL where the table must grow first."""
    s = find_or_add(m.table, key, m.table.counters[2])
    if s == NO_ROOM:
        make_room(m, -1)
        s = find_or_add(m.table, key, m.table.counters[2])
    return s


@compiled
def _saw(m: Memory, time: int) -> None:
    if m.counters[EARLIEST] == NEVER:
        m.counters[EARLIEST] = time
    m.counters[WATERMARK] = max(m.counters[WATERMARK], time)


@compiled
def _is_late(m: Memory, s: int, time: int) -> bool:
    if m.heads[s]["count"] == 0:
        # what came before it may have been forgotten
        m.counters[LATE] += time < m.counters[WATERMARK] - (m.counters[KEEP] - m.windows[-1])
        return False
    return time < m.heads[s]["newest"]


@compiled
def _put_late(m: Memory, s: int, time: int, value: int) -> None:
    newest = m.heads[s]["newest"]
    if time < newest - (m.counters[KEEP] - m.windows[-1]):
        m.counters[LATE] += 1  # some of what came before it is forgotten
    if time > newest - m.counters[KEEP]:
        insert(m, s, time, value)


@compiled
def _describe_card(m: Memory, s: int, time: int, amount: int, out: Floats) -> None:
    """Write count and mean amount of each window (time - w, time], the event included."""
    late = _is_late(m, s, time)
    if late:
        for w in range(len(m.windows)):
            after = time - m.windows[w]
            count = count_within(m, s, after, time) + 1
            total = sum_within(m, s, after, time) + amount
            out[2 * w], out[2 * w + 1] = count, total / (AMOUNT_UNITS * count)
        _put_late(m, s, time, amount)
        return
    append(m, s, time, amount)
    for w in range(len(m.windows)):
        count = m.heads[s]["count"] - m.cursors[s, w]
        out[2 * w], out[2 * w + 1] = count, m.sums[s, w] / (AMOUNT_UNITS * count)


@compiled
def _describe_terminal(m: Memory, s: int, time: int, event: int, out: Floats) -> None:
    """Write count and share of frauds of each window, all of which end a delay ago.

    The first of the memory's windows is the delay, the others include it.
    """
    late = _is_late(m, s, time)
    if not late:
        append(m, s, time, event)
        expire_frauds(m, s, m.heads[s]["newest"] - m.counters[KEEP])
    until = time - m.windows[0]
    count_frauds(m, s, time, out)
    for w in range(1, len(m.windows)):
        after = time - m.windows[w]
        count = count_within(m, s, after, until) if late else m.cursors[s, 0] - m.cursors[s, w]
        out[2 * w - 2] = count
        out[2 * w - 1] = out[2 * w - 1] / count if count > 0 else 0.0
    if late:
        _put_late(m, s, time, event)


def _entries(
    source: int,
) -> tuple[
    Callable[[Memory, Memory, KernelRows, EventLabels, int, Floats], tuple[int, int, int]],
    Callable[[Memory, EventLabels, Codes, Ints, int], tuple[int, int, int]],
]:
    """Make the functions to call from outside, which carry the version of their sources."""

    @compiled_and_kept
    def describe(
        cards: Memory,
        terminals: Memory,
        rows: KernelRows,
        waiting: EventLabels,
        start: int,
        out: Floats,
    ) -> tuple[int, int, int]:
        """Write the features of rows from `start` on, learning each; say where and why it ended."""
        split = 2 * len(cards.windows)
        for r in range(start, len(rows.times)):
            time, event = rows.times[r], np.int64(rows.events[r])
            c = _slot(cards, rows.cards[r])
            if c == TOO_SMALL:
                return r, CARD_TABLE, source
            if not ready(cards, c, time):
                return r, CARD_ARENA, source
            t = _slot(terminals, rows.terminals[r])
            if t == TOO_SMALL:
                return r, TERMINAL_TABLE, source
            if not ready(terminals, t, time):
                return r, TERMINAL_ARENA, source
            i = _first(waiting, rows.events[r]) if len(waiting.events) > 0 else -1
            if i >= 0:
                oldest = terminals.counters[WATERMARK] - terminals.counters[KEEP]
                if not _note(terminals, t, waiting, i, time, oldest):
                    return r, FRAUDS, source
            _describe_card(cards, c, time, rows.amounts[r], out[r, :split])
            _describe_terminal(terminals, t, time, event, out[r, split:])
            _saw(cards, time)
            _saw(terminals, time)
            sweep(cards)
            sweep(terminals)
        return len(rows.times), DONE, source

    @compiled_and_kept
    def learn(
        m: Memory, labels: EventLabels, codes: Codes, times: Ints, start: int
    ) -> tuple[int, int, int]:
        """Note labels of events that are remembered, from slot `start` on, and when these were."""
        for s in range(start, m.table.counters[0]):
            for k in range(m.heads[s]["count"]):
                i = _first(labels, value_at(m, s, k))
                if i < 0:
                    continue
                if not _note(m, s, labels, i, time_at(m, s, k), NEVER):
                    return s, FRAUDS, source
                newest, event = m.heads[s]["newest"], labels.events[i]
                is_past = time_at(m, s, k) <= newest - m.windows[0]
                while i < len(labels.events) and labels.events[i] == event:
                    codes[i] = FOUND_LATE if is_past and labels.since[i] <= newest else FOUND
                    times[i] = time_at(m, s, k)
                    i += 1
        return m.table.counters[0], DONE, source

    return describe, learn


describe, learn = _entries(fingerprint(entity_table, memory, ring, __file__))
