"""The connectors' settings: complete, without secrets where they are shown, the same every time."""

from pathlib import Path

import pytest

from eddy.lake.config import LakeConfig
from eddy.lake.sink import connectors as sink
from eddy.lake.sink.connectors import SinkFeed, connectors
from eddy.schemas.payments import Payment
from eddy.schemas.rides import Ride
from eddy.schemas.topics import domain_topics
from eddy.streams.topics import DEAD_LETTER_BYTES, sink_specs

FEEDS = {
    "rides": SinkFeed(domain_topics("rides"), Ride),
    "tpv": SinkFeed(domain_topics("tpv"), Payment),
}
KEYS = {"access_key_id": "id", "secret_access_key": "very-secret"}


def settings(name="eddy-anomalies-rides", **config):
    made = {one.name: one for one in connectors(LakeConfig(**config), FEEDS)}
    return made[name].settings


def test_one_connector_a_family_of_topics():
    plain = [one.name for one in connectors(LakeConfig(), FEEDS)]
    assert plain == ["eddy-anomalies-rides", "eddy-anomalies-tpv", "eddy-rejections"]
    both = [one.name for one in connectors(LakeConfig(history=True), FEEDS)]
    assert set(both) - set(plain) == {"eddy-history-rides", "eddy-history-tpv"}


def test_topics_and_tables():
    made = {one.name: one for one in connectors(LakeConfig(history=True), FEEDS)}
    told = {name: (one.topics, [spec.name for spec in one.tables]) for name, one in made.items()}
    assert told["eddy-anomalies-tpv"] == (
        ("anomalies.tpv",),
        ["anomalies_tpv", "anomaly_changes_tpv"],
    )
    assert told["eddy-history-rides"] == (("scored.rides",), ["history_rides"])
    assert told["eddy-rejections"] == (("rejections.rides", "rejections.tpv"), ["rejections"])
    for one in made.values():
        assert one.settings["topics"].split(",") == list(one.topics)
        written = [f"eddy.{spec.name}" for spec in one.tables]
        assert one.settings["iceberg.tables"].split(",") == written


def test_every_connector_has_its_own_control_and_dead_letter_topic():
    made = connectors(LakeConfig(history=True, connect_prefix="x"), FEEDS)
    names = {name for one in made for name in (one.control_topic, one.dead_letters)}
    assert len(names) == 2 * len(made)
    assert all(name.startswith(("lake.control.x-", "lake.dlq.x-")) for name in names)
    assert made[0].coordinator_group == "connect-x-anomalies-rides-coord"


def test_only_committed_records_and_only_declared_tables():
    for one in connectors(LakeConfig(history=True), FEEDS):
        assert one.settings["consumer.override.isolation.level"] == "read_committed"
        assert one.settings["iceberg.tables.auto-create-enabled"] == "false"
        assert one.settings["iceberg.tables.evolve-schema-enabled"] == "false"
        assert one.settings["errors.deadletterqueue.topic.name"] == one.dead_letters
        assert one.settings["transforms"].endswith("kafka")


def test_a_large_record_can_be_set_aside():
    """By Connect's own producer as well as by the watch: its topic takes what they send."""
    (_, spec) = sink_specs(["control"], ["dead"])
    for one in connectors(LakeConfig(history=True), FEEDS):
        largest = int(one.settings["producer.override.max.request.size"])
        assert largest == int(spec.config["max.message.bytes"]) == DEAD_LETTER_BYTES > 2_000_000


def test_the_interval_is_in_milliseconds():
    assert settings(commit_interval_s=2.5)["iceberg.control.commit.interval-ms"] == "2500"


def test_the_catalogs():
    sqlite = settings(catalog="sqlite:///some/where.db")
    place = Path("some/where.db").absolute()
    assert sqlite["iceberg.catalog.uri"] == f"jdbc:sqlite:{place}?busy_timeout=15000"
    postgres = settings(catalog="postgresql://anna@host:5433/lake", catalog_password="pw")
    assert postgres["iceberg.catalog.uri"] == "jdbc:postgresql://host:5433/lake"
    assert postgres["iceberg.catalog.jdbc.user"] == "anna"
    assert postgres["iceberg.catalog.jdbc.password"] == "pw"
    assert sqlite["iceberg.catalog.jdbc.schema-version"] == "V1"
    glue = settings(catalog="glue:")
    assert glue["iceberg.catalog.type"] == "glue"
    assert not [key for key in glue if "jdbc" in key or key.endswith(".uri")]


def test_what_is_empty_is_left_to_the_worker():
    plain = settings()
    for key in ("s3.endpoint", "s3.path-style-access", "s3.access-key-id", "s3.secret-access-key"):
        assert f"iceberg.catalog.{key}" not in plain
    own = settings(endpoint="http://host:1", **KEYS)
    assert own["iceberg.catalog.s3.path-style-access"] == "true"
    assert own["iceberg.catalog.s3.secret-access-key"] == "very-secret"


def test_secrets_are_shown_nowhere():
    config = LakeConfig(
        catalog="postgresql://anna@host/lake", catalog_password="the-password", **KEYS
    )
    for one in connectors(config, FEEDS):
        assert "very-secret" in one.settings.values()
        for text in (repr(one), str(one.shown()), one.without_secrets(str(one.settings))):
            assert "very-secret" not in text
            assert "the-password" not in text
        assert one.shown().keys() == one.settings.keys()
        assert sink.MASK in one.shown().values()


@pytest.mark.parametrize("name", ["eddy-anomalies-rides", "eddy-history-tpv", "eddy-rejections"])
def test_settings_are_text_and_not_empty(name):
    for key, value in settings(name, history=True).items():
        assert isinstance(value, str), key
        assert value, key
