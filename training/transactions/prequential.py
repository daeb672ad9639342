"""Prequential evaluation: train, wait for the labels, test on what came then; again a week later.

After the Fraud Detection Handbook, chapter 5: the training rows end a delay before the test rows
begin, because later labels would not have been known. Cards that are known to be defrauded leave
the test: they are blocked by then, and finding them again is no merit.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from eddy.models.arrays import Flags
from eddy.schemas.errors import ConfigError
from eddy.training.transactions.table import DAY_US, TrainingTable


@dataclass(frozen=True, slots=True)
class Fold:
    """One test window and the time before which all that is learned must lie.

    Attributes
    ----------
    learn_until_us : int
        The end of the training rows: a delay before the test begins.
    test_start_us, test_stop_us : int
    """

    learn_until_us: int
    test_start_us: int
    test_stop_us: int


def newest_window(table: TrainingTable, days: int, delay_days: float) -> Fold:
    """Return the last `days` whole days whose labels have had the delay to come.

    On younger days frauds only may have been reported, and silence says nothing yet. So the window
    ends with the newest label, and at the latest a delay before the newest row.

    Raises
    ------
    ConfigError
        No row has a label.
    """
    labelled = np.flatnonzero(table.labelled)
    if not len(labelled):
        raise ConfigError("the table has no labelled rows")
    end_of_labels = _next_midnight(int(table.occurred_at[labelled[-1]]))
    matured = int(table.occurred_at[-1]) + 1 - round(delay_days * DAY_US)
    stop = min(end_of_labels, matured // DAY_US * DAY_US)
    return _fold(stop - days * DAY_US, days, delay_days)


def newest_rows(table: TrainingTable, days: int, delay_days: float) -> Fold:
    """Return the last `days` days there are rows of, labelled or not.

    Raises
    ------
    ConfigError
        There are no rows.
    """
    if not len(table):
        raise ConfigError("the table has no rows")
    stop = _next_midnight(int(table.occurred_at[-1]))
    return _fold(stop - days * DAY_US, days, delay_days)


def _next_midnight(time_us: int) -> int:
    return (time_us // DAY_US + 1) * DAY_US


def folds(
    table: TrainingTable, count: int, days: int, delay_days: float, last_start: str | None
) -> list[Fold]:
    """Return test windows, oldest first, each beginning where the one before ends.

    Parameters
    ----------
    table : TrainingTable
    count : int
    days : int
        Of a window.
    delay_days : float
    last_start : str, optional
        The day on which the last window begins, as in 2018-08-29; the newest where not given.

    Raises
    ------
    ConfigError
        It is no day, or the table has no labelled rows.
    """
    last = newest_window(table, days, delay_days)
    if last_start is not None:
        last = _fold(_midnight_us(last_start), days, delay_days)
    starts = [last.test_start_us - back * days * DAY_US for back in reversed(range(count))]
    return [_fold(start, days, delay_days) for start in starts]


def _fold(start_us: int, days: int, delay_days: float) -> Fold:
    return Fold(start_us - round(delay_days * DAY_US), start_us, start_us + days * DAY_US)


def _midnight_us(day: str) -> int:
    try:
        moment = datetime.fromisoformat(str(day)).replace(tzinfo=UTC)
    except ValueError as error:
        raise ConfigError(f"last_test_start {day!r}: not a day such as 2018-08-29") from error
    return int(moment.timestamp()) * 1_000_000


def learnable(table: TrainingTable, until_us: int, days: int, known_by_us: int) -> TrainingTable:
    """Return the rows of the last `days` days before a time whose labels were known by another."""
    part = table.rows(table.between(until_us - days * DAY_US, until_us))
    return part.rows(part.labelled & (part.labelled_at <= known_by_us))


def rows_to_test(table: TrainingTable, fold: Fold, known_days: float) -> TrainingTable:
    """Return the labelled rows of a fold's window, less the cards known to be defrauded."""
    part = rows_seen(table, fold, known_days)
    return part.rows(part.labelled)


def rows_seen(table: TrainingTable, fold: Fold, known_days: float) -> TrainingTable:
    """Return the rows of a fold's window, labelled or not, less the cards known to be defrauded.

    Known on a day are the frauds of the days before that are at least a delay old and no older
    than `known_days` before that at the window's start.
    """
    part = table.rows(table.between(fold.test_start_us, fold.test_stop_us))
    return part.rows(~_known_to_be_defrauded(table, part, fold, known_days))


def _known_to_be_defrauded(
    table: TrainingTable, part: TrainingTable, fold: Fold, known_days: float
) -> Flags:
    since = fold.learn_until_us - round(known_days * DAY_US)
    before = table.rows(table.between(since, fold.test_stop_us))
    before = before.rows(before.frauds)
    is_defrauded = np.zeros(len(part), bool)
    for start in _days(fold):
        today = part.between(start, start + DAY_US)
        # a fraud counts once the delay is over and its label has come
        until = start - (fold.test_start_us - fold.learn_until_us)
        known = (before.occurred_at < until) & (before.labelled_at <= start)
        is_defrauded[today] = np.isin(part.cards[today], before.cards[known])
    return is_defrauded


def _days(fold: Fold) -> Iterator[int]:
    yield from range(fold.test_start_us, fold.test_stop_us, DAY_US)
