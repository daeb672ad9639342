"""What a history remembers: for each entity its recent events, by time, in a ring of its own.

Rings lie in one arena and are of few sizes, so that one that an entity has outgrown serves
another. An event takes twelve bytes: its time in milliseconds, of which 32 bits are enough because
no ring spans more than 49 days, and a value of 64 bits.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from eddy.models.arrays import Ints
from eddy.models.entity_table import EntityTable, Table
from eddy.models.numba_typing import compiled_and_kept

HEAD = np.dtype(
    [
        ("newest", "<i8"),  # time of the last event, milliseconds since 1970
        ("start", "<i4"),  # where the ring lies in the arena
        ("size", "<i4"),  # events it has room for; 0: the slot is free
        ("first", "<i4"),  # where in the ring the oldest event is
        ("count", "<i4"),
        ("frauds", "<i4"),  # the first of its frauds, -1 for none
        ("_", "<i4"),  # padding, named so that it is copied
    ]
)
FRAUD = np.dtype(
    [
        ("event", "<u8"),
        ("time", "<i8"),  # when it happened, milliseconds
        ("since", "<i8"),  # from when on it counts
        ("until", "<i8"),  # when it was taken back
        ("next", "<i4"),
        ("_", "<i4"),
    ]
)

SIZES = np.array(
    [
        *range(4, 32, 4),
        *range(32, 128, 8),
        *(2**k * part // 8 for k in range(7, 30) for part in range(8, 16)),
    ],
    np.int64,
)
"""How many events rings have room for: each about an eighth more than the one before."""

# Entries of Memory.counters.
(
    USED,  # events of the arena that are or were part of a ring
    MOST,  # events that rings may have room for, all together
    WATERMARK,  # the latest time seen, milliseconds
    EARLIEST,  # the time of the first event seen
    HAND,  # the slot looked at last for being out of date
    KEEP,  # how long events are kept, milliseconds
    FREE_FRAUD,  # the first unused entry of `frauds`, -1 for none
    EVICTED,  # entities that had to make room, since last asked
    TRUNCATED,  # events forgotten early, because a ring could not grow
    LATE,  # events that came so late that what they follow is forgotten
    LIVE,  # events that the rings in use have room for
    HAS_LOST,  # 1 once anything had to make room
) = range(12)
COUNTERS = 12
NEVER = np.int64(-(2**62))
ALWAYS = np.int64(2**62)


class Memory(NamedTuple):
    """The arrays of a history; S slots, N events in the arena, K windows.

    Attributes
    ----------
    table : Table
    heads : ndarray of HEAD, shape (S,)
    cursors : ndarray of int32, shape (S, K)
        How many of the events lie before each window; the windows end with the newest event.
    sums : ndarray of int64, shape (S, K) or (S, 0)
        The values in each window; none where values are no amounts.
    times : ndarray of uint32, shape (N,)
        Milliseconds, the low 32 bits.
    values : ndarray of int64, shape (N,)
    free : ndarray of int32, shape (len(SIZES),)
        The first unused ring of each size, whose first value names the next; -1 for none.
    windows : ndarray of int64, shape (K,)
        Lengths, milliseconds, ascending.
    frauds : ndarray of FRAUD
    counters : ndarray of int64, shape (COUNTERS,)
    sizes : ndarray of int64
        `SIZES`.
    """

    table: Table
    heads: NDArray[np.void]
    cursors: NDArray[np.int32]
    sums: Ints
    times: NDArray[np.uint32]
    values: Ints
    free: NDArray[np.int32]
    windows: Ints
    frauds: NDArray[np.void]
    counters: Ints
    sizes: Ints


class EventMemory:
    """The memory of one kind of entity, and how it grows.

    Parameters
    ----------
    windows_ms : sequence of int
        Lengths of the windows, ascending; the last one is how far back events matter.
    lateness_ms : int
        How much longer than that they are kept, for events that come late.
    most_entities, most_events : int
        Bounds of memory; what has to make room is counted.
    is_summed : bool
        Whether values are amounts, which are added up.
    """

    def __init__(
        self,
        windows_ms: list[int],
        lateness_ms: int,
        most_entities: int,
        most_events: int,
        *,
        is_summed: bool,
    ) -> None:
        self.table = EntityTable(most_entities)
        self._k, self._is_summed = len(windows_ms), is_summed
        slots, events = self.table.capacity, 4_096
        counters = np.zeros(COUNTERS, np.int64)
        counters[MOST] = most_events
        counters[WATERMARK] = counters[EARLIEST] = NEVER
        counters[KEEP] = windows_ms[-1] + lateness_ms
        counters[FREE_FRAUD] = -1
        self.arrays = Memory(
            table=self.table.arrays,
            heads=_heads(slots),
            cursors=np.zeros((slots, self._k), np.int32),
            sums=np.zeros((slots, self._k if is_summed else 0), np.int64),
            times=np.zeros(events, np.uint32),
            values=np.zeros(events, np.int64),
            free=np.full(len(SIZES), -1, np.int32),
            windows=np.array(windows_ms, np.int64),
            frauds=np.zeros(0, FRAUD),
            counters=counters,
            sizes=SIZES,
        )

    def grow_table(self) -> None:
        """Make room for more entities."""
        self.table.grow()
        slots, old = self.table.capacity, self.arrays
        self.arrays = old._replace(
            table=self.table.arrays,
            heads=_longer(old.heads, _heads(slots)),
            cursors=_longer(old.cursors, np.zeros((slots, self._k), np.int32)),
            sums=_longer(old.sums, np.zeros((slots, old.sums.shape[1]), np.int64)),
        )

    def grow_arena(self) -> None:
        """Put the rings in use side by side in an arena an eighth larger than they need."""
        old = self.arrays
        heads = old.heads[: self.table.used]
        sizes = heads["size"].astype(np.int64)
        live = int(sizes.sum())
        events = live + max(live // 8, 4_096, 2 * int(sizes.max(initial=0)))
        new = _other_arena(old, old.heads, events)
        new.free[:] = -1
        move_rings(old, new, np.cumsum(sizes) - sizes)
        new.counters[USED] = live
        self.arrays = new

    def grow_frauds(self) -> None:
        """Make room for more frauds."""
        old = self.arrays
        count = len(old.frauds)
        frauds = _longer(old.frauds, np.zeros(max(256, 2 * count), FRAUD))
        frauds["next"][count:] = np.arange(count + 1, len(frauds) + 1)
        frauds["next"][-1] = old.counters[FREE_FRAUD]
        old.counters[FREE_FRAUD] = count
        self.arrays = old._replace(frauds=frauds)

    def take_count(self, counter: int) -> int:
        """Return a count since it was last asked for."""
        count = int(self.arrays.counters[counter])
        self.arrays.counters[counter] = 0
        return count

    @property
    def entities(self) -> int:
        """How many entities are remembered."""
        return self.table.count

    @property
    def bytes(self) -> int:
        """Memory of the arrays."""
        return self.table.bytes + sum(array.nbytes for array in self.arrays[1:])

    def snapshot(self, prefix: str) -> dict[str, NDArray[Any]]:
        """Return the state as named arrays, copied."""
        slots, arrays = self.table.used, self.arrays
        counts = arrays.heads["count"][:slots].astype(np.int64)
        events = int(counts.sum())
        packed = _other_arena(arrays, arrays.heads[:slots].copy(), events)
        move_rings(arrays, packed, np.cumsum(counts) - counts)
        packed.heads["start"] = 0  # where rings lie is nothing to remember
        frauds, owners = np.zeros(len(arrays.frauds), FRAUD), np.zeros(len(arrays.frauds), np.int64)
        noted = list_frauds(arrays, slots, frauds, owners)
        packed.heads["frauds"] = -1
        counters = arrays.counters.copy()
        counters[[USED, LIVE, FREE_FRAUD]] = 0
        parts = {
            **self.table.snapshot(),
            "heads": packed.heads,
            "cursors": arrays.cursors[:slots].copy(),
            "sums": arrays.sums[:slots].copy(),
            "times": packed.times,
            "values": packed.values,
            "frauds": frauds[:noted],
            "fraud_slots": owners[:noted],
            "counters": counters,
        }
        return {f"{prefix}.{name}": array for name, array in parts.items()}

    def restore(self, prefix: str, state: dict[str, NDArray[Any]]) -> None:
        """Take over a state that `snapshot` returned.

        Raises
        ------
        ValueError
            It is none, or one of other windows; nothing is taken over then.
        """
        try:
            parts = {name: state[f"{prefix}.{name}"] for name in _PARTS}
        except KeyError as error:
            raise ValueError(f"a history without {error}") from error
        mine = self.arrays
        for name, dtype in (("heads", HEAD), ("frauds", FRAUD)):
            parts[name] = _records(parts[name], dtype)
        _check(parts, mine)
        table = EntityTable(self.table.most)
        table.restore({"keys": parts["keys"], "free": parts["free"]})
        slots, heads = table.capacity, parts["heads"].copy()
        counts = heads["count"].astype(np.int64)
        counters = parts["counters"].copy()
        counters[MOST], counters[KEEP] = mine.counters[MOST], mine.counters[KEEP]
        heads["start"], heads["frauds"] = np.cumsum(counts) - counts, -1
        self.table = table
        self.arrays = mine._replace(
            table=table.arrays,
            heads=_longer(heads, _heads(slots)),
            cursors=_longer(parts["cursors"], np.zeros((slots, self._k), np.int32)),
            sums=_longer(parts["sums"], np.zeros((slots, mine.sums.shape[1]), np.int64)),
            times=parts["times"].copy(),
            values=parts["values"].copy(),
            free=np.full(len(SIZES), -1, np.int32),
            frauds=np.zeros(0, FRAUD),
            counters=counters,
        )
        counters[LIVE] = int(heads["size"].astype(np.int64).sum())
        counters[FREE_FRAUD] = -1
        self.grow_arena()
        while len(self.arrays.frauds) < len(parts["frauds"]):
            self.grow_frauds()
        relist_frauds(self.arrays, parts["frauds"], parts["fraud_slots"])


_DTYPES = {
    "cursors": np.int32,
    "sums": np.int64,
    "times": np.uint32,
    "values": np.int64,
    "fraud_slots": np.int64,
    "counters": np.int64,
}
_PARTS = (
    "keys",
    "free",
    "heads",
    "cursors",
    "sums",
    "times",
    "values",
    "frauds",
    "fraud_slots",
    "counters",
)


def _other_arena(old: Memory, heads: NDArray[np.void], events: int) -> Memory:
    times, values = np.zeros(events, np.uint32), np.zeros(events, np.int64)
    return old._replace(heads=heads, times=times, values=values)


@compiled_and_kept
def list_frauds(m: Memory, slots: int, frauds: NDArray[np.void], owners: Ints) -> int:
    """Write the frauds of all slots one behind the other; return how many there are."""
    n = 0
    for s in range(slots):
        fraud = m.heads[s]["frauds"]
        while fraud >= 0:
            record, copy = m.frauds[fraud], frauds[n]
            copy["event"], copy["time"] = record["event"], record["time"]
            copy["since"], copy["until"] = record["since"], record["until"]
            owners[n] = s
            n += 1
            fraud = record["next"]
    return n


@compiled_and_kept
def relist_frauds(m: Memory, frauds: NDArray[np.void], owners: Ints) -> None:
    """Give frauds back to their slots, in the order they were written."""
    for k in range(len(frauds) - 1, -1, -1):
        at = m.counters[FREE_FRAUD]
        record, head = m.frauds[at], m.heads[owners[k]]
        m.counters[FREE_FRAUD] = record["next"] if record["next"] < len(m.frauds) else -1
        record["event"], record["time"] = frauds[k]["event"], frauds[k]["time"]
        record["since"], record["until"] = frauds[k]["since"], frauds[k]["until"]
        record["next"] = head["frauds"]
        head["frauds"] = at


@compiled_and_kept
def move_rings(old: Memory, new: Memory, starts: Ints) -> None:
    """Copy the events of rings into another arena, each ring's to where it is to begin.

    The heads of the other one say afterwards where they are; both may be the same heads.
    """
    for s in range(len(starts)):
        head = old.heads[s]
        for k in range(head["count"]):
            at = head["first"] + k
            if at >= head["size"]:
                at -= head["size"]
            new.times[starts[s] + k] = old.times[head["start"] + at]
            new.values[starts[s] + k] = old.values[head["start"] + at]
        new.heads[s]["start"], new.heads[s]["first"] = starts[s], 0


def _check(parts: dict[str, NDArray[Any]], mine: Memory) -> None:
    slots = len(parts["keys"])
    expected = {
        "heads": (slots,),
        "cursors": (slots, mine.cursors.shape[1]),
        "sums": (slots, mine.sums.shape[1]),
        "values": parts["times"].shape,
        "counters": mine.counters.shape,
    }
    for name, dtype in _DTYPES.items():
        if parts[name].dtype != dtype:
            raise ValueError(f"a history whose {name} are {parts[name].dtype}")
    for name, shape in expected.items():
        if parts[name].shape != shape:
            raise ValueError(f"a history whose {name} are of shape {parts[name].shape}")
    heads = parts["heads"]
    counts = heads["count"].astype(np.int64)
    if counts.sum() != len(parts["times"]):
        raise ValueError("a history with more or fewer events than its rings hold")
    if (counts < 0).any() or (counts > heads["size"]).any() or heads["first"].any():
        raise ValueError("a history whose rings hold more than they have room for")
    if (parts["cursors"] < 0).any() or (parts["cursors"] > counts[:, None]).any():
        raise ValueError("a history whose windows lie outside their rings")
    if not np.isin(heads["size"], [0, *SIZES]).all():
        raise ValueError("a history with rings of other sizes")
    owners = parts["fraud_slots"]
    if owners.shape != parts["frauds"].shape or (owners < 0).any() or (owners >= slots).any():
        raise ValueError("a history with frauds of nobody")


def _records(array: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return records that were packed as plain bytes."""
    if array.dtype.itemsize != dtype.itemsize:
        raise ValueError(f"a history with records of {array.dtype.itemsize} bytes")
    return array.view(dtype)


def _heads(slots: int) -> NDArray[np.void]:
    heads = np.zeros(slots, HEAD)
    heads["newest"], heads["frauds"] = NEVER, -1
    return heads


def _longer(old: NDArray[Any], new: NDArray[Any]) -> NDArray[Any]:
    new[: len(old)] = old
    return new
