"""What the tracker says: changes of episodes, and forecasts."""

from typing import Any, Literal, NamedTuple

from eddy.models.arrays import Ints
from eddy.models.detectors.forecast_band.episodes import EpisodeTransition
from eddy.models.detectors.forecast_band.nowcast import NowcastColumns
from eddy.models.forecasting.forecaster import Band

Cause = Literal["interval", "late", "level_shift", "evicted"]


class EpisodeChange(NamedTuple):
    """One change of one entity's episodes.

    Attributes
    ----------
    row : int
        The row of the batch that brought it about; 0 where time alone did.
    slot : int
    change : EpisodeTransition
    cell : structured scalar
        The interval that the change is about, see `judged.Interval`.
    window : int
    cause : str
        An interval that closed, a late row that revised one, a level shift that was confirmed, or
        that the entity had to make room.
    unpaid : (int, int), optional
        Declined and reversed payments, of a late row: those that came up to it.
    """

    row: int
    slot: int
    change: EpisodeTransition
    cell: Any
    window: int
    cause: Cause = "interval"
    unpaid: tuple[int, int] | None = None


class ForecastPublished(NamedTuple):
    """What is forecast.

    Attributes
    ----------
    row : int
        The row of the batch that was its occasion; 0 where time alone was.
    slots : ndarray of int64, shape (k,)
        The entities.
    bands : list of (int, Band)
        The next windows, each with the forecasts of these entities.
    nowcast : NowcastColumns or None
        Of the first of those windows, which is running.
    """

    row: int
    slots: Ints
    bands: list[tuple[int, Band]]
    nowcast: NowcastColumns | None = None
