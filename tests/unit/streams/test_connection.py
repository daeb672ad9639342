import pytest

from eddy.schemas.errors import ConfigError
from eddy.streams.connection import Connection

SASL = Connection(
    "a:1, b:2",
    security_protocol="SASL_PLAINTEXT",
    sasl_mechanism="SCRAM-SHA-512",
    sasl_username="u",
    sasl_password="hush",
    properties={"socket.keepalive.enable": "true"},
)


def test_librdkafka_gets_every_setting():
    assert SASL.librdkafka(group_id="g") == {
        "bootstrap.servers": "a:1, b:2",
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "u",
        "sasl.password": "hush",
        "socket.keepalive.enable": "true",
        "group.id": "g",
    }


def test_faust_gets_the_same():
    assert SASL.faust_broker() == "kafka://a:1;kafka://b:2"
    credentials = SASL.faust_credentials()
    assert (credentials.username, credentials.password) == ("u", "hush")
    assert credentials.mechanism.value == "SCRAM-SHA-512"
    assert Connection().faust_credentials() is None


def test_the_password_is_not_shown():
    assert "hush" not in repr(SASL)


def test_a_mechanism_is_needed():
    with pytest.raises(ConfigError, match="sasl_mechanism"):
        Connection(security_protocol="SASL_SSL").faust_credentials()


def test_a_missing_certificate_is_named():
    broken = Connection(security_protocol="SSL", ssl_ca_location="/nowhere.pem")
    with pytest.raises(ConfigError, match="ssl_ca_location"):
        broken.faust_credentials()
