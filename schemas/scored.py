"""The scored event: what the detector said of one event, flagged or not."""

from datetime import datetime
from typing import Literal, get_args

import msgspec

from eddy.schemas.anomalies import ModelRef, Source

Verdict = Literal["normal", "anomaly", "warming"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)


class Scored(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What is published on ``scored.<domain>``: the archive, and the proof that all was judged.

    Attributes
    ----------
    occurred_at : datetime
        The event's own time, in UTC: also where the event wrote it in another form.
    score : float or None
        1.0 is the boundary; None while warming.
    verdict : str
        ``normal``, ``anomaly`` or ``warming``.
    model : ModelRef
        The model that judged.
    source : Source
        Where the event stands.
    event : Raw
        The event as it was sent, byte for byte; its fields are those of the domain's event type.
        Where it holds what readers of tables trip over, see `eddy.schemas.scored_records`, the
        fields of the event type alone.
    """

    occurred_at: datetime
    score: float | None
    verdict: Verdict
    model: ModelRef
    source: Source
    event: msgspec.Raw
