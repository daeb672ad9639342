"""What card transactions to simulate: the one place where its limits stand."""

from datetime import UTC, datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from eddy.schemas.errors import ConfigError
from eddy.schemas.transactions import MOST_COMPONENTS

Share = Annotated[float, Meta(ge=0, le=1)]
Seconds = Annotated[float, Meta(ge=0, le=2_592_000)]  # 30 days


class TransactionSimulation(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What to simulate; rates without another unit are shares of the transactions.

    Rates and figures are those of the Fraud Detection Handbook's simulator, where 5,000 customers
    pay at 10,000 terminals: with as many, two terminals and three cards a day are compromised.

    Attributes
    ----------
    start : datetime
        Event time of the beginning, with an offset.
    days : int
        How many.
    customers : int
        How many; each has one card.
    terminals : int, optional
        How many; two a customer by default.
    transactions_per_day : float
        Of a customer, on average over all of them: each has its own, up to twice as many. Some
        3 % of them fall outside the day and are left out.
    currency : str
        ISO 4217 code.
    compromised_terminal_rate, compromised_card_rate : float
        Compromises a terminal and day, and a card and day; see `transaction_days.SCENARIOS`.
    vector : int
        Components of the events' `vector`; 0 for none. Those of frauds are shifted, the first of
        them most.
    malformed_rate : float
        Share made unreadable.
    late_rate, late_s : float, (float, float)
        Share of late records, and how late at least and at most.
    duplicate_rate, duplicate_s : float, float
        Share of records that come twice, and within how many seconds.
    disorder_s : float
        Every record comes up to so many seconds after its time.
    label_delay_s, label_delay_mean_s : (float, float), float
        After how long a verdict is known, at least and at most, and on average.
    genuine_labels : float
        Share of the genuine transactions that get a verdict; every fraud gets one.
    mistaken_labels : float
        Verdicts of fraud on genuine transactions, as a share of the frauds; each is corrected
        after a delay of the same kind.

    Raises
    ------
    ConfigError
        A value is out of its bounds; the message begins with its name.
    """

    start: Annotated[datetime, Meta(tz=True)] = datetime(2024, 1, 1, tzinfo=UTC)
    days: Annotated[int, Meta(ge=1, le=3660)] = 28
    customers: Annotated[int, Meta(ge=1, le=1_000_000)] = 1_000
    terminals: Annotated[int, Meta(ge=1, le=10_000_000)] | None = None
    transactions_per_day: Annotated[float, Meta(gt=0, le=100)] = 2.0
    currency: Annotated[str, Meta(min_length=3, max_length=8)] = "USD"
    compromised_terminal_rate: Share = 0.0002
    compromised_card_rate: Share = 0.0006
    vector: Annotated[int, Meta(ge=0, le=MOST_COMPONENTS)] = 0
    malformed_rate: Share = 0.001
    late_rate: Share = 0.005
    late_s: tuple[Seconds, Seconds] = (600.0, 21_600.0)
    duplicate_rate: Share = 0.002
    duplicate_s: Seconds = 60.0
    disorder_s: Seconds = 5.0
    label_delay_s: tuple[Seconds, Seconds] = (3_600.0, 561_600.0)
    label_delay_mean_s: Seconds = 259_200.0
    genuine_labels: Share = 0.2
    mistaken_labels: Share = 0.01

    def __post_init__(self) -> None:
        for field in msgspec.structs.fields(type(self)):
            try:  # msgspec itself checks what it decodes, not what is built in Python
                msgspec.convert(getattr(self, field.name), field.type)
            except msgspec.ValidationError as error:
                raise ConfigError(f"{field.name}: {error}") from error
        for name in ("late_s", "label_delay_s"):
            least, most = getattr(self, name)
            if least > most:
                raise ConfigError(f"{name}: the least first, then the most")
        least, most = self.label_delay_s
        if least < most and not least < self.label_delay_mean_s < most:
            raise ConfigError("label_delay_mean_s: between the least and the most of label_delay_s")

    @property
    def all_terminals(self) -> int:
        """How many terminals there are."""
        return 2 * self.customers if self.terminals is None else self.terminals
