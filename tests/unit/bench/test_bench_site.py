import io
from pathlib import Path

import pytest
from rich.console import Console

from bench.cases import rides
from bench.cluster import Cluster
from bench.engine import engine
from bench.measure import Measured
from bench.peers.peer import Peer
from bench.results import ENGINE
from bench.samples import Sample, TooShortError
from bench.site import Site
from eddy.schemas.errors import MissingResource
from eddy.schemas.topics import domain_topics


@pytest.fixture
def site(tmp_path):
    cluster = Cluster("127.0.0.1:1", "bench-1")  # connects to nothing until it is asked
    return Site(cluster, tmp_path, Console(file=io.StringIO(), width=100), 1000)


def said(site):
    return site.console.file.getvalue()


def test_what_is_skipped_takes_one_line_and_keeps_the_last_words(site):
    site.skip("Flink SQL", "ended; its last lines:\nsomething\nno [such] topic")
    assert site.skipped == ["Flink SQL: ended; its last lines: no [such] topic"]
    assert said(site).count("\n") == 1
    assert "[such]" in said(site)


def test_what_fails_is_told_in_full(site):
    site.fail("eddy", "ended\nwith\nthis")
    assert site.skipped == ["eddy: failed: ended this"]
    assert "with\n" in said(site)


def test_the_engine_gets_settings_of_its_own_and_none_of_the_users(site, monkeypatch):
    monkeypatch.setenv("EDDY_ENGINE__GROUP", "production")
    monkeypatch.setenv("EDDY_CACHE", "/somewhere")
    topics = domain_topics("rides", "bench-1.main")
    env = engine(site, topics, "native-0", reader="native", window=1000).process.env
    assert env["EDDY_ENGINE__GROUP"] == "bench-1.native-0"
    assert env["EDDY_TOPIC_PREFIX"] == "bench-1.main"
    assert env["EDDY_CACHE"] == "/somewhere"
    assert env["EDDY_STORAGE__CHECKPOINTS_URL"].startswith(str(site.folder))
    assert Path(env["EDDY_CONFIG"]).read_text() == "[domains.rides]\n"


def steady(events_per_s):
    samples = [Sample(float(n), int(n * events_per_s), n / 2, 1.0) for n in range(12)]
    return Measured(samples, warm_up=0, total=10**9)


@pytest.fixture
def filled(site, monkeypatch):
    monkeypatch.setattr(Site, "main_topics", domain_topics("rides"))
    return site


def peer(name, runs):
    return Peer(name, "exactly once", 2.0, 0, 10, 1.0, process=lambda _: None, runs=runs)


def test_fast_ones_are_measured_in_rounds_and_the_median_kept(filled, monkeypatch):
    order = []

    def measured(name, speeds):
        def measure(*_):
            order.append(name)
            return steady(next(speeds))

        return measure

    monkeypatch.setattr(
        rides, "measure_engine", measured("eddy", iter([900, 100, 500, 200, 600, 7]))
    )
    monkeypatch.setattr(rides, "engine", lambda *_, **__: None)
    monkeypatch.setattr(rides, "measure_peer", measured("peer", iter([50, 70, 60])))
    rides.run(filled, [peer("fast", runs=2), peer("slow", runs=1)])
    found = {result.engine: result for result in filled.results}
    assert order[:4] == ["eddy", "eddy", "peer", "peer"]  # native, portable, and each peer once
    assert order[4:6] == ["eddy", "peer"]
    assert found[ENGINE].setting == "median of 5"
    assert found[ENGINE].events_per_s == 500
    assert found["fast"].setting == "median of 2"
    assert found["slow"].setting == ""


def test_who_fails_is_not_measured_again(filled, monkeypatch):
    calls = []

    def fails(*_):
        calls.append(1)
        raise MissingResource("it is gone")

    monkeypatch.setattr(rides, "measure_engine", lambda *_: steady(100))
    monkeypatch.setattr(rides, "engine", lambda *_, **__: None)
    monkeypatch.setattr(rides, "measure_peer", fails)
    rides.run(filled, [peer("fast", runs=4)])
    assert len(calls) == 1
    assert filled.skipped == ["fast: it is gone"]


def test_a_part_of_a_run_can_be_measured():
    samples = [Sample(float(n), n * (100 if n < 5 else 50), n / 2, 1.0) for n in range(12)]
    measured = Measured(samples, warm_up=100, total=600)
    assert measured.between(100, 400).row()["events_per_s"] == 100
    assert measured.row()["events_per_s"] < 100
    with pytest.raises(TooShortError):
        measured.between(100, 100).row()
