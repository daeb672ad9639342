"""What payments to simulate: the one place where its limits stand."""

from datetime import UTC, datetime
from typing import Annotated
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta

from eddy.schemas.errors import ConfigError

Share = Annotated[float, Meta(ge=0, le=1)]
Seconds = Annotated[float, Meta(ge=0, le=2_592_000)]  # 30 days


class PaymentSimulation(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What to simulate; rates without another unit are shares of the payments.

    Attributes
    ----------
    start : datetime
        Event time of the beginning, with an offset.
    days : int
        How many.
    merchants : int
        How many; their sizes are log-normal, their trades those of `payment_segments`.
    payments_per_day : float
        Of a merchant on an ordinary day, on average over all merchants.
    size_spread, day_spread : float
        Standard deviations of the logarithm of a merchant's size, and of what makes each of its
        days better or worse than another.
    timezone : str
        IANA name: whose clock the merchants go by.
    country : str, optional
        ISO 3166 code: whose holidays they keep; none without it.
    currency : str
        ISO 4217 code.
    drop_out_rate, spike_rate, dip_rate, level_shift_rate : float
        Incidents of each kind a merchant and day; see `payment_incidents`. Those that come too
        near another are left out, and so are level shifts after a merchant's first.
    calm_days : int
        At the beginning, without incidents.
    refund_rate, declined_rate, reversed_rate : float
        Shares of refunds, and of payments of either kind that were declined or reversed.
    malformed_rate : float
        Share made unreadable.
    late_rate, late_s : float, (float, float)
        Share of late records, and how late at least and at most.
    duplicate_rate, duplicate_s : float, float
        Share of records that come twice, and within how many seconds.
    disorder_s : float
        Every record comes up to so many seconds after its time.

    Raises
    ------
    ConfigError
        A value is out of its bounds; the message begins with its name.
    """

    start: Annotated[datetime, Meta(tz=True)] = datetime(2024, 1, 1, tzinfo=UTC)
    days: Annotated[int, Meta(ge=1, le=3660)] = 28
    merchants: Annotated[int, Meta(ge=1, le=10_000_000)] = 100
    payments_per_day: Annotated[float, Meta(gt=0, le=1e7)] = 100.0
    size_spread: Annotated[float, Meta(ge=0, le=4)] = 1.0
    day_spread: Annotated[float, Meta(ge=0, le=2)] = 0.1
    timezone: Annotated[str, Meta(min_length=1, max_length=64)] = "UTC"
    country: Annotated[str, Meta(min_length=2, max_length=8)] | None = None
    currency: Annotated[str, Meta(min_length=3, max_length=8)] = "USD"
    drop_out_rate: Share = 0.004
    spike_rate: Share = 0.002
    dip_rate: Share = 0.002
    level_shift_rate: Share = 0.002
    calm_days: Annotated[int, Meta(ge=0, le=3660)] = 7
    refund_rate: Share = 0.04
    declined_rate: Share = 0.06
    reversed_rate: Share = 0.01
    malformed_rate: Share = 0.001
    late_rate: Share = 0.005
    late_s: tuple[Seconds, Seconds] = (600.0, 21_600.0)
    duplicate_rate: Share = 0.002
    duplicate_s: Seconds = 60.0
    disorder_s: Seconds = 5.0

    def __post_init__(self) -> None:
        for field in msgspec.structs.fields(type(self)):
            try:  # msgspec itself checks what it decodes, not what is built in Python
                msgspec.convert(getattr(self, field.name), field.type)
            except msgspec.ValidationError as error:
                raise ConfigError(f"{field.name}: {error}") from error
        if self.late_s[0] > self.late_s[1]:
            raise ConfigError("late_s: the least first, then the most")
        if self.declined_rate + self.reversed_rate > 1:
            raise ConfigError("declined_rate and reversed_rate: at most 1 together")
        try:
            ZoneInfo(self.timezone)
        except (OSError, ValueError, KeyError) as error:
            raise ConfigError(f"timezone: there is no {self.timezone!r}") from error
