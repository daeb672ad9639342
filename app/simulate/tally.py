"""Counts of injected and of flagged anomalies: recall and precision as of now."""

from collections.abc import Iterable

import msgspec


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """How well the detector did, as of now.

    The truth are the injected anomalies that were judged after warm-up; ids count once, however
    often a record was sent. Whatever else was flagged is a false alarm, also where the simulated
    rides hold odd ones by nature (which a density-based detector is right to find): so precision
    is a lower bound.

    Attributes
    ----------
    injected : int
        Injected anomalies judged after warm-up.
    found : int
        Those of them that were flagged.
    flagged : int
        Events flagged, injected or not.
    precision, recall : float, optional
        None where there is nothing to divide by.
    """

    injected: int
    found: int
    flagged: int
    precision: float | None
    recall: float | None


class RecallCounts:
    """Keeps the ids it needs: those injected and those flagged, a few in a thousand.

    Examples
    --------
    >>> tally = RecallCounts()
    >>> tally.inject("a", "teleport"); tally.judge("a", "anomaly"); tally.flag("a")
    >>> tally.flag("b")
    >>> tally.score().precision, tally.score().recall
    (0.5, 1.0)
    """

    def __init__(self) -> None:
        self._kinds: dict[str, str] = {}
        self._judged: set[str] = set()
        self._flagged: set[str] = set()
        self.warming = 0

    def inject(self, event_id: str, kind: str) -> None:
        """Note an anomaly, before it is sent."""
        self._kinds[event_id] = kind

    def judge(self, event_id: str, verdict: str) -> None:
        """Note what a scored record says of an event."""
        if verdict == "warming":
            self.warming += 1
        elif event_id in self._kinds:
            self._judged.add(event_id)

    def flag(self, event_id: str) -> None:
        """Note a published anomaly."""
        self._flagged.add(event_id)

    def kind(self, event_id: str | None) -> str | None:
        """Return what kind of anomaly was injected, None for an ordinary event."""
        return self._kinds.get(event_id or "")

    def missed(self) -> dict[str, int]:
        """Return how many of each kind were judged and not flagged."""
        return _count(self._kinds[event_id] for event_id in list(self._judged - self._flagged))

    def score(self) -> Score:
        """Return the score as of now."""
        injected, flagged = set(self._judged), set(self._flagged)
        hits = len(injected & flagged)
        right = len(flagged & self._kinds.keys())
        return Score(
            injected=len(injected),
            found=hits,
            flagged=len(flagged),
            precision=right / len(flagged) if flagged else None,
            recall=hits / len(injected) if injected else None,
        )


def _count(kinds: Iterable[str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for kind in kinds:
        counts[kind] = counts.get(kind, 0) + 1
    return counts
