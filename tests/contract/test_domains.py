"""What every domain's judge does, from records on a topic to anomalies on another."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

import msgspec
import numpy as np
import pytest

from eddy.app.domains import domain, domain_row, domain_rows
from eddy.datasets.simulation.payments.stream import PaymentSimulation
from eddy.datasets.simulation.rides import RideSimulation
from eddy.datasets.simulation.transactions.stream import TransactionSimulation
from eddy.models.artefact import decode_parameters, encode_parameters
from eddy.models.checks import JUDGE_CHECKS, JudgeCase
from eddy.models.checks.judges import (
    NOW,
    check_flagged_are_above_one,
    check_judge_scores_are_numbers,
    part,
    say,
)
from eddy.models.domain import Domain
from eddy.models.domains.rides.policy import RidesPolicy
from eddy.models.domains.tpv.policy import TpvPolicy
from eddy.models.domains.transactions.policy import TransactionsPolicy
from eddy.models.features.transaction_history import HistorySettings
from eddy.models.judge import (
    Deciding,
    Events,
    Forecasting,
    ForecastingJudge,
    Identity,
    LabelledJudge,
    Model,
    Reconfigurable,
    ShadowedJudge,
    TimedJudge,
)
from eddy.schemas.anomalies import Anomaly
from eddy.schemas.columns import Program
from eddy.schemas.decoding import Decoder, buffers
from eddy.schemas.errors import ConfigError
from tests.support.toy import TOY, ToyPolicy, ticks

START = datetime(2024, 3, 1, tzinfo=UTC)
IDENTITY = Identity("events", 3, "c0ffee")


@dataclass(frozen=True)
class Sample:
    """What a domain is tried with: enough events to fill its window in the first half."""

    simulation: Any
    policy: Any
    change: dict[str, Any]  # what makes its default model another one
    flags_above_one: bool = True
    spread: float = 0.0  # see `eddy.models.checks.JudgeCase`
    of_events: bool = True  # an anomaly an event; else several an interval, told as they change


RIDES_SIMULATION = RideSimulation(start=START, rides=1500, anomaly_rate=0.01)
SAMPLES = {
    "rides": Sample(RIDES_SIMULATION, RidesPolicy(window_rides=400, min_window=150), {"eps": 0.7}),
    "rides, by time": Sample(
        RIDES_SIMULATION,
        RidesPolicy(window_rides=400, min_window=100, window_seconds=14_400.0),
        {"eps": 0.7},
    ),
    "tpv": Sample(
        PaymentSimulation(start=START, days=30, merchants=3, payments_per_day=40.0),
        TpvPolicy(interval_s=14_400, delay_s=60.0, lateness_s=14_400.0, cold_start_score=1.0),
        {"false_alarm_rate": 0.02},
        flags_above_one=False,
        of_events=False,
    ),
    "transactions": Sample(
        TransactionSimulation(start=START, days=90, customers=30, terminals=12),
        TransactionsPolicy(
            history=HistorySettings(most_cards=25, most_terminals=9, most_events=1_000),
            remembered_alarms=2,
        ),
        {"boundary": 0.02},
        spread=0.2,
    ),
    "transactions, none forgotten": Sample(
        TransactionSimulation(start=START, days=90, customers=12, terminals=8),
        TransactionsPolicy(remembered_alarms=20),
        {"boundary": 0.02},
        spread=0.2,
    ),
    # it flags by a rule of its own, and takes any bytes for a snapshot
    "toy": Sample(None, ToyPolicy(window=100), {"offset": 0.5}, flags_above_one=False),
}
ROWS = {one.name: one.domain for one in domain_rows()} | {"toy": TOY}


def payloads_of(name: str, simulation: Any) -> list[bytes]:
    if name == "toy":
        return ticks(7, 600)
    simulated = domain_row(name).simulation
    assert simulated is not None
    return [record.payload for record in simulated().simulate(7, simulation)]


@cache
def events_of(name: str) -> Events:
    """Simulate records of a domain and decode them."""
    domain_name = name.partition(",")[0]
    payloads = payloads_of(domain_name, SAMPLES[name].simulation)
    decoder = Decoder(ROWS[domain_name].event_type, max_skew_s=300.0)
    kept, addresses, lengths = buffers(payloads)
    columns = decoder.decode(addresses, lengths, np.full(len(payloads), -1)).columns
    del kept
    rows = np.flatnonzero(columns.valid)
    return Events(
        rows + 1000,
        columns.occurred_at[rows],
        columns.values[rows],
        columns.keys[rows],
        lambda i: decoder.decode_one(payloads[rows[i]]),
        columns.vectors[rows],
    )


def case_of(name: str) -> JudgeCase:
    row, sample = ROWS[name.partition(",")[0]], SAMPLES[name]
    model = row.default_model()
    other = opened(msgspec.structs.replace(kept(model), **sample.change))

    def make(used: Model) -> Any:
        return row.build_judge(sample.policy, used, IDENTITY)

    return JudgeCase(make, model, Model(model.ref, other), events_of(name), sample.spread)


def kept(model: Model) -> Any:
    """Return what the registry keeps of a model: some are opened before they are used."""
    return getattr(model.parameters, "parameters", model.parameters)


def opened(parameters: Any) -> Any:
    return parameters.opened({}) if hasattr(parameters, "opened") else parameters


@cache
def anomalies_of(name: str) -> list[Anomaly]:
    found = say(case_of(name).judge(), events_of(name)).anomalies
    assert found
    return found


def test_every_domain_is_tried() -> None:
    assert {one.name for one in domain_rows()} <= set(SAMPLES), "give the new domain a sample"


@pytest.mark.parametrize("name", SAMPLES)
def test_the_row_says_what_its_judges_are(name: str) -> None:
    row, judge = ROWS[name.partition(",")[0]], case_of(name).judge()
    verdicts = judge.judge(part(events_of(name), 0, 10))
    assert row.is_timed == isinstance(judge, TimedJudge)
    assert row.has_shadow == isinstance(judge, ShadowedJudge)
    assert row.is_labelled == isinstance(judge, LabelledJudge) == isinstance(verdicts, Deciding)
    assert row.forecasts == isinstance(judge, ForecastingJudge) == isinstance(verdicts, Forecasting)
    assert (row.fixed is not None) == isinstance(judge, Reconfigurable)


@pytest.mark.parametrize("check", JUDGE_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", SAMPLES)
def test_every_judge(name: str, check: Callable[[JudgeCase], None]) -> None:
    if check is check_flagged_are_above_one and not SAMPLES[name].flags_above_one:
        pytest.skip("it flags by a rule of its own")
    if check is check_judge_scores_are_numbers and not SAMPLES[name].of_events:
        pytest.skip("an event has no score of its own")
    if name == "toy" and "another_kind" in check.__name__:
        pytest.skip("the toy takes any numbers for a snapshot")
    check(case_of(name))


@pytest.mark.parametrize("name", SAMPLES)
def test_ids_are_unique_and_the_same_on_every_replay(name: str) -> None:
    ids = [anomaly.anomaly_id for anomaly in anomalies_of(name)]
    if SAMPLES[name].of_events:
        assert len(set(ids)) == len(ids)
    assert all(str(UUID(one)) == one for one in ids)
    rows = len(events_of(name))
    again = say(case_of(name).judge(), events_of(name), range(17, rows, 17)).anomalies
    assert [anomaly.anomaly_id for anomaly in again] == ids
    if not SAMPLES[name].of_events:
        return  # a merchant is the same one in every partition
    elsewhere = replace(IDENTITY, partition=4)
    row = ROWS[name.partition(",")[0]]
    judge = row.build_judge(SAMPLES[name].policy, row.default_model(), elsewhere)
    assert not {a.anomaly_id for a in say(judge, events_of(name)).anomalies} & set(ids)


@pytest.mark.parametrize("name", SAMPLES)
def test_reasons_add_up_to_the_score(name: str) -> None:
    base = getattr(case_of(name).model.parameters, "base_score", 0.0)
    for anomaly in anomalies_of(name):
        if anomaly.reasons:
            parts = [reason.contribution for reason in anomaly.reasons]
            assert base + sum(parts) == pytest.approx(anomaly.score, rel=1e-9, abs=1e-9)
            for reason in anomaly.reasons:
                assert reason.value == anomaly.actual[reason.feature]
                assert reason.typical == anomaly.expected[reason.feature]


@pytest.mark.parametrize("name", SAMPLES)
def test_bounds_hold_what_is_expected(name: str) -> None:
    for anomaly in anomalies_of(name):
        assert set(anomaly.lower) == set(anomaly.upper) <= set(anomaly.expected)
        assert set(anomaly.expected) <= set(anomaly.actual)
        for feature, lower in anomaly.lower.items():
            assert lower <= anomaly.expected[feature] <= anomaly.upper[feature]


@pytest.mark.parametrize("name", SAMPLES)
def test_anomalies_are_valid_records(name: str) -> None:
    for anomaly in anomalies_of(name):
        written = msgspec.json.encode(anomaly)
        assert msgspec.json.decode(written, type=Anomaly) == anomaly
        assert "NaN" not in written.decode()
        json.loads(written)


@pytest.mark.parametrize("name", SAMPLES)
def test_anomalies_say_whose_event_it_was(name: str) -> None:
    events, found = events_of(name), anomalies_of(name)
    rows = {int(offset): i for i, offset in enumerate(events.offsets)}
    numbers = Program.of(ROWS[name.partition(",")[0]].event_type).numbers
    for anomaly in found:
        assert (anomaly.source.topic, anomaly.source.partition) == ("events", 3)
        i = rows[anomaly.source.offset]
        if SAMPLES[name].of_events:
            assert anomaly.event_id == events.event(i).event_id
            assert anomaly.occurred_at == events.event(i).occurred_at
        else:
            assert anomaly.window_end - anomaly.window_start == timedelta(hours=4)
            assert anomaly.occurred_at == anomaly.window_start < events.event(i).occurred_at
        assert anomaly.domain == name.partition(",")[0]
        assert anomaly.detected_at == NOW
        assert anomaly.config_hash == "c0ffee"
        for feature, value in anomaly.actual.items():
            if feature in numbers:
                assert value == events.values[i, numbers.index(feature)]


@pytest.mark.parametrize("name", SAMPLES)
def test_only_the_anomalies_asked_for_are_built(name: str) -> None:
    verdicts = case_of(name).judge().judge(events_of(name))
    assert verdicts.anomalies([], NOW) == []
    rows = list(range(len(verdicts.flagged)))[::-2]
    assert verdicts.anomalies(rows, NOW) == [anomalies_of(name)[row] for row in rows]


@pytest.mark.parametrize("row", ROWS.values(), ids=lambda row: row.name)
def test_the_default_model_is_an_artefact(row: Domain) -> None:
    parameters = kept(row.default_model())
    artefact = encode_parameters(parameters)
    assert decode_parameters(artefact, row.parameters_type) == parameters


@pytest.mark.parametrize("row", ROWS.values(), ids=lambda row: row.name)
def test_settings_have_defaults_and_refuse_unknown_names(row: Domain) -> None:
    assert row.build_judge(row.policy_type(), row.default_model(), IDENTITY).entities == 0
    with pytest.raises(msgspec.ValidationError, match="unknown field"):
        msgspec.convert({"no_such_setting": 1}, row.policy_type)


def test_domains_are_found_by_name() -> None:
    assert [domain_row(one.name) for one in domain_rows()] == domain_rows()
    assert [domain(one.name) for one in domain_rows()] == [one.domain for one in domain_rows()]
    with pytest.raises(ConfigError, match="toy"):
        domain("toy")
