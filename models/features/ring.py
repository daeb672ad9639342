"""The ring of one entity: its events by time, and its windows, which move with the newest event.

An event that comes in order moves each window's cursor past what has left it: constant work,
however many events the entity has. One that comes late is put where it belongs, and what it saw is
counted event by event.
"""

import numpy as np
from numpy.typing import NDArray

from eddy.models.entity_table import release
from eddy.models.features.memory import (
    EVICTED,
    FREE_FRAUD,
    HAND,
    HAS_LOST,
    KEEP,
    LIVE,
    MOST,
    NEVER,
    TRUNCATED,
    USED,
    WATERMARK,
    Memory,
)
from eddy.models.numba_typing import compiled

_LOW = np.int64(0xFFFFFFFF)
_LOOKED_AT = 8  # entities among which the one longest unseen must make room


@compiled
def _at(m: Memory, s: int, k: int) -> int:
    """Return where in the arena the k-th oldest event of a slot is."""
    h = m.heads[s]
    at = h["first"] + k
    if at >= h["size"]:
        at -= h["size"]
    return h["start"] + at


@compiled
def time_at(m: Memory, s: int, k: int) -> int:
    """Return when the k-th oldest event was; milliseconds."""
    newest = m.heads[s]["newest"]
    back = (newest & _LOW) - np.int64(m.times[_at(m, s, k)])
    return newest - (back & _LOW)


@compiled
def value_at(m: Memory, s: int, k: int) -> int:
    """Return the value of the k-th oldest event."""
    return m.values[_at(m, s, k)]


@compiled
def _is_summed(m: Memory) -> bool:
    return m.sums.shape[1] > 0


# -- the arena -------------------------------------------------------------------------------------


@compiled
def _size_class(m: Memory, size: int) -> int:
    low, high = 0, len(m.sizes) - 1
    while low < high:
        middle = (low + high) // 2
        if m.sizes[middle] < size:
            low = middle + 1
        else:
            high = middle
    return low


@compiled
def _take(m: Memory, kind: int) -> int:
    """Return where an unused ring of a size begins, -1 where the arena has none."""
    start = m.free[kind]
    if start >= 0:
        m.free[kind] = np.int32(m.values[start])
        return start
    used, size = m.counters[USED], m.sizes[kind]
    if used + size <= len(m.times):
        m.counters[USED] = used + size
        return used
    return -1


@compiled
def _give_back(m: Memory, start: int, size: int) -> None:
    kind = _size_class(m, size)
    m.values[start] = m.free[kind]
    m.free[kind] = start
    m.counters[LIVE] -= size


@compiled
def _move(m: Memory, s: int, start: int, size: int) -> None:
    """Let a slot have another, larger ring."""
    h = m.heads[s]
    for k in range(h["count"]):
        at = _at(m, s, k)
        m.times[start + k] = m.times[at]
        m.values[start + k] = m.values[at]
    if h["size"] > 0:
        _give_back(m, h["start"], h["size"])
    h["start"], h["size"], h["first"] = start, size, 0
    m.counters[LIVE] += size


@compiled
def ready(m: Memory, s: int, time: int) -> bool:
    """Make room in a slot's ring for an event; False where the arena must grow first.

    Whether others or older events have to make room depends on the sizes of rings alone, not on
    where they lie.
    """
    expire(m, s, time)
    h = m.heads[s]
    if h["count"] < h["size"]:
        return True
    kind = _size_class(m, h["size"] + 1)
    more = m.sizes[kind] - h["size"]
    if m.counters[LIVE] + more > m.counters[MOST]:
        if h["count"] > 0:
            expire_frauds(m, s, time_at(m, s, 0))
            _pop(m, s)
            m.counters[TRUNCATED] += 1
            m.counters[HAS_LOST] = 1
            return True
        while m.counters[LIVE] + more > m.counters[MOST]:
            make_room(m, s)
    start = _take(m, kind)
    if start < 0:
        return False
    _move(m, s, start, m.sizes[kind])
    return True


# -- entities --------------------------------------------------------------------------------------


@compiled
def forget(m: Memory, s: int) -> None:
    """Forget an entity."""
    h = m.heads[s]
    if h["size"] > 0:
        _give_back(m, h["start"], h["size"])
    fraud = h["frauds"]
    while fraud >= 0:
        following = m.frauds[fraud]["next"]
        _free_fraud(m, fraud)
        fraud = following
    h["newest"], h["frauds"] = NEVER, -1
    h["start"], h["size"], h["first"], h["count"] = 0, 0, 0, 0
    m.cursors[s, :] = 0
    if _is_summed(m):
        m.sums[s, :] = 0
    release(m.table, s)


@compiled
def make_room(m: Memory, kept: int) -> None:
    """Forget the entity longest unseen among some; never the one at slot `kept`."""
    used = m.table.counters[0]
    victim, oldest, looked = -1, NEVER, 0
    hand = m.counters[HAND]
    for _ in range(used):
        hand = (hand + 1) % used
        if m.heads[hand]["size"] > 0 and hand != kept:
            if victim < 0 or m.heads[hand]["newest"] < oldest:
                victim, oldest = hand, m.heads[hand]["newest"]
            looked += 1
            if looked == _LOOKED_AT:
                break
    m.counters[HAND] = hand
    if victim >= 0:
        forget(m, victim)
        m.counters[EVICTED] += 1
        m.counters[HAS_LOST] = 1


