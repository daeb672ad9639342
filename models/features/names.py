"""The names of a transaction's features, in the order of their columns."""

DAYS = (1, 7, 30)
"""Windows, in days."""

OWN = ("amount", "is_weekend", "is_night")
CARD = tuple(name for d in DAYS for name in (f"card_count_{d}d", f"card_mean_amount_{d}d"))
TERMINAL = tuple(name for d in DAYS for name in (f"terminal_count_{d}d", f"terminal_risk_{d}d"))

FEATURES: tuple[str, ...] = (*OWN, *CARD, *TERMINAL)
"""Fifteen: those of the Fraud Detection Handbook, chapter 3, "Baseline feature transformation"."""


def component(number: int) -> str:
    """Return the name of a component of the event's own `vector`, counted from 1."""
    return f"v{number}"
