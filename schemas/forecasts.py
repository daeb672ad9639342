"""The forecast: what a merchant's next intervals are expected to bring."""

from datetime import datetime

import msgspec

from eddy.schemas.anomalies import ModelRef, Source

SCHEMA_VERSION = 1


class ForecastPoint(msgspec.Struct, frozen=True, gc=False):
    """One interval, from `window_start` up to but without `window_end`; see `Forecast`."""

    window_start: datetime
    window_end: datetime
    expected: float
    lower: float
    upper: float


class Nowcast(msgspec.Struct, frozen=True, gc=False):
    """What the running interval will come to, for information: no alarm is made of it.

    `observed` is the volume up to `as_of`, `expected` what the whole interval will have brought
    if the rest of it goes as forecast, with its range.
    """

    window_start: datetime
    window_end: datetime
    as_of: datetime
    observed: float
    expected: float
    lower: float
    upper: float


class Forecast(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What is published on ``forecasts.<domain>``; the newest of a merchant is the one that holds.

    Attributes
    ----------
    merchant_id : str
        Whose; the record's key too.
    entity_type : str
        ``merchant``, or ``segment`` for those of a segment that are judged together; the key of
        those begins with ``segment:``.
    schema_version : int
        Of this record.
    issued_at : datetime
        Event time up to which payments were known.
    source : Source
        The input record that brought it about: the same on every replay.
    model : ModelRef
        The model that forecast.
    config_hash : str
        Of the configuration it was made under.
    bounds : list of datetime
        Of n intervals in their order, n + 1 instants: where one ends the next begins. The first
        interval may be running.
    expected, lower, upper : list of float
        Total payment volumes in the merchant's currency, one for each interval; with the model's
        nominal probability the truth lies from `lower` to `upper`.
    nowcast : Nowcast, optional
        Of the running interval.
    """

    merchant_id: str
    entity_type: str = "merchant"
    schema_version: int = SCHEMA_VERSION
    issued_at: datetime
    source: Source
    model: ModelRef
    config_hash: str
    bounds: list[datetime]
    expected: list[float]
    lower: list[float]
    upper: list[float]
    nowcast: Nowcast | None = None

    @property
    def points(self) -> list[ForecastPoint]:
        """The intervals one by one."""
        ends = self.bounds[1:]
        columns = (self.expected, self.lower, self.upper)
        return [ForecastPoint(*row) for row in zip(self.bounds, ends, *columns, strict=False)]

    @property
    def key(self) -> str:
        """The record's key."""
        plain = self.entity_type == "merchant"
        return self.merchant_id if plain else f"{self.entity_type}:{self.merchant_id}"
