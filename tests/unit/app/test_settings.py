"""Settings: which domains run, what is nobody's setting, and what cannot be right."""

import pytest

from eddy.app import settings
from eddy.schemas.errors import ConfigError
from tests.support.commands import invoke


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def load(here, text):
    (here / "eddy.toml").write_text(text)
    return settings.load()


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", {"rides"}),
        ('[domains.tpv]\ntimezone = "Europe/Madrid"\n', {"rides", "tpv"}),
        ("[domains.tpv]\n[domains.transactions]\n", {"rides", "tpv", "transactions"}),
        ("[domains.rides]\nenabled = false\n[domains.tpv]\n", {"tpv"}),
        ("[domains.tpv]\nenabled = true\n", {"rides", "tpv"}),
        ("[domains.rides]\nmin_window = 7\n", {"rides"}),
    ],
)
def test_a_section_adds_a_domain_and_only_enabled_removes_one(here, text, names):
    assert set(load(here, text).domains) == names


def test_enabled_is_no_key_of_the_policy(here):
    assert load(here, "[domains.tpv]\nenabled = true\ninterval_s = 60\n").domains["tpv"] == {
        "interval_s": 60
    }


def test_a_variable_adds_and_removes_a_domain(here, monkeypatch):
    monkeypatch.setenv("EDDY_DOMAINS__TPV__INTERVAL_S", "60")
    monkeypatch.setenv("EDDY_DOMAINS__RIDES__ENABLED", "false")
    assert settings.load().domains == {"tpv": {"interval_s": "60"}}


def test_enabled_is_true_or_false(here):
    with pytest.raises(ConfigError, match=r"domains\.tpv\.enabled.*in eddy\.toml"):
        load(here, "[domains.tpv]\nenabled = 'perhaps'\n")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("EDDY_SERVICE_HOST", "10.0.0.1"),
        ("EDDY_SERVICE_PORT", "8080"),
        ("EDDY_SERVICE_PORT_HTTP", "8080"),
        ("EDDY_PORT", "tcp://10.0.0.1:8080"),
        ("EDDY_PORT_8080_TCP", "tcp://10.0.0.1:8080"),
        ("EDDY_PORT_8080_TCP_ADDR", "10.0.0.1"),
        ("EDDY_PORT_8080_TCP_PROTO", "tcp"),
        ("EDDY_KAFKA_SERVICE_HOST", "10.0.0.1"),
        ("EDDY_KAFKA_PORT_9092_TCP_PORT", "9092"),
        ("EDDY_HEALTH_PORT", "tcp://10.0.0.1:9464"),
        ("EDDY_IMAGE_TAG", "0.1.0"),
    ],
)
def test_variables_of_others_are_left_alone_and_named(here, monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    done = invoke("config", "check")
    assert done.exit_code == 0
    assert name in done.stderr


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("EDDY_KAFKA_BOOTSTRAP_SERVERS", "EDDY_KAFKA__BOOTSTRAP_SERVERS"),
        ("EDDY_HEALTH_PORT", "EDDY_HEALTH__PORT"),
        ("EDDY_ENGINE_GROUP", "EDDY_ENGINE__GROUP"),
        ("EDDY_KAFKAA__BOOTSTRAP_SERVERS", "EDDY_KAFKA__BOOTSTRAP_SERVERS"),
        ("EDDY_TOPIC_PREFX", "EDDY_TOPIC_PREFIX"),
        ("EDDY_KAFKA__BOOTSTRAP_SERVER", r"kafka\.bootstrap_servers"),
    ],
)
def test_a_typo_of_a_setting_names_the_nearest(here, monkeypatch, name, nearest):
    monkeypatch.setenv(name, "9464")
    with pytest.raises(ConfigError, match=rf"did you mean {nearest}\?") as caught:
        settings.load()
    assert name in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[engine]\nbatch_sise = 1\n", r"engine\.batch_sise: .*engine\.batch_size.*in eddy\.toml"),
        ("[engine]\nbatch_size = 0\n", r"engine\.batch_size: .*in eddy\.toml"),
        ("[health]\nport = 99999\n", r"health\.port: .*in eddy\.toml"),
        ("[serving]\nport = 99999\n", r"serving\.port: "),
        ("[kafka]\nbootstrap_servers = 'kafka'\n", r"kafka\.bootstrap_servers: 'kafka'"),
        ("[kafka]\nbootstrap_servers = 'a:1,b'\n", r"kafka\.bootstrap_servers: 'b'"),
        ("[kafka]\nbootstrap_servers = 'a:99999'\n", r"kafka\.bootstrap_servers: 'a:99999'"),
        ("[kafka]\nbootstrap_servers = ''\n", r"kafka\.bootstrap_servers"),
        ("[kafka]\nsecurity_protocol = 'SASL_SSL'\n", r"kafka\.sasl_mechanism"),
        (
            "[kafka]\nsecurity_protocol = 'SASL_SSL'\nsasl_mechanism = 'PLAIN'\n",
            r"kafka\.sasl_username",
        ),
        (
            "[kafka]\nsecurity_protocol = 'SASL_SSL'\nsasl_mechanism = 'PLAIN'\n"
            "sasl_username = 'a'\n",
            r"kafka\.sasl_password_file",
        ),
        ("[storage]\ncheckpoints_url = 'gs://bucket/x'\n", r"storage\.checkpoints_url: gs://"),
        ("[storage]\ncheckpoints_url = 's3://'\n", r"storage\.checkpoints_url"),
        ("[storage]\ncheckpoints_url = ''\n", r"storage\.checkpoints_url"),
    ],
)
def test_what_cannot_be_right_is_said_with_its_source(here, text, message):
    with pytest.raises(ConfigError, match=message):
        load(here, text)


@pytest.mark.parametrize(
    "servers", ["a:9092", "a:1,b:2", "[::1]:9092", "SSL://a.b-c:9093", " a:1 , b:2 "]
)
def test_brokers_that_are_right(here, servers):
    assert load(here, f"[kafka]\nbootstrap_servers = '{servers}'\n").kafka.bootstrap_servers


@pytest.mark.parametrize("url", ["state", "/var/state", "file:///state", "s3://bucket/state"])
def test_stores_that_are_right(here, url):
    assert load(here, f"[storage]\ncheckpoints_url = '{url}'\n").storage.checkpoints_url == url


def test_the_source_of_an_error_is_the_one_in_force(here, monkeypatch):
    (here / "eddy.toml").write_text("[health]\nport = 1\n")
    monkeypatch.setenv("EDDY_HEALTH__PORT", "99999")
    with pytest.raises(ConfigError, match="environment variable EDDY_HEALTH__PORT"):
        settings.load()
    with pytest.raises(ConfigError, match="flag"):
        settings.load(flags={"health.port": 99999})


def test_a_wrong_key_of_a_policy_names_the_nearest_and_its_source(here):
    (here / "eddy.toml").write_text("[domains.rides]\nmin_windw = 1\n")
    with pytest.raises(
        ConfigError, match=r"domains\.rides.*min_windw.*domains\.rides\.min_window.*in eddy\.toml"
    ):
        invoke("config", "check")


def test_the_paths_of_secret_files_are_shown_and_the_secrets_are_not(here, monkeypatch):
    (here / "secret").write_text("hunter2\n")
    monkeypatch.setenv("EDDY_KAFKA__SASL_PASSWORD_FILE", "secret")
    shown = invoke("config", "show", "kafka").stdout
    assert "kafka.sasl_password_file = secret" in shown
    assert "kafka.sasl_password = ********" in shown
    assert "hunter2" not in shown
