"""Payments to fill topics with: many merchants over a day, in event-time order."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np

BEGIN = datetime(2026, 3, 2, tzinfo=UTC)
DAY_S = 86_400
_BLOCK = 50_000


def payments(merchants: int, count: int, days: float = 1.0) -> Iterator[tuple[bytes, bytes]]:
    """Yield (key, JSON) of `count` payments of `merchants` merchants, evenly over some days.

    Every merchant pays once before anybody pays twice, in an order of its own each time round.
    """
    rng = np.random.default_rng(0)
    amounts = np.round(rng.lognormal(3.5, 0.8, _BLOCK), 2).tolist()
    step_s, order = days * DAY_S / count, rng.permutation(merchants)
    for number in range(count):
        if number % merchants == 0 and number:
            order = rng.permutation(merchants)
        yield _payment(number, int(order[number % merchants]), number * step_s, amounts)


def _payment(
    number: int, merchant: int, second: float, amounts: list[float]
) -> tuple[bytes, bytes]:
    at = (BEGIN + timedelta(seconds=second)).strftime("%Y-%m-%dT%H:%M:%S").encode()
    key = b"m%07d" % merchant
    status = b"declined" if number % 17 == 0 else b"approved"
    kind = b"refund" if number % 29 == 0 else b"sale"
    return key, (
        b'{"event_id":"p%010d","occurred_at":"%bZ","merchant_id":"%b","amount":%b,'
        b'"kind":"%b","status":"%b","currency":"EUR","segment":"grocery"}'
        % (number, at, key, str(amounts[number % _BLOCK]).encode(), kind, status)
    )
