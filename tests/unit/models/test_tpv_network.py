"""A judge whose model has a network: as the champion and in the shadow of the baseline."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from eddy.models.domains.tpv.domain import DOMAIN
from eddy.models.domains.tpv.parameters import BandParameters
from eddy.models.domains.tpv.policy import TpvPolicy
from eddy.models.forecasting.network.features import INPUTS
from eddy.models.forecasting.network.weights import NetworkWeights
from eddy.models.judge import Events, Identity, Model
from eddy.schemas.anomalies import ModelRef
from eddy.schemas.columns import Program
from eddy.schemas.keys import hash_text
from eddy.schemas.payments import Payment

BEGIN = datetime(2026, 1, 5, tzinfo=UTC)
PROGRAM = Program.of(Payment)
WIDTH = 4
POLICY = TpvPolicy(interval_s=21_600, delay_s=0.0, lateness_s=3_600.0, nowcast="all")


def model(uses, seed=0):
    random = np.random.default_rng(seed)

    def rows(count):
        return tuple(map(tuple, random.normal(0, 0.3, (count, 4 * WIDTH)).tolist()))

    network = NetworkWeights(
        inputs=INPUTS,
        slots_per_day=4,
        kernel=rows(len(INPUTS)),
        recurrent=rows(WIDTH),
        bias=(0.0,) * 4 * WIDTH,
        output=tuple(random.normal(0, 1, WIDTH).tolist()),
        output_bias=0.0,
    )
    return Model(ModelRef("tpv", uses, ""), BandParameters(network=network, uses=uses))


def build(chosen):
    return DOMAIN.build_judge(POLICY, chosen, Identity("events.tpv", 0, ""))


def events(first, stop):
    """Three merchants, a payment each every three hours, some noise; the same at each call."""
    made = []
    for number in range(first, stop):
        step, merchant = divmod(number, 3)
        noise = np.random.default_rng(number).uniform(0.8, 1.2)
        made.append(
            Payment(
                event_id=str(number),
                occurred_at=BEGIN + timedelta(hours=3 * step + 1),
                merchant_id="abc"[merchant],
                amount=float((60.0, 140.0, 200.0, 100.0)[step // 2 % 4] * noise),
                kind="sale",
                status="approved",
            )
        )
    keys = [[hash_text(getattr(p, k) or "") for k in PROGRAM.keys] for p in made]
    return Events(
        offsets=np.arange(first, stop),
        occurred_at=np.array([round(p.occurred_at.timestamp() * 1e6) for p in made], np.int64),
        values=np.array([[getattr(p, k) for k in PROGRAM.numbers] for p in made], float),
        keys=np.array(keys, np.uint64),
        event=lambda i: made[i],
    )


END = 3 * 8 * 24  # of 24 days


@pytest.mark.parametrize("uses", ["network", "baseline"])
def test_batches_and_snapshots_change_nothing(uses):
    whole = build(model(uses))
    expected = list(whole.judge(events(0, END)).forecasts())
    parts, found = build(model(uses)), []
    for start in range(0, END, 50):
        again = build(model(uses))
        again.restore(parts.snapshot())
        parts = again
        found += parts.judge(events(start, min(start + 50, END))).forecasts()
    assert found == expected
    assert parts.snapshot() == whole.snapshot()
    assert set(parts.forecast_errors) == {"baseline", "network"}


def test_a_challenger_changes_nothing_that_is_told():
    alone, shadowed = build(DOMAIN.default_model()), build(model("baseline"))
    for made in (alone, shadowed):
        made.judge(events(0, END))
    told = [list(made.judge(events(END, END + 24)).forecasts()) for made in (alone, shadowed)]
    assert [f.expected for f in told[0]] == [f.expected for f in told[1]]
    (off, volume), (other, same) = (shadowed.forecast_errors[n] for n in ("baseline", "network"))
    assert off != other
    assert volume == same > 0


def test_a_champion_is_taken_up_and_given_up_while_running():
    judge = build(DOMAIN.default_model())
    judge.judge(events(0, END))
    before = judge.snapshot()
    judge.set_model(model("network"))
    champion = list(judge.judge(events(END, END + 48)).forecasts())
    judge.restore(before)
    judge.set_model(DOMAIN.default_model())
    default = list(judge.judge(events(END, END + 48)).forecasts())
    assert [f.bounds for f in champion] == [f.bounds for f in default]
    assert [f.expected for f in champion] != [f.expected for f in default]
    assert {f.model.version for f in champion} == {"network"}
