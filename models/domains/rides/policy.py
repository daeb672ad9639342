"""The settings under ``[domains.rides]``."""

from typing import Annotated

import msgspec
from msgspec import Meta

Positive = Annotated[float, Meta(gt=0)]


class RidesPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Settings under ``[domains.rides]``.

    Attributes
    ----------
    window_rides : int
        Rides a partition's window keeps.
    window_seconds : float, optional
        ... and how old, in event time, they may be.
    min_window : int
        Warming below so many rides in the window: nothing is flagged.
    warning_score, critical_score : float
        From which score on an anomaly is more than information.
    """

    window_rides: Annotated[int, Meta(ge=10, le=10_000_000)] = 2_500
    window_seconds: Positive | None = None
    min_window: Annotated[int, Meta(ge=1)] = 1_000
    warning_score: Annotated[float, Meta(ge=1)] = 1.5
    critical_score: Annotated[float, Meta(ge=1)] = 3.0

    def __post_init__(self) -> None:
        if self.min_window > self.window_rides:
            raise ValueError("min_window: at most window_rides")
        if self.critical_score < self.warning_score:
            raise ValueError("critical_score: at least warning_score")
