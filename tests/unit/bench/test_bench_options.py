from pathlib import Path

import pytest

from bench.__main__ import CASES, EVENTS, parse
from bench.peers.table import PEERS
from eddy.schemas.errors import ConfigError


def test_everything_runs_by_default():
    options = parse([])
    assert options.case == list(CASES)
    assert options.peers == list(PEERS)
    assert options.events == EVENTS
    assert options.bootstrap_servers is None
    assert options.results == Path("bench").resolve() / "results.json"


def test_cases_and_peers_can_be_chosen():
    options = parse(["--case", "rides", "--case", "memory", "--peers", "Bytewax, plain loop"])
    assert options.case == ["rides", "memory"]
    assert [peer.name for peer in options.peers] == ["Bytewax", "plain loop"]
    assert parse(["--peers", ""]).peers == []


def test_an_unknown_peer_is_named_with_those_there_are():
    with pytest.raises(ConfigError, match="no peer 'Storm'; there are plain loop"):
        parse(["--peers", "Storm"])


def test_too_few_events_are_refused():
    with pytest.raises(ConfigError, match="at least 100,000"):
        parse(["--events", "10"])


def test_an_unknown_case_is_refused(capsys):
    with pytest.raises(SystemExit):
        parse(["--case", "nothing"])
    assert "rides" in capsys.readouterr().err


def test_peers_have_names_of_their_own_and_targets():
    assert len({peer.name for peer in PEERS}) == len(PEERS)
    assert all(peer.target > 1 and peer.events > peer.warm_up for peer in PEERS)
