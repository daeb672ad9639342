"""Which slot an entity has: a hash table from 64-bit keys to dense slot numbers.

Slots are given in the order in which keys come, so that how rows are cut into batches changes
nothing; a freed slot is the next one to be given. Open addressing with linear probing at a load of
at most one half; removal shifts back, so that nothing dead is left in the table.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from eddy.models.arrays import Ints, Keys, Slots
from eddy.models.numba_typing import compiled, compiled_and_kept, fingerprint, inlined

# Key and slot together, because they are read together; slot -1 is an empty bucket.
BUCKET = np.dtype([("key", "u8"), ("slot", "i4")], align=True)
# What `find_or_add` says instead of a slot: as many entities as there may be, or arrays too small.
NO_ROOM, TOO_SMALL = -1, -2
# Entries of Table.counters: slots ever given, how many of them are free, entities there may be.
USED, FREE, MOST = range(3)

SMALLEST = 256
_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_HALF = np.uint64(32)


class Table(NamedTuple):
    """The table as arrays; S slots.

    Attributes
    ----------
    buckets : ndarray of BUCKET, shape (power of 2, at least 2 S,)
    keys : ndarray of uint64, shape (S,)
        The key of each slot; 0 where it is free.
    free : ndarray of int32, shape (S,)
        A stack of free slots.
    counters : ndarray of int64, shape (3,)
    """

    buckets: NDArray[np.void]
    keys: Keys
    free: Slots
    counters: Ints


@inlined
def _home(key: int, mask: int) -> int:
    """Return the bucket at which the search for a key begins."""
    h = key * _FACTOR
    return np.int64(h ^ (h >> _HALF)) & mask  # type: ignore[return-value]


@inlined
def _bucket(table: Table, key: int) -> int:
    """Return the bucket that holds a key, or the empty one where it belongs."""
    mask = len(table.buckets) - 1
    at = _home(key, mask)
    while table.buckets[at]["slot"] >= 0 and table.buckets[at]["key"] != key:
        at = (at + 1) & mask
    return at


@compiled
def find_or_add(table: Table, key: int, most: int) -> int:
    """Return a key's slot, a new one while there are fewer than `most`.

    NO_ROOM or TOO_SMALL where there is none.
    """
    at = _bucket(table, key)
    if table.buckets[at]["slot"] >= 0:
        return int(table.buckets[at]["slot"])
    c = table.counters
    if c[USED] - c[FREE] >= most:
        return NO_ROOM
    if c[FREE] > 0:
        c[FREE] -= 1
        slot = np.int64(table.free[c[FREE]])
    elif c[USED] < len(table.keys):
        slot = c[USED]
        c[USED] += 1
    else:
        return TOO_SMALL
    table.keys[slot] = key
    table.buckets[at]["key"] = key
    table.buckets[at]["slot"] = slot
    return int(slot)


@compiled
def _remove(table: Table, key: int) -> None:
    """Empty a key's bucket, and close the gap this makes in other keys' way."""
    mask = len(table.buckets) - 1
    hole = _bucket(table, key)
    at = (hole + 1) & mask
    while table.buckets[at]["slot"] >= 0:
        home = _home(table.buckets[at]["key"], mask)
        if (at - home) & mask >= (at - hole) & mask:  # its search passes the hole
            table.buckets[hole]["key"] = table.buckets[at]["key"]
            table.buckets[hole]["slot"] = table.buckets[at]["slot"]
            hole = at
        at = (at + 1) & mask
    table.buckets[hole]["slot"] = -1


@compiled
def release(table: Table, slot: int) -> None:
    """Forget the entity of a slot, which is the next one to be given."""
    _remove(table, table.keys[slot])
    table.keys[slot] = 0
    table.free[table.counters[FREE]] = slot
    table.counters[FREE] += 1


def _entries(
    source: int,
) -> tuple[
    Callable[[Table, Keys, int, Slots, NDArray[np.bool_]], tuple[int, int]],
    Callable[[Table, Keys, Slots], int],
    Callable[[Table, Slots], int],
    Callable[[Table, Slots], int],
]:
    """Make the functions to call from outside, which carry the version of their sources."""

    @compiled_and_kept
    def add(
        table: Table, keys: Keys, start: int, slots: Slots, is_new: NDArray[np.bool_]
    ) -> tuple[int, int]:
        """Return the first row for which the table is too small, or their number."""
        c = table.counters
        for r in range(start, len(keys)):
            count = c[USED] - c[FREE]
            slots[r] = find_or_add(table, keys[r], c[MOST])
            if slots[r] == TOO_SMALL:
                return r, source
            is_new[r] = c[USED] - c[FREE] > count
        return len(keys), source

    @compiled_and_kept
    def look_up(table: Table, keys: Keys, slots: Slots) -> int:
        for r in range(len(keys)):
            slots[r] = table.buckets[_bucket(table, keys[r])]["slot"]
        return source

    @compiled_and_kept
    def free(table: Table, slots: Slots) -> int:
        for slot in slots:
            release(table, slot)
        return source

    @compiled_and_kept
    def refill(table: Table, slots: Slots) -> int:
        """Put the keys of slots into a table's empty buckets."""
        for slot in slots:
            at = _bucket(table, table.keys[slot])
            table.buckets[at]["key"] = table.keys[slot]
            table.buckets[at]["slot"] = slot
        return source

    return add, look_up, free, refill


