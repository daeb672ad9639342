"""TPV: simulated payments through the judge; incidents found, and episodes that match none.

Three simulations of 40 merchants over eight weeks with drop-outs, spikes, dips and level shifts.
The first two weeks count for nothing: merchants are young. An incident is visible where it concerns
20 expected payments or more. An episode is right where it overlaps an incident of its merchant, or
begins within a day of its end; a level shift is news for four days. Random: as many episodes of the
same lengths, of other merchants at other times.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.quality.rows import Case, Row
from eddy.datasets.simulation.payments.stream import (
    Incident,
    PaymentSimulation,
    incidents,
    simulate,
)
from eddy.models.domains.tpv.domain import DOMAIN
from eddy.models.domains.tpv.policy import TpvPolicy
from eddy.models.judge import Events, Identity
from eddy.schemas.anomalies import Anomaly
from eddy.schemas.decoding import Decoder, buffers
from eddy.schemas.payments import Payment

DATASET, OURS = "simulated payments, incidents", "eddy, forecast band"
SEEDS = (1, 2, 3)
_MERCHANTS, _DAYS, _YOUNG_DAYS = 40, 56, 14
_DAY_US = 86_400_000_000
_VISIBLE = 20.0  # expected payments
_NEWS_US = 4 * _DAY_US
_BATCH = 16_000
_DRAWS = 20
_NOW = datetime(2030, 1, 1, tzinfo=UTC)


class Span(NamedTuple):
    """An episode: whose, from when until when."""

    merchant: str
    start_us: int
    end_us: int


def judged_anomalies(seed: int, options: PaymentSimulation) -> list[Anomaly]:
    """Return the anomalies that the judge publishes of a simulation."""
    payloads = [record.payload for record in simulate(seed, options)]
    decoder = Decoder(Payment, 1e12)
    judge = DOMAIN.build_judge(
        TpvPolicy(delay_s=60.0), DOMAIN.default_model(), Identity("events.tpv", 0, "")
    )
    anomalies: list[Anomaly] = []
    for start in range(0, len(payloads), _BATCH):
        batch = payloads[start : start + _BATCH]
        kept, addresses, lengths = buffers(batch)
        columns = decoder.decode(addresses, lengths, np.full(len(batch), -1)).columns
        del kept  # the addresses point into it
        rows = np.flatnonzero(columns.valid)
        events = Events(
            start + rows,
            columns.occurred_at[rows],
            columns.values[rows],
            columns.keys[rows],
            partial(_decode_row, decoder, batch, rows),
        )
        verdicts = judge.judge(events)
        anomalies += verdicts.anomalies(range(len(verdicts.flagged)), _NOW)
    return anomalies


def _decode_row(decoder: Decoder, batch: Sequence[bytes], rows: NDArray[np.intp], i: int) -> Any:
    return decoder.decode_one(batch[rows[i]])


def spans(anomalies: list[Anomaly]) -> list[Span]:
    """Return the episodes that were not taken back."""
    episodes: dict[str, Span] = {}
    for anomaly in anomalies:
        if anomaly.op == "retract":
            episodes.pop(anomaly.anomaly_id, None)
            continue
        assert anomaly.window_start is not None  # every anomaly of payment volumes has a window
        assert anomaly.window_end is not None
        start, end = (
            round(at.timestamp() * 1e6) for at in (anomaly.window_start, anomaly.window_end)
        )
        known = episodes.get(anomaly.anomaly_id)
        if known is not None:
            start, end = known.start_us, max(known.end_us, start if anomaly.op == "close" else end)
        episodes[anomaly.anomaly_id] = Span(anomaly.entity.id, start, end)
    return list(episodes.values())


def is_hit(episode: Span, incident: Incident) -> bool:
    """Whether an episode is of an incident."""
    end_us = incident.end_us + _DAY_US
    if incident.kind == "level_shift":
        end_us = min(incident.end_us, incident.start_us + _NEWS_US)
    same = episode.merchant == incident.merchant_id
    return same and episode.start_us < end_us and episode.end_us > incident.start_us


def shares(episodes: list[Span], truth: list[Incident]) -> tuple[float, float]:
    """Return recall of visible incidents, and precision of episodes."""
    visible = [incident for incident in truth if incident.expected_payments >= _VISIBLE]
    recalled = sum(any(is_hit(episode, incident) for episode in episodes) for incident in visible)
    right = sum(any(is_hit(episode, incident) for incident in truth) for episode in episodes)
    return recalled / len(visible), right / max(len(episodes), 1)


def elsewhere(episodes: list[Span], begin_us: int, seed: int) -> list[Span]:
    """Return episodes of the same lengths, of merchants and at times drawn at random."""
    rng = np.random.default_rng(seed)
    length_us = (_DAYS - _YOUNG_DAYS) * _DAY_US
    starts = (begin_us + rng.integers(0, length_us, len(episodes))).tolist()
    who = rng.integers(0, _MERCHANTS, len(episodes)).tolist()
    return [
        Span(f"merchant-{m:07d}", start, start + episode.end_us - episode.start_us)
        for m, start, episode in zip(who, starts, episodes, strict=True)
    ]


def measure(_: Path) -> Iterator[Row]:
    """Yield recall and precision, pooled over the simulations."""
    options = PaymentSimulation(days=_DAYS, merchants=_MERCHANTS, payments_per_day=300.0)
    begin_us = round(options.start.timestamp() * 1e6) + _YOUNG_DAYS * _DAY_US
    ours, chance = [], []
    for seed in SEEDS:
        truth = [incident for incident in incidents(seed, options) if incident.start_us >= begin_us]
        episodes = [
            episode
            for episode in spans(judged_anomalies(seed, options))
            if episode.start_us >= begin_us
        ]
        ours.append(shares(episodes, truth))
        chance += [shares(elsewhere(episodes, begin_us, draw), truth) for draw in range(_DRAWS)]
    for place, metric in enumerate(("recall by incident", "precision by episode")):
        value, random_value = (float(np.mean([pair[place] for pair in x])) for x in (ours, chance))
        yield Row(DATASET, OURS, metric, value, random_value)


CASES = (Case("tpv-incidents", (), measure),)
