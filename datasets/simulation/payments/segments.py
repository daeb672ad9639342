"""What the trades look like: when their customers come, and what they spend.

The numbers are chosen to be plausible and to differ from one another; they were not measured.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Segment:
    """One trade.

    Attributes
    ----------
    share : float
        Of the merchants.
    hours : tuple of 24 floats
        How busy each hour of the local day is; only their proportions count.
    weekdays : tuple of 7 floats
        How busy each day is, Monday first; only their proportions count.
    payday, holiday, eve : float
        How much busier the days of pay are, a holiday, and the day before one.
    amount, spread : float
        Median of a payment in units of money, and standard deviation of its logarithm.
    """

    share: float
    hours: tuple[float, ...]
    weekdays: tuple[float, ...]
    payday: float
    holiday: float
    eve: float
    amount: float
    spread: float


SEGMENTS: dict[str, Segment] = {
    "restaurant": Segment(
        share=0.30,
        hours=(
            *(0.20, 0.05, 0.00, 0.00, 0.00, 0.02, 0.10, 0.40, 0.60, 0.50, 0.60, 1.50),
            *(3.20, 2.80, 1.20, 0.70, 0.80, 1.60, 3.00, 3.60, 3.20, 2.00, 1.00, 0.50),
        ),
        weekdays=(0.75, 0.80, 0.90, 1.00, 1.35, 1.40, 0.80),
        payday=1.20,
        holiday=1.15,
        eve=1.25,
        amount=28.0,
        spread=0.65,
    ),
    "grocery": Segment(
        share=0.25,
        hours=(
            *(0.00, 0.00, 0.00, 0.00, 0.00, 0.05, 0.30, 1.00, 1.40, 1.60, 1.80, 1.90),
            *(1.80, 1.50, 1.40, 1.60, 2.20, 2.80, 2.50, 1.70, 0.90, 0.40, 0.05, 0.00),
        ),
        weekdays=(0.95, 0.90, 0.90, 1.00, 1.25, 1.45, 0.55),
        payday=1.30,
        holiday=0.35,
        eve=1.45,
        amount=31.0,
        spread=0.85,
    ),
    "fashion": Segment(
        share=0.15,
        hours=(
            *(0.00, 0.00, 0.00, 0.00, 0.00, 0.00, 0.00, 0.00, 0.10, 0.60, 1.40, 1.80),
            *(2.20, 2.30, 2.40, 2.60, 2.80, 2.80, 2.20, 1.40, 0.40, 0.10, 0.00, 0.00),
        ),
        weekdays=(0.75, 0.75, 0.85, 0.95, 1.20, 1.75, 0.75),
        payday=1.40,
        holiday=0.45,
        eve=1.15,
        amount=58.0,
        spread=0.75,
    ),
    "fuel": Segment(
        share=0.15,
        hours=(
            *(0.20, 0.12, 0.10, 0.12, 0.30, 0.80, 1.70, 2.40, 2.00, 1.40, 1.20, 1.20),
            *(1.30, 1.30, 1.30, 1.50, 2.00, 2.60, 2.10, 1.40, 0.90, 0.60, 0.45, 0.30),
        ),
        weekdays=(1.10, 1.02, 1.02, 1.05, 1.25, 0.90, 0.66),
        payday=1.10,
        holiday=0.70,
        eve=1.30,
        amount=46.0,
        spread=0.40,
    ),
    "online": Segment(
        share=0.15,
        hours=(
            *(0.70, 0.40, 0.25, 0.20, 0.20, 0.25, 0.40, 0.70, 0.90, 1.05, 1.15, 1.20),
            *(1.25, 1.15, 1.10, 1.10, 1.15, 1.20, 1.35, 1.70, 2.10, 2.20, 1.70, 1.10),
        ),
        weekdays=(1.12, 1.05, 1.00, 0.98, 0.88, 0.85, 1.12),
        payday=1.20,
        holiday=1.10,
        eve=0.90,
        amount=39.0,
        spread=0.95,
    ),
}
NAMES = tuple(SEGMENTS)

# the days of pay by day of the month, and how much of a segment's `payday` each feels
PAYDAYS = {25: 1.0, 26: 0.7, 27: 0.4, 1: 0.5}
MONTH_END = 0.8  # the month's last day
