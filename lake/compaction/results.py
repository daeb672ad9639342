"""What compaction did, for people and machines."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from typing import Literal

Show = Callable[[str, int, int], None]
"""Told (what is done, how much is done, how much there is)."""

Outcome = Literal["compacted", "settled", "conflict"]


@dataclass(frozen=True, slots=True)
class DayResult:
    """What became of one day of one table.

    Attributes
    ----------
    outcome : str
        ``compacted``; ``settled`` where there was nothing to do; ``conflict`` where others
        replaced the same files again and again, so that nothing was done.
    added : int
        Rows that were not in the table but in JSON Lines.
    duplicates : int
        Rows dropped for a newer one of the same day.
    folded : int
        Rows dropped for a newer one of another day.
    seconds : float
        Of reading, sorting, writing and committing; what was read of all days at once is not in.
    tries : int
        Until it was committed; more than one where others committed too.
    """

    table: str
    day: date
    outcome: Outcome
    rows_before: int = 0
    rows_after: int = 0
    files_before: int = 0
    files_after: int = 0
    bytes_before: int = 0
    bytes_after: int = 0
    added: int = 0
    duplicates: int = 0
    folded: int = 0
    seconds: float = 0.0
    tries: int = 0

    def then(self, later: "DayResult") -> "DayResult":
        """Return what both came to, one after the other."""
        if self.outcome != "compacted" or later.outcome == "conflict":
            return later
        if later.outcome == "settled":  # says less than what was done
            return self
        return replace(
            later,
            rows_before=self.rows_before,
            files_before=self.files_before,
            bytes_before=self.bytes_before,
            added=self.added + later.added,
            duplicates=self.duplicates + later.duplicates,
            folded=self.folded + later.folded,
            seconds=self.seconds + later.seconds,
            tries=max(self.tries, later.tries),
        )


@dataclass(frozen=True, slots=True)
class Swept:
    """What maintenance did to one table.

    Attributes
    ----------
    snapshots_before, snapshots_after : int
    files_deleted : int
        Objects that no snapshot needs.
    bytes_deleted : int
    """

    table: str
    snapshots_before: int
    snapshots_after: int
    files_deleted: int
    bytes_deleted: int
