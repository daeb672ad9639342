"""Training, promoting and listing through the command line, without a broker."""

import getpass
import json
import os

import pytest

from eddy.app import wiring
from eddy.app.domains import domain
from eddy.app.promotion import champion
from eddy.app.simulate.feeder import FeedOptions, Shares, rides
from eddy.models.registry.names import CHAMPION
from eddy.sandbox.machine import free_port
from eddy.schemas.errors import ConfigError, DamagedModel, MissingResource, UnknownModel
from tests.support.commands import invoke
from tests.unit.app.test_feeder import BUSY

RIDES = domain("rides")


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder of one's own, and an address where no broker answers."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EDDY_KAFKA__BOOTSTRAP_SERVERS", f"127.0.0.1:{free_port()}")
    monkeypatch.setattr(champion, "_PATIENCE_S", 0.2)
    return tmp_path


@pytest.fixture
def history(here):
    feed = FeedOptions(seed=3, rate=5.0, start=BUSY, rides=3_000, shares=Shares(malformed=0.01))
    path = here / "history.jsonl"
    records = [r.payload for r in rides(feed) if b"\n" not in r.payload]
    path.write_bytes(b"\n".join(records) + b"\n")
    return path


def run(*arguments, code=0):
    done = invoke(*arguments)
    assert done.exit_code == code, done.output
    return done


def train(history, *options):
    done = run(
        "train", "rides", history, "--window", 1_000, "--min-samples", 20, "--json", *options
    )
    return json.loads(done.stdout), done.stderr


def aliases():
    return wiring.registry(wiring_settings()).aliases("rides")


def wiring_settings():
    from eddy.app import settings

    return settings.load()


def test_the_first_model_is_the_champion_and_the_next_one_waits(history):
    first, said = train(history)
    assert "rides 1 is the champion; running detectors look every 10 s" in said
    assert first["rows"] > 2_900
    assert first["rejected"] > 5
    assert 0 <= first["metrics"]["expected_alert_rate"] < 0.2
    second, said = train(history)
    assert second["version"] == "2"
    assert second["sha256"] == first["sha256"]  # the same rows and settings: the same model
    assert "eddy promote rides 2" in said
    assert aliases() == {CHAMPION: "1"}


def test_promoted_at_once_where_asked_for(history):
    train(history)
    train(history, "--sensitivity", "0.3", "--promote")
    assert aliases() == {CHAMPION: "2"}


def test_promote_and_roll_back(history):
    train(history)
    train(history, "--sensitivity", "0.3")
    assert "rides 2 is the champion" in run("promote", "rides", "latest").stdout
    assert "rides 1 is the champion again" in run("rollback", "rides").stdout
    with pytest.raises(UnknownModel, match="replaced none"):
        run("rollback", "rides")


def test_what_detectors_could_not_load_is_not_promoted(history, here):
    train(history)
    train(history)
    (here / ".eddy/models/rides/versions/2/model.json").write_bytes(b"{}")
    with pytest.raises(DamagedModel):
        run("promote", "rides", "2")
    assert aliases() == {CHAMPION: "1"}


def test_the_listing(history, here):
    train(history)
    train(history, "--sensitivity", "0.3")
    (here / ".eddy/models/rides/versions/2/manifest.json").write_bytes(b"{")
    lines = json.loads(run("models", "--json").stdout)
    assert [line["version"] for line in lines] == ["2", "1"]
    assert "manifest.json" in lines[0]["problem"]
    assert lines[1]["aliases"] == [CHAMPION]
    assert lines[1]["settings"]["sensitivity"] == 0.5
    for arguments in (["models"], ["models", "rides"]):
        assert "champion" in run(*arguments).stdout
    assert "expected_alert_rate" in run("models", "rides").stdout


def test_the_log_tells_who_what_and_why(history):
    train(history)
    train(history, "--sensitivity", "0.3", "--promote")
    champion.refuse(wiring_settings(), "rides", "1", reason="not better", evidence={"gain": -0.1})
    run("rollback", "rides", "--reason", "too many alerts")
    lines = json.loads(run("models", "rides", "--history", "--json").stdout)
    told = [(line["sequence"], line["action"], line["after"], line["reason"]) for line in lines]
    assert told == [
        (1, "set", "1", ""),
        (2, "set", "2", ""),
        (3, "refused", "1", "not better"),
        (4, "rollback", "1", "too many alerts"),
    ]
    assert {line["by"] for line in lines} == {getpass.getuser()}
    assert lines[2]["evidence"] == {"gain": -0.1}
    assert lines[2]["before"] == "2"
    table = run("models", "rides", "--history").stdout
    assert "not better" in table
    assert "refused" in table


def test_the_log_of_no_model(here):
    assert "nothing was ever promoted" in run("models", "rides", "--history").stdout
    with pytest.raises(ConfigError, match="--history"):
        run("models", "--history")


def test_a_user_without_a_name_is_a_number(history, monkeypatch):
    monkeypatch.setattr(getpass, "getuser", lambda: {}["nobody"])
    train(history)
    log = wiring.registry(wiring_settings()).history("rides")
    assert [change.by for change in log] == [f"uid {os.getuid()}"]


def test_an_empty_registry_says_what_to_do(here):
    assert "eddy train" in run("models").stdout
    assert json.loads(run("models", "--json").stdout) == []


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ([], ConfigError),
        (["a.jsonl", "--topic"], ConfigError),
        (["a.jsonl", "--from", "0"], ConfigError),
        (["a.jsonl"], MissingResource),
        (["a.txt"], ConfigError),
        (["a.jsonl", "--sensitivity", "7"], ConfigError),
    ],
)
def test_what_cannot_be_trained_on(here, arguments, error):
    with pytest.raises(error):
        run("train", "rides", *arguments)


def test_the_parameters_are_the_domains_own(history):
    train(history)
    model = wiring.champion(wiring_settings(), RIDES)
    assert isinstance(model.parameters, RIDES.parameters_type)
