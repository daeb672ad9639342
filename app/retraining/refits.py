"""When content that a model was trained on is to be trained on again, by the record of runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from eddy.app.retraining.run_log import RetrainingRun


@dataclass(frozen=True, slots=True)
class Refits:
    """How often.

    Attributes
    ----------
    cooldown : timedelta
        At most one in so long where a request asks for it.
    every : timedelta, optional
        So long after the last training, also where nobody asks.
    """

    cooldown: timedelta
    every: timedelta | None = None

    def may_be_asked(self, past: Sequence[RetrainingRun], now: datetime) -> bool:
        """Whether no run has trained anew, or tried to, within the cooldown; outages do not count.

        Parameters
        ----------
        past : sequence of RetrainingRun
        now : datetime
            In UTC.
        """
        tried = [run.at for run in past if run.anew and not run.is_outage]
        return not tried or now - max(tried) >= self.cooldown

    def due_at(self, past: Sequence[RetrainingRun]) -> datetime | None:
        """Return when the next is due; None where it never is, or nothing was trained yet."""
        if self.every is None:
            return None
        trained = any(run.outcome == "trained" for run in past)
        counted = [
            run.at for run in past if run.outcome == "trained" or (run.anew and not run.is_outage)
        ]
        return max(counted) + self.every if trained else None
