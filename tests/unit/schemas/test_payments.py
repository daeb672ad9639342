"""Payments: what one is, and that the compiled decoder reads them by itself."""

import json
from datetime import UTC, datetime
from typing import Any

import jsonschema
import msgspec
import numpy as np
import pytest

from eddy.schemas.anomalies import ModelRef, Source
from eddy.schemas.columns import Program
from eddy.schemas.decoding import Decoder, buffers
from eddy.schemas.fields import CHOICE, KEY, NULL, TEXT
from eddy.schemas.forecasts import Forecast, ForecastPoint
from eddy.schemas.json_schema import published
from eddy.schemas.keys import NO_KEY, hash_text
from eddy.schemas.payments import Payment
from tests.support.decoding import check

PAYMENT: dict[str, Any] = {
    "event_id": "p-1",
    "occurred_at": "2024-03-01T12:34:56.789012Z",
    "merchant_id": "merchant-0000001",
    "amount": 12.5,
    "kind": "sale",
    "status": "approved",
}
FULL = {"count": 3, "currency": "USD", "country": "US", "segment": "grocery"}


def payment(**fields: Any) -> bytes:
    return json.dumps({**PAYMENT, **fields}).encode()


def without(name: str) -> bytes:
    return json.dumps({k: v for k, v in PAYMENT.items() if k != name}).encode()


PLAIN = [
    payment(),
    payment(**FULL),
    payment(amount=0),
    payment(amount=1e12),
    payment(amount=0.01, kind="refund", status="declined"),
    payment(status="reversed", segment=None, country=None, currency=None),
    payment(count=1_000_000_000, segment=""),
    payment(merchant_id="m" * 128),
    payment(brand_new=7),
]
REFUSED = [
    *(without(name) for name in PAYMENT),
    payment(merchant_id=""),
    payment(merchant_id="m" * 129),
    payment(merchant_id=5),
    payment(amount=-0.01),
    payment(amount=1.1e12),
    payment(amount=None),
    payment(amount="1"),
    payment(kind="Sale"),
    payment(kind="approved"),
    payment(status="sale"),
    payment(status=None),
    payment(count=0),
    payment(count=None),
    payment(count=1.0),
    payment(count=1_000_000_001),
    payment(segment="x" * 65),
    payment(occurred_at="2024-03-01T12:34:56"),
]


def test_the_program():
    program = Program.of(Payment)
    assert program.numbers == ("amount", "count")
    assert program.keys == ("merchant_id", "kind", "status", "segment")
    takes = {field.name: field.takes for field in program.fields}
    assert takes["merchant_id"] == TEXT | KEY
    assert takes["kind"] == takes["status"] == CHOICE | KEY
    assert takes["segment"] == TEXT | KEY | NULL
    assert all(takes.values())  # no field leaves a record to the strict decoder


def test_plain_payments_take_the_fast_path_and_read_the_same():
    assert check(PLAIN, Payment) == len(PLAIN)


def test_what_is_not_plain_reads_the_same_too():
    odd = [payment(merchant_id="Kraków"), payment(occurred_at="2024-03-01T12:34:56+02:00")]
    assert check(PLAIN + odd + PLAIN, Payment) == 2 * len(PLAIN)


def test_the_columns_of_a_payment():
    _kept, addresses, lengths = buffers([payment(), payment(**FULL, kind="refund")])
    columns = Decoder(Payment, 0.0).decode(addresses, lengths, [-1, -1]).columns
    assert columns.occurred_at.tolist() == [1_709_296_496_789_012] * 2
    np.testing.assert_array_equal(columns.values, [[12.5, 1], [12.5, 3]])
    merchant, approved = hash_text("merchant-0000001"), hash_text("approved")
    assert columns.keys.tolist() == [
        [merchant, hash_text("sale"), approved, NO_KEY],
        [merchant, hash_text("refund"), approved, hash_text("grocery")],
    ]


@pytest.mark.parametrize("payload", REFUSED)
def test_what_is_no_payment(payload):
    assert check([payload, payment()], Payment) == 1
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(payload, type=Payment)


@pytest.mark.parametrize("payload", PLAIN)
def test_payments_fit_their_schema(payload):
    jsonschema.validate(json.loads(payload), published()["payment"])


def test_what_the_schema_refuses_is_refused():
    validator = jsonschema.Draft202012Validator(published()["payment"])
    refused = sum(not validator.is_valid(json.loads(payload)) for payload in REFUSED)
    assert refused == len(REFUSED) - 2  # a time without offset, and 1.0, an integer to JSON Schema


def test_a_forecast_fits_its_schema_and_comes_back():
    at = [datetime(2024, 3, 1, hour, tzinfo=UTC) for hour in (10, 12, 14)]
    forecast = Forecast(
        merchant_id="m", issued_at=at[0], source=Source("events.tpv", 0, 7),
        model=ModelRef("tpv", "1", "0" * 64), config_hash="0",
        bounds=list(at[:3]),
        expected=[5.0, 6.0],
        lower=[0.0, 1.0],
        upper=[9.5, 12.0],
    )  # fmt: skip
    encoded = msgspec.json.encode(forecast)
    jsonschema.validate(json.loads(encoded), published()["forecast"])
    assert msgspec.json.decode(encoded, type=Forecast) == forecast
    assert forecast.points == [
        ForecastPoint(at[0], at[1], 5.0, 0.0, 9.5),
        ForecastPoint(at[1], at[2], 6.0, 1.0, 12.0),
    ]
