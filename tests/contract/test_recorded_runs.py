"""A recorded run of each domain: the same events give the same ids, scores and records as before.

The recordings were made by the code as it was before its rooms were rearranged, on events that the
simulators draw again here. Ids and texts are compared whole, figures to nine digits: processors
differ in the last bits of logarithms and exponentials. A change that is meant to change verdicts
makes new recordings, and says so in CHANGELOG.
"""

import base64
import gzip
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from eddy.app.domains import domain
from eddy.datasets.simulation import rides
from eddy.datasets.simulation.payments import stream as payments
from eddy.datasets.simulation.transactions import stream as transactions
from eddy.models.judge import Events, Identity, Judge
from eddy.schemas.decoding import Decoder, buffers

RECORDED = Path(__file__).with_name("recorded")
START, NOW = datetime(2024, 3, 1, tzinfo=UTC), datetime(2000, 1, 1, tzinfo=UTC)
EVERY = 25  # of so many scores one was recorded


@dataclass(frozen=True)
class Run:
    """What was simulated, and the section ``[domains.<name>]`` it was judged under."""

    simulate: Any
    options: Any
    section: dict[str, Any]


RUNS = {
    "rides": Run(
        rides.simulate,
        rides.RideSimulation(start=START, rides=3000, anomaly_rate=0.01),
        {"window_rides": 400, "min_window": 150},
    ),
    "tpv": Run(
        payments.simulate,
        payments.PaymentSimulation(start=START, days=42, merchants=8, payments_per_day=40.0),
        {"interval_s": 14400, "delay_s": 60.0, "lateness_s": 14400.0, "cold_start_score": 1.0},
    ),
    "transactions": Run(
        transactions.simulate,
        transactions.TransactionSimulation(start=START, days=60, customers=40, terminals=12),
        {},
    ),
}


@cache
def recorded(name: str) -> dict[str, Any]:
    return json.loads(gzip.decompress((RECORDED / f"{name}.json.gz").read_bytes()))


@cache
def events_of(name: str) -> tuple[Decoder, list[bytes], Any, np.ndarray]:
    run = RUNS[name]
    payloads = [record.payload for record in run.simulate(7, run.options)]
    decoder = Decoder(domain(name).event_type, max_skew_s=300.0)
    _kept, addresses, lengths = buffers(payloads)
    columns = decoder.decode(addresses, lengths, np.full(len(payloads), -1)).columns
    return decoder, payloads, columns, np.flatnonzero(columns.valid)


def part(name: str, start: int, stop: int) -> Events:
    decoder, payloads, columns, rows = events_of(name)
    rows = rows[start:stop]
    return Events(
        rows + 1000,
        columns.occurred_at[rows],
        columns.values[rows],
        columns.keys[rows],
        lambda i: decoder.decode_one(payloads[rows[i]]),
        columns.vectors[rows],
    )


def judge_of(name: str) -> Judge:
    row = domain(name)
    policy = msgspec.convert(RUNS[name].section, row.policy_type)
    return row.build_judge(policy, row.default_model(), Identity("events", 3, "c0ffee"))


def judged(judge: Judge, events: Events) -> tuple[list[Any], np.ndarray]:
    verdicts = judge.judge(events)
    anomalies = verdicts.anomalies(range(len(verdicts.flagged)), NOW)
    records = json.loads(json.dumps([msgspec.to_builtins(one) for one in anomalies], default=str))
    return records, np.asarray(verdicts.scores)


def assert_same(actual: Any, expected: Any, where: str = "") -> None:
    if isinstance(expected, dict):
        assert actual.keys() == expected.keys(), where
        for key, value in expected.items():
            assert_same(actual[key], value, f"{where}.{key}")
    elif isinstance(expected, list):
        assert len(actual) == len(expected), where
        for i, value in enumerate(expected):
            assert_same(actual[i], value, f"{where}[{i}]")
    elif isinstance(expected, float):
        # a reason's part may be the difference of larger numbers
        assert actual == pytest.approx(expected, rel=1e-9, abs=1e-9), where
    else:
        assert actual == expected, where


@pytest.mark.parametrize("name", RUNS)
def test_ids_scores_and_records_are_those_of_before(name: str) -> None:
    before = recorded(name)
    half, count = before["half"], before["events"]
    assert len(events_of(name)[3]) == count
    assert sum(map(len, before["anomalies"])) >= 10
    judge = judge_of(name)
    first, first_scores = judged(judge, part(name, 0, half))
    second, second_scores = judged(judge, part(name, half, count))
    assert_same([first, second], before["anomalies"])
    scores = np.concatenate([first_scores, second_scores])[::EVERY]
    expected = np.array([np.nan if x is None else x for x in before["scores"]])
    np.testing.assert_allclose(scores, expected, rtol=1e-9)


@pytest.mark.parametrize("name", RUNS)
def test_a_checkpoint_of_before_is_taken_up(name: str) -> None:
    before = recorded(name)
    judge = judge_of(name)
    judge.restore(base64.b64decode(before["snapshot"]))
    after, scores = judged(judge, part(name, before["half"], before["events"]))
    assert_same(after, before["anomalies"][1])
    whole = judge_of(name)
    whole.judge(part(name, 0, before["half"]))
    np.testing.assert_array_equal(
        scores, judged(whole, part(name, before["half"], before["events"]))[1]
    )
    assert whole.snapshot() == judge.snapshot()
