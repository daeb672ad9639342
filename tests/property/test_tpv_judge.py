"""The judge adds up what pandas does, and what it has told in the end is what the data says."""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pandas as pd
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from eddy.models.checks.judges import part
from eddy.models.domains.tpv.domain import DOMAIN
from eddy.models.domains.tpv.policy import TpvPolicy
from eddy.models.judge import Events, Identity
from eddy.schemas.decoding import Decoder, buffers
from eddy.schemas.payments import Payment

MINUTE, HOUR = 60_000_000, 3_600_000_000
DAY = 24 * HOUR
MAX_SKEW_S = 300.0
NOW = datetime(2030, 1, 1, tzinfo=UTC)
IDENTITY = Identity("events.tpv", 0, "c0ffee")
# a night on which clocks are set, or none is
NIGHTS = [
    ("Europe/Berlin", "2024-03-30T12"),
    ("Europe/Berlin", "2024-10-26T12"),
    ("America/New_York", "2024-11-02T12"),
    ("America/Santiago", "2024-04-06T12"),  # at midnight
    ("UTC", "2024-06-01T12"),
]


class Log(NamedTuple):
    """One partition's records: a row each in `frame`, times in microseconds."""

    frame: pd.DataFrame
    payloads: list[bytes]


def drawn(seed: int, n: int, merchants: int, start_us: int, late_us: int) -> Log:
    """Draw two days of payments, most of them somewhat late, some twice, some from the future."""
    rng = np.random.default_rng(seed)
    occurred = start_us + np.sort(rng.integers(0, 2 * DAY, n))
    delay = rng.integers(0, 2 * MINUTE, n) + (rng.random(n) < 0.3) * rng.integers(0, late_us, n)
    frame = pd.DataFrame(
        {
            "occurred": occurred,
            "arrived": occurred + delay,
            "merchant": rng.integers(0, merchants, n),
            "amount": rng.integers(1, 4_000, n) / 4,  # quarters: sums are exact in any order
            "kind": rng.choice(["sale", "sale", "sale", "refund"], n),
            "status": rng.choice(["approved", "approved", "declined", "reversed"], n),
            "count": rng.integers(1, 4, n),
        }
    )
    frame = pd.concat([frame, frame.sample(n // 20, random_state=seed)])  # they come twice
    is_bad = rng.random(len(frame)) < 0.02
    ahead = rng.integers(1, 400 * 24 * 3600, len(frame)) * 1_000_000
    frame["occurred"] = np.where(is_bad, frame["arrived"] + ahead, frame["occurred"])
    frame = frame.sort_values("arrived", kind="stable").reset_index(drop=True)
    frame["arrived"] = frame["arrived"] // 1000 * 1000 + 1000  # brokers' clocks have milliseconds
    return Log(frame, [payload(row) for row in frame.itertuples()])


def payload(row: Any) -> bytes:
    moment = pd.Timestamp(row.occurred, unit="us", tz="UTC").to_pydatetime()
    return msgspec.json.encode(
        Payment(
            event_id=f"{row.Index}",
            occurred_at=moment,
            merchant_id=f"m{row.merchant}",
            amount=row.amount,
            kind=row.kind,
            status=row.status,
            count=row.count,
            segment="grocery",
        )
    )


def decoded(log: Log) -> Events:
    """Return what the decoder lets through."""
    decoder = Decoder(Payment, MAX_SKEW_S)
    kept, addresses, lengths = buffers(log.payloads)
    times_ms = (log.frame["arrived"] // 1000).to_numpy()
    columns = decoder.decode(addresses, lengths, times_ms).columns
    del kept
    rows = np.flatnonzero(columns.valid)
    return Events(
        rows,
        columns.occurred_at[rows],
        columns.values[rows],
        columns.keys[rows],
        lambda i: decoder.decode_one(log.payloads[rows[i]]),
    )


def fresh(**policy: Any) -> Any:
    plain = {"delay_s": 60.0, "forecast_intervals": 0, "cold_start_score": 1.0}
    return DOMAIN.build_judge(TpvPolicy(**(plain | policy)), DOMAIN.default_model(), IDENTITY)


def said(verdicts: Any) -> list[Any]:
    return verdicts.anomalies(range(len(verdicts.flagged)), NOW)


def pieces(events: Events, cuts: Iterable[int]) -> Iterable[Events]:
    edges = sorted({0, len(events), *(cut % (len(events) + 1) for cut in cuts)})
    return (part(events, a, b) for a, b in pairwise(edges))


def let_all_close(judge: Any, until_us: int) -> list[Any]:
    """Let time pass without payments, until nothing before a time can change any more."""
    found: list[Any] = []
    while judge.due_us <= until_us:
        found += said(judge.advance(judge.due_us))
    return found


# -- windows ---------------------------------------------------------------------------------------


def bounds(zone: str, hours: int, frame: pd.DataFrame) -> np.ndarray:
    """Return where intervals begin: at the hours of the local day, by pandas' own time zones."""
    days = pd.to_datetime([frame["occurred"].min(), frame["arrived"].max()], unit="us")
    wall = pd.date_range(
        days[0].floor("D") - pd.Timedelta(days=3), days[1] + pd.Timedelta(days=3), freq=f"{hours}h"
    )
    # the hour that comes twice belongs to the interval in which it comes first
    local = wall.tz_localize(zone, ambiguous=True, nonexistent="shift_forward")
    return np.unique(local.as_unit("us").asi8)


def in_pandas(log: Log, zone: str, hours: int, delay_us: int, lateness_us: int) -> pd.DataFrame:
    """Return what each payment counts for, decided over the whole log at once."""
    frame = log.frame.copy()
    frame = frame[frame["occurred"] <= frame["arrived"] + MAX_SKEW_S * 1e6].copy()
    edges = bounds(zone, hours, frame)
    place = np.searchsorted(edges, frame["occurred"], "right")
    frame["begin"], frame["end"] = edges[place - 1], edges[place]
    frame["watermark"] = frame["occurred"].cummax() - delay_us
    frame["too_late"] = frame["end"] + lateness_us <= frame["watermark"]
    counted = frame[~frame["too_late"]].copy()
    approved, refund = counted["status"] == "approved", counted["kind"] == "refund"
    counted["payments"] = np.where(approved, counted["count"], 0)
    counted["net"] = counted["amount"] * np.select([approved & ~refund, approved], [1.0, -1.0])
    frame[["payments", "net"]] = counted[["payments", "net"]]
    return frame


def judged_in_pandas(frame: pd.DataFrame) -> dict[tuple[str, int], tuple[float, int]]:
    """Return volume and payments by merchant and interval, of merchants met before its end."""
    counted = frame[~frame["too_late"]]
    met = counted.reset_index().groupby("merchant")["index"].min()
    cells = {}
    for (merchant, begin), some in counted.groupby(["merchant", "begin"]):
        after_end = frame.index[frame["watermark"] >= some["end"].iloc[0]]
        if len(after_end) and met[merchant] >= after_end[0]:
            continue  # nothing was judged of a merchant nobody had heard of
        if some["payments"].sum():
            cells[f"m{merchant}", int(begin)] = (some["net"].sum(), int(some["payments"].sum()))
    return cells


def remember_final(judge: Any, into: dict[tuple[str, int], tuple[float, int]]) -> None:
    """Note every interval when it is learned from: nothing can change it any more."""
    tracker = judge._tracker
    learn = tracker._learn

    def learn_and_note(interval: Any, *rest: Any) -> Any:
        begin = int(judge._clock.start_us(interval.window))
        for slot in np.flatnonzero(interval.cells["payments"]).tolist():
            cell = interval.cells[slot]
            name = judge.merchants.name(slot)
            assert (name, begin) not in into
            into[name, begin] = (float(cell["observed"]), int(cell["payments"]))
        return learn(interval, *rest)

    tracker._learn = learn_and_note


# the data come of a seed: there is nothing to shrink
@settings(max_examples=10, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(
    seed=st.integers(0, 2**32 - 1),
    night=st.sampled_from(NIGHTS),
    hours=st.sampled_from([1, 2, 6]),
    lateness_h=st.sampled_from([0, 1, 5]),
    cuts=st.lists(st.integers(0, 3_000), max_size=4),
)
def test_closed_intervals_are_what_pandas_adds_up(seed, night, hours, lateness_h, cuts):
    zone, begin = night
    start_us = pd.Timestamp(begin, tz="UTC").value // 1000
    log = drawn(seed, n=1_000, merchants=25, start_us=start_us, late_us=8 * HOUR)
    oracle = in_pandas(log, zone, hours, MINUTE, lateness_h * HOUR)
    judge = fresh(interval_s=hours * 3600, timezone=zone, lateness_s=lateness_h * 3600.0)
    final: dict[tuple[str, int], tuple[float, int]] = {}
    remember_final(judge, final)
    events = decoded(log)
    assert len(events) == len(oracle) < len(log.frame)  # those from the future are rejected
    for some in pieces(events, cuts):
        judge.judge(some)
    latest_us = int(log.frame["arrived"].max())
    assert judge.watermark_us == oracle["watermark"].max() < latest_us + MAX_SKEW_S * 1e6
    let_all_close(judge, latest_us + 3 * DAY)
    assert final == judged_in_pandas(oracle)
    assert judge._tracker.windows.too_late == oracle["too_late"].sum()
    assert judge.entities == oracle[~oracle["too_late"]]["merchant"].nunique()


# -- episodes --------------------------------------------------------------------------------------

MERCHANTS, TRAINED, TRIED = 25, 21, 4  # and days
FIRST_US = pd.Timestamp("2026-01-05", tz="UTC").value // 1000
LATE_H = 4


def weeks(seed: int, first_day: int, days: int) -> pd.DataFrame:
    """Draw days of ordinary payments, busier in the afternoon, some of them refunds."""
    rng = np.random.default_rng([seed, first_day])
    hours = np.arange(24 * days)
    busy = 6 + 4 * np.sin((hours % 24 - 7) / 24 * 2 * np.pi)
    counts = rng.poisson(busy, (MERCHANTS, len(hours)))
    who, hour = (
        np.repeat(axis, counts.ravel()) for axis in np.indices(counts.shape).reshape(2, -1)
    )
    n = len(who)
    frame = pd.DataFrame(
        {
            "occurred": FIRST_US + (first_day * 24 + hour) * HOUR + rng.integers(0, HOUR, n),
            "merchant": who,
            "amount": rng.integers(60, 100, n) / 4,
            "kind": np.where(rng.random(n) < 0.05, "refund", "sale"),
            "status": np.where(rng.random(n) < 0.05, "declined", "approved"),
            "count": 1,
        }
    )
    return frame.sort_values("occurred", ignore_index=True)


def with_incidents(seed: int, frame: pd.DataFrame) -> pd.DataFrame:
    """Let some merchants lose their payments, sell four times as much or take all money back."""
    rng = np.random.default_rng([seed, 1])
    for merchant in rng.permutation(MERCHANTS)[:9].tolist():
        begin = frame["occurred"].min() + int(rng.integers(0, (TRIED - 1) * 24)) * HOUR
        hit = (frame["merchant"] == merchant) & frame["occurred"].between(begin, begin + 8 * HOUR)
        if merchant % 3 == 0:
            frame = frame[~hit]
        elif merchant % 3 == 1:
            frame.loc[hit, "amount"] *= 4
        else:
            frame.loc[hit, "kind"] = "refund"
    return frame.reset_index(drop=True)


def with_delays(seed: int, frame: pd.DataFrame) -> pd.DataFrame:
    """Delay some payments, and now and then all that a merchant took in some hours."""
    rng = np.random.default_rng([seed, 2])
    n = len(frame)
    delay = (rng.random(n) < 0.2) * rng.integers(0, (LATE_H + 3) * HOUR, n)
    for _ in range(40):
        merchant, hour = rng.integers(0, MERCHANTS), rng.integers(0, TRIED * 24)
        begin = frame["occurred"].min() + int(hour) * HOUR
        hit = (frame["merchant"] == merchant) & frame["occurred"].between(begin, begin + 3 * HOUR)
        delay[hit] = rng.integers(2 * HOUR, LATE_H * HOUR, hit.sum())
    frame = frame.assign(arrived=frame["occurred"] + delay)
    return frame.sort_values("arrived", kind="stable", ignore_index=True)


def events_of(frame: pd.DataFrame) -> Events:
    return decoded(Log(frame, [payload(row) for row in frame.itertuples()]))


def trained(seed: int) -> Any:
    judge = fresh(lateness_s=LATE_H * 3600.0)
    before = weeks(seed, 0, TRAINED)
    said(judge.judge(events_of(before.assign(arrived=before["occurred"]))))
    return judge


def state_of(anomalies: list[Any]) -> dict[str, str]:
    """Return whether each episode that was told, and not taken back, is open or over."""
    last = {anomaly.anomaly_id: anomaly.op for anomaly in anomalies}
    return {one: "over" if op == "close" else "open" for one, op in last.items() if op != "retract"}


@pytest.mark.parametrize("seed", range(4))
def test_what_was_told_in_the_end_is_what_the_complete_data_says(seed):
    snapshot = trained(seed).snapshot()
    tail = with_delays(seed, with_incidents(seed, weeks(seed, TRAINED, TRIED)))
    oracle = in_pandas(Log(tail, []), "UTC", 2, MINUTE, LATE_H * HOUR)
    complete = tail[~oracle["too_late"]].sort_values("occurred", ignore_index=True)
    ways = {"as it came": tail, "in order": complete.assign(arrived=complete["occurred"])}
    told, left, late = {}, {}, {}
    for way, frame in ways.items():
        judge = fresh(lateness_s=LATE_H * 3600.0)
        judge.restore(snapshot)
        before = judge._tracker.windows.too_late
        told[way] = [
            one
            for some in pieces(events_of(frame), range(0, len(frame), 501))
            for one in said(judge.judge(some))
        ]
        told[way] += let_all_close(judge, int(tail["occurred"].max()) + LATE_H * HOUR)
        left[way] = judge._tracker.open_episodes()
        late[way] = judge._tracker.windows.too_late - before
    assert late == {"as it came": oracle["too_late"].sum(), "in order": 0}
    assert late["as it came"] > 0
    ops = Counter(anomaly.op for anomaly in told["as it came"])
    assert ops["retract"] > 5, ops
    assert state_of(told["as it came"]) == state_of(told["in order"])
    assert len(state_of(told["in order"])) > 5
    assert left["as it came"] == left["in order"]
