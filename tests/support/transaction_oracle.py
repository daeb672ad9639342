"""What a transaction's features are, said again in the plainest way: row by row, by definition."""

import numpy as np

from eddy.models.features.transaction_history import HistorySettings, TransactionRows
from eddy.models.labels import Labels

DAY_MS = 86_400_000


def features(
    rows: TransactionRows, labels: Labels, settings: HistorySettings | None = None
) -> np.ndarray:
    """Return the features of rows in the order they came; quadratic."""
    settings = settings or HistorySettings()
    times = rows.occurred_at // 1_000
    delay, grace = round(settings.delay_days * DAY_MS), round(settings.label_grace_s * 1e3)
    cents = np.rint(rows.amounts * 10_000)
    out = np.zeros((len(times), 15))
    for i, now in enumerate(times.tolist()):
        moment = np.datetime64(now, "ms")
        day = moment.astype("M8[D]")
        out[i, 0] = rows.amounts[i]
        out[i, 1] = (day.astype(int) + 3) % 7 >= 5
        out[i, 2] = (moment - day).astype(int) // 3_600_000 <= 6
        before = np.arange(len(times)) <= i
        mine = before & (rows.cards == rows.cards[i])
        there = before & (rows.terminals == rows.terminals[i])
        fraud = known_frauds(rows, labels, now, grace)
        for k, days in enumerate((1, 7, 30)):
            window = mine & (times > now - days * DAY_MS) & (times <= now)
            out[i, 3 + 2 * k] = window.sum()
            out[i, 4 + 2 * k] = cents[window].sum() / (10_000 * window.sum())
            past = there & (times > now - delay - days * DAY_MS) & (times <= now - delay)
            out[i, 9 + 2 * k] = past.sum()
            out[i, 10 + 2 * k] = (past & fraud).sum() / past.sum() if past.any() else 0.0
    return out


def known_frauds(rows: TransactionRows, labels: Labels, now: int, grace: int) -> np.ndarray:
    """Return which rows count as frauds at a time, in milliseconds: the last word known then."""
    columns = (labels.events, labels.is_fraud, labels.labelled_at)
    said = zip(*(column.tolist() for column in columns), strict=True)
    word = {event: is_fraud for event, is_fraud, at in said if at // 1_000 + grace <= now}
    return np.array([word.get(event, False) for event in rows.events.tolist()])
