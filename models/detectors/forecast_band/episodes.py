"""Episodes: runs of flagged intervals, and what must be said when a run changes.

An entity's episodes are a pure function of its judged intervals: a run of flagged intervals on one
side of the forecast. What is published is the difference between the episodes before and after
something changed, be it that an interval closed or that a late payment revised one. So whatever
comes late, and in whatever order, what stays open in the end is what the complete data says.
"""

import math
from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

NONE = -(2**62)
"""Stands for no window."""

WORSENING = 1.25
"""An episode is told again when its worst score passes the next power of this."""

Op = Literal["open", "update", "close", "retract"]


class Flag(NamedTuple):
    """One judged interval of an entity.

    Attributes
    ----------
    window : int
    side : int
        0 where it is not flagged, else 1 above and -1 below the forecast.
    score : float
    """

    window: int
    side: int
    score: float


class Episode(NamedTuple):
    """A run of flagged intervals.

    Attributes
    ----------
    start : int
        Its first window; with the entity it makes its id.
    side : int
        1 above, -1 below the forecast.
    worst : float
        The largest score.
    worst_window : int
    is_open : bool
        Whether the last judged interval is still part of it.
    """

    start: int
    side: int
    worst: float
    worst_window: int
    is_open: bool

    @property
    def rung(self) -> int:
        """How bad it is, in steps of `WORSENING`."""
        return math.floor(math.log(max(self.worst, 1.0)) / math.log(WORSENING) + 1e-9)


class EpisodeTransition(NamedTuple):
    """What is to be told of an episode."""

    op: Op
    episode: Episode


NO_EPISODE = Episode(NONE, 0, 0.0, NONE, False)


def episodes(before: Episode, flags: Iterable[Flag]) -> list[Episode]:
    """Return the episodes of judged intervals, in their order.

    Parameters
    ----------
    before : Episode
        The run that leads up to the first interval; `NO_EPISODE` for none.
    flags : iterable of Flag
    """
    episodes = [before] if before.is_open else []
    for flag in flags:
        last = episodes[-1] if episodes and episodes[-1].is_open else None
        if last is not None and flag.side == last.side:
            episodes[-1] = extended(last, flag)
            continue
        if last is not None:
            episodes[-1] = last._replace(is_open=False)
        if flag.side:
            episodes.append(Episode(flag.window, flag.side, flag.score, flag.window, True))
    return episodes


def extended(episode: Episode, flag: Flag) -> Episode:
    """Return the episode with one more flagged interval."""
    if flag.score > episode.worst:
        return episode._replace(worst=flag.score, worst_window=flag.window)
    return episode


def changes(before: list[Episode], after: list[Episode]) -> Iterator[EpisodeTransition]:
    """Yield what must be told so that who knew `before` knows `after`; retractions first."""
    old = {episode.start: episode for episode in before}
    new = {episode.start: episode for episode in after}
    for start, episode in old.items():
        if start not in new:
            yield EpisodeTransition("retract", episode)
    for start, episode in new.items():
        known = old.get(start)
        if known is None:
            yield EpisodeTransition("open", episode._replace(is_open=True))
            if not episode.is_open:
                yield EpisodeTransition("close", episode)
        elif _differs(known, episode):
            yield EpisodeTransition("update" if episode.is_open else "close", episode)


def _differs(known: Episode, episode: Episode) -> bool:
    closes = known.is_open != episode.is_open
    return closes or episode.rung != known.rung or episode.side != known.side
