"""The anomaly as the daily job over the lake finds it, beside what the stream said."""

from eddy.schemas.anomalies import Anomaly
from eddy.schemas.scored import Verdict


class Clustered(Anomaly, frozen=True, kw_only=True, gc=False):
    """A row of ``clustered_<domain>``, and a line of the JSON published for a day.

    Attributes
    ----------
    streamed_score : float or None
        What the stream said of the same event; None while it was warming, and where the event
        came from a file.
    streamed_verdict : str or None
        None where the event came from a file.
    """

    streamed_score: float | None = None
    streamed_verdict: Verdict | None = None