@compiled
def sweep(m: Memory) -> None:
    """Look at one entity, and forget it where nothing of it matters any more.

    Once for each event: so the moment is a function of the events, however they are cut.
    """
    used = m.table.counters[0]
    if used == 0:
        return
    hand = (m.counters[HAND] + 1) % used
    m.counters[HAND] = hand
    h = m.heads[hand]
    if h["size"] > 0 and h["newest"] <= m.counters[WATERMARK] - m.counters[KEEP]:
        forget(m, hand)


# -- events ----------------------------------------------------------------------------------------


@compiled
def _pop(m: Memory, s: int) -> None:
    """Forget the oldest event."""
    h = m.heads[s]
    for w in range(len(m.windows)):
        if m.cursors[s, w] > 0:
            m.cursors[s, w] -= 1
        elif _is_summed(m):
            m.sums[s, w] -= value_at(m, s, 0)
    h["first"] += 1
    if h["first"] == h["size"]:
        h["first"] = 0
    h["count"] -= 1


@compiled
def expire(m: Memory, s: int, now: int) -> None:
    """Forget events that are no longer kept once an event of time `now` has come."""
    h = m.heads[s]
    limit = max(now, h["newest"]) - m.counters[KEEP]
    while h["count"] > 0 and time_at(m, s, 0) <= limit:
        _pop(m, s)


@compiled
def append(m: Memory, s: int, time: int, value: int) -> None:
    """Add an event that is not older than the others, and move the windows' ends to it."""
    h = m.heads[s]
    for w in range(len(m.windows)):
        edge = time - m.windows[w]
        at = m.cursors[s, w]
        while at < h["count"] and time_at(m, s, at) <= edge:
            if _is_summed(m):
                m.sums[s, w] -= value_at(m, s, at)
            at += 1
        m.cursors[s, w] = at
        if _is_summed(m):
            m.sums[s, w] += value
    h["newest"] = time
    h["count"] += 1
    at = _at(m, s, h["count"] - 1)
    m.times[at] = np.uint32(time & _LOW)
    m.values[at] = value


@compiled
def insert(m: Memory, s: int, time: int, value: int) -> None:
    """Add an event that came late, behind those of the same time."""
    h = m.heads[s]
    h["count"] += 1
    k = h["count"] - 1
    while k > 0 and time_at(m, s, k - 1) > time:
        at, before = _at(m, s, k), _at(m, s, k - 1)
        m.times[at], m.values[at] = m.times[before], m.values[before]
        k -= 1
    at = _at(m, s, k)
    m.times[at] = np.uint32(time & _LOW)
    m.values[at] = value
    for w in range(len(m.windows)):
        if time <= h["newest"] - m.windows[w]:
            m.cursors[s, w] += 1
        elif _is_summed(m):
            m.sums[s, w] += value


@compiled
def count_within(m: Memory, s: int, after: int, until: int) -> int:
    """Return how many events lie in (after, until]; milliseconds."""
    n = 0
    for k in range(m.heads[s]["count"] - 1, -1, -1):
        time = time_at(m, s, k)
        if time <= after:
            break
        n += time <= until
    return n


@compiled
def sum_within(m: Memory, s: int, after: int, until: int) -> int:
    """Return the sum of the values in (after, until]."""
    total = np.int64(0)
    for k in range(m.heads[s]["count"] - 1, -1, -1):
        time = time_at(m, s, k)
        if time <= after:
            break
        if time <= until:
            total += value_at(m, s, k)
    return total


# -- frauds ----------------------------------------------------------------------------------------


@compiled
def _free_fraud(m: Memory, fraud: int) -> None:
    m.frauds[fraud]["next"] = m.counters[FREE_FRAUD]
    m.counters[FREE_FRAUD] = fraud


@compiled
def add_fraud(m: Memory, s: int, event: int, time: int, since: int, until: int) -> bool:
    """Note that an event was a fraud; False where there is no room, and nothing was done."""
    fraud = m.counters[FREE_FRAUD]
    if fraud < 0:
        return False
    record, following = m.frauds[fraud], m.frauds[fraud]["next"]
    m.counters[FREE_FRAUD] = following if following < len(m.frauds) else -1
    record["event"], record["time"], record["since"], record["until"] = event, time, since, until
    record["next"] = m.heads[s]["frauds"]
    m.heads[s]["frauds"] = fraud
    return True


@compiled
def take_back(m: Memory, s: int, event: int, until: int) -> None:
    """Note until when an event passed for a fraud; what is said of it later is another matter."""
    fraud = m.heads[s]["frauds"]
    while fraud >= 0:
        record = m.frauds[fraud]
        if record["event"] == event and record["since"] < until < record["until"]:
            record["until"] = until
        fraud = record["next"]


@compiled
def count_frauds(m: Memory, s: int, now: int, out: NDArray[np.float64]) -> None:
    """Write how many frauds of each window count at the time `now`, into every second place."""
    for w in range(1, len(m.windows)):
        out[2 * w - 1] = 0.0
    until = now - m.windows[0]
    fraud = m.heads[s]["frauds"]
    while fraud >= 0:
        record = m.frauds[fraud]
        if record["time"] <= until and record["since"] <= now < record["until"]:
            for w in range(1, len(m.windows)):
                out[2 * w - 1] += record["time"] > now - m.windows[w]
        fraud = record["next"]


@compiled
def expire_frauds(m: Memory, s: int, limit: int) -> None:
    """Forget frauds up to a time."""
    before = -1
    fraud = m.heads[s]["frauds"]
    while fraud >= 0:
        record, following = m.frauds[fraud], m.frauds[fraud]["next"]
        if record["time"] <= limit:
            if before < 0:
                m.heads[s]["frauds"] = following
            else:
                m.frauds[before]["next"] = following
            _free_fraud(m, fraud)
        else:
            before = fraud
        fraud = following
