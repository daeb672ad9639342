import io
from pathlib import Path

import pytest
from rich.console import Console

from bench.cases import rides
from bench.cluster import Cluster
from bench.engine import engine
from bench.measure import Measured
from bench.results import ENGINE
from bench.samples import Sample, TooShortError
from bench.site import Site
from schemas.topics import domain_topics


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
    assert Path(env["EDDY_CONFIG"]).read_text() == ""


def test_the_engine_is_measured_a_few_times_and_the_median_kept(site, monkeypatch):
    speeds = iter([900.0, 100.0, 500.0])
    monkeypatch.setattr(rides, "_engine_row", lambda *_: {"events_per_s": next(speeds)})
    rides._run_engine(site, ENGINE)
    (result,) = site.results
    assert result.events_per_s == 500
    assert result.setting == "median of 3"


def test_a_part_of_a_run_can_be_measured():
    samples = [Sample(float(n), n * (100 if n < 5 else 50), n / 2, 1.0) for n in range(12)]
    measured = Measured(samples, warm_up=100, total=600)
    assert measured.row(400)["events_per_s"] == 100
    assert measured.row()["events_per_s"] < 100
    with pytest.raises(TooShortError):
        measured.row(100)
