"""A simulated record: what stands on the topic, and what is true of it."""

import msgspec


class SimulatedRecord(msgspec.Struct, frozen=True, gc=False):
    """One record and its truth.

    Attributes
    ----------
    key, payload : bytes
        As they stand on the topic.
    event_id : str
        The event's id, also of a record that does not say it any more.
    occurred_at_us : int
        Event time in microseconds since 1970, UTC.
    anomaly : str or None
        The kind of anomaly put in; None for an ordinary event.
    malformed : str or None
        How the payload was broken, a key of `eddy.datasets.simulation.damage.DAMAGES`.
    late, duplicate : bool
        Whether it comes long after its time; whether the same record came before.
    """

    key: bytes
    payload: bytes
    event_id: str
    occurred_at_us: int
    anomaly: str | None = None
    malformed: str | None = None
    late: bool = False
    duplicate: bool = False