_add, _look_up, _free, _refill = _entries(fingerprint(__file__))


class EntityTable:
    """Gives each key a slot, and takes slots back.

    Parameters
    ----------
    most : int
        Entities there may be at a time; a further one gets no slot.

    Attributes
    ----------
    arrays : Table
        For compiled functions; replaced when the table grows.
    """

    def __init__(self, most: int) -> None:
        if not 0 < most < 1 << 30:
            raise ValueError(f"between 1 and 2**30 entities, not {most}")
        self.most = int(most)
        self.arrays = self._empty(min(SMALLEST, self.most))

    def lookup_or_add(self, keys: Keys) -> tuple[Slots, Ints]:
        """Return the slots of keys, -1 where there is no room, and the rows that were new.

        Parameters
        ----------
        keys : ndarray of uint64, shape (n,)
            Any numbers, 0 among them.
        """
        slots, is_new = np.empty(len(keys), np.int32), np.zeros(len(keys), np.bool_)
        start = 0
        while (start := _add(self.arrays, keys, start, slots, is_new)[0]) < len(keys):
            self.grow()
        return slots, np.flatnonzero(is_new)

    def lookup(self, keys: Keys) -> Slots:
        """Return the slots of keys, -1 for unknown ones."""
        slots = np.empty(len(keys), np.int32)
        _look_up(self.arrays, keys, slots)
        return slots

    def free(self, slots: Slots) -> None:
        """Forget entities; ValueError where a slot has none or is named twice."""
        rows = np.ascontiguousarray(slots, np.int32)
        self.check(rows)
        _free(self.arrays, rows)

    def check(self, slots: Slots) -> None:
        """Raise ValueError where a slot has no entity or is named twice."""
        within = bool(((slots >= 0) & (slots < self.used)).all())
        if not within or len(np.unique(slots)) < len(slots) or not self.live[slots].all():
            raise ValueError("a slot that is free, or named twice")

    def grow(self) -> None:
        """Make room for twice as many slots, at most for as many as there may be."""
        self._rebuild(min(2 * self.capacity, max(self.most, self.capacity + 1)))

    @property
    def live(self) -> NDArray[np.bool_]:
        """Which of the slots ever given are in use, shape (used,)."""
        live = np.ones(self.used, np.bool_)
        live[self.arrays.free[: self.arrays.counters[FREE]]] = False
        return live

    @property
    def keys(self) -> Keys:
        """The keys of the slots ever given, 0 where free, shape (used,)."""
        return self.arrays.keys[: self.used]

    @property
    def used(self) -> int:
        """How many slots were ever given: all slot numbers are below."""
        return int(self.arrays.counters[USED])

    @property
    def count(self) -> int:
        """How many entities have a slot."""
        return int(self.arrays.counters[USED] - self.arrays.counters[FREE])

    @property
    def capacity(self) -> int:
        """How many slots the arrays hold."""
        return len(self.arrays.keys)

    @property
    def bytes(self) -> int:
        """Memory of the arrays."""
        return sum(array.nbytes for array in self.arrays)

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """Return keys by slot and the free slots, the one to be given next last."""
        free = self.arrays.free[: self.arrays.counters[FREE]]
        return {"keys": self.keys.copy(), "free": free.copy()}

    def restore(self, state: dict[str, NDArray[Any]]) -> None:
        """Take over a snapshot, even of more entities than there may be; ValueError if none."""
        try:
            keys, free = state["keys"], state["free"]
        except KeyError as error:
            raise ValueError(f"not a table: {error}") from error
        within = bool(((free >= 0) & (free < len(keys))).all())
        if not within or keys.dtype != np.uint64 or free.dtype != np.int32:
            raise ValueError("not a table: its free slots are not among its slots")
        live = np.ones(len(keys), np.bool_)
        live[free] = False
        if int(live.sum()) != len(keys) - len(free) or len(np.unique(keys[live])) < live.sum():
            raise ValueError("not a table: a key or a free slot stands twice")
        capacity = min(SMALLEST, self.most)
        while capacity < len(keys):
            capacity = min(2 * capacity, max(self.most, len(keys)))
        self.arrays = self._filled(capacity, keys, free)

    def _rebuild(self, capacity: int) -> None:
        free = self.arrays.free[: self.arrays.counters[FREE]]
        self.arrays = self._filled(capacity, self.keys, free)

    def _filled(self, capacity: int, keys: Keys, free: Slots) -> Table:
        table = self._empty(capacity)
        table.keys[: len(keys)] = keys
        table.free[: len(free)] = free
        table.counters[:2] = len(keys), len(free)
        live = np.ones(len(keys), np.bool_)
        live[free] = False
        _refill(table, np.flatnonzero(live).astype(np.int32))
        return table

    def _empty(self, capacity: int) -> Table:
        buckets = np.zeros(1 << (2 * capacity - 1).bit_length(), BUCKET)
        buckets["slot"] = -1
        keys, free = np.zeros(capacity, np.uint64), np.zeros(capacity, np.int32)
        return Table(buckets, keys, free, np.array([0, 0, self.most], np.int64))
