"""The published schemas: up to date, true, and compatible with those of the last release."""

import json
from datetime import UTC, datetime

import jsonschema
import msgspec
import pytest

from eddy.schemas.anomalies import Anomaly, Entity, ModelRef, Reason, Source
from eddy.schemas.json_schema import FOLDER, incompatibilities, published, rendered
from eddy.schemas.labels import Label
from eddy.schemas.rejections import Rejection
from eddy.schemas.scored import Scored
from tests.support.corpus import HARMLESS, POISON
from tests.support.transaction_records import TRANSACTION_ODD, TRANSACTION_PLAIN, TRANSACTION_POISON

BASELINE = FOLDER / "baseline"
OUTPUTS = ("anomaly", "forecast", "rejection-headers", "scored")


@pytest.mark.parametrize("name", published())
def test_the_committed_schema_is_up_to_date(name):
    committed = (FOLDER / f"{name}.schema.json").read_text(encoding="utf-8")
    assert committed == rendered(published()[name]), "run: python -m eddy.schemas.json_schema"


@pytest.mark.parametrize("path", sorted(BASELINE.glob("*.json")), ids=lambda path: path.name)
def test_nothing_breaks_what_was_released(path):
    name = path.name.removesuffix(".schema.json")
    old = json.loads(path.read_text(encoding="utf-8"))
    new = published().get(name)
    assert new is not None, f"{name} is no longer published"
    assert incompatibilities(old, new, is_output=name in OUTPUTS) == []


def test_the_baseline_is_there():
    stems = {path.name.removesuffix(".schema.json") for path in BASELINE.glob("*.json")}
    assert stems >= {"ride", "anomaly", "rejection-headers", "scored", "transaction", "label"}


@pytest.mark.parametrize("name", published())
def test_schemas_are_valid_json_schema(name):
    jsonschema.Draft202012Validator.check_schema(published()[name])


def test_what_the_decoder_accepts_the_schema_accepts():
    validator = jsonschema.Draft202012Validator(published()["ride"])
    for name, payload in HARMLESS:
        assert validator.is_valid(json.loads(payload)), name


def test_what_the_schema_refuses_the_decoder_refuses_too():
    validator = jsonschema.Draft202012Validator(published()["ride"])
    refused = [
        name
        for name, payload, reason in POISON
        if reason == "schema_violation" and not validator.is_valid(json.loads(payload))
    ]
    assert len(refused) > 35  # the others are wrong times, and 1.0, an integer to JSON Schema


def test_the_schema_of_transactions_says_what_the_decoder_does_but_for_card_numbers():
    validator = jsonschema.Draft202012Validator(published()["transaction"])
    for name, payload in TRANSACTION_PLAIN + TRANSACTION_ODD:
        assert validator.is_valid(json.loads(payload)), name
    for name, payload, reason in TRANSACTION_POISON:
        if reason != "malformed_json":
            assert validator.is_valid(json.loads(payload)) == (reason == "card_number"), name


def test_the_schema_of_transactions_tells_of_card_numbers():
    transaction = published()["transaction"]["$defs"]["Transaction"]
    told = transaction["properties"]
    for name in ("event_id", "card_token", "terminal_id"):
        assert "Luhn" in told[name]["description"]
    assert "Luhn" in told["merchant_id"]["anyOf"][0]["description"]
    assert "Luhn" in transaction["description"]
    assert "card_number" in published()["rejection-headers"]["properties"]["reason"]["enum"]


def test_a_label_fits_its_schema():
    label = Label(
        event_id="tx-1", verdict="fraud", labelled_at=datetime(2024, 3, 8, tzinfo=UTC),
        labelled_by="desk 3",
    )  # fmt: skip
    jsonschema.validate(json.loads(msgspec.json.encode(label)), published()["label"])


def test_an_anomaly_fits_its_schema():
    now = datetime(2024, 3, 1, tzinfo=UTC)
    anomaly = Anomaly(
        anomaly_id="0", domain="rides", detector="windowed_dbscan", entity=Entity("zone", "74"),
        occurred_at=now, detected_at=now, score=1.5, severity="warning", confidence=0.9,
        actual={"distance_km": 1.0}, reasons=[Reason("distance_km", 1.0, 2.0, -0.5)],
        model=ModelRef("m", "1", "0" * 64, now), config_hash="0", source=Source("t", 0, 1),
    )  # fmt: skip
    jsonschema.validate(json.loads(msgspec.json.encode(anomaly)), published()["anomaly"])


def test_a_scored_event_fits_its_schema():
    scored = Scored(
        occurred_at=datetime(2024, 3, 1, tzinfo=UTC), score=None, verdict="warming",
        model=ModelRef("m", "1", "0" * 64), source=Source("t", 0, 1), event=msgspec.Raw(b"{}"),
    )  # fmt: skip
    jsonschema.validate(json.loads(msgspec.json.encode(scored)), published()["scored"])


def test_rejection_headers_name_the_fields_of_a_rejection():
    fields = set(Rejection.__struct_fields__) - {"key", "payload"}
    schema = published()["rejection-headers"]
    assert set(schema["properties"]) == set(schema["required"]) == fields
    headers = {
        "reason": "empty", "detail": "", "topic": "events.rides", "partition": "0",
        "offset": "12", "trace": "",
    }  # fmt: skip
    jsonschema.validate(headers, schema)
