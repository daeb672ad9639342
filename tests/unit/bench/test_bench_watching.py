import sys

import pytest

from bench.engine import total
from bench.measure import warm_up_of
from bench.peers.flink_sql import script_text
from bench.peers.job import EXACTLY_ONCE, PeerJob
from bench.watch import Limits, counter, watch
from eddy.sandbox.processes import BackgroundProcess, launch
from eddy.schemas.errors import MissingResource


@pytest.fixture
def job(tmp_path):
    return PeerJob(
        bootstrap="127.0.0.1:1",
        events="in",
        anomalies="out",
        group="g",
        folder=str(tmp_path),
        guarantee=EXACTLY_ONCE,
    )


def sleeper(code="import time; time.sleep(60)"):
    return BackgroundProcess(name="sleeper", argv=(sys.executable, "-c", code))


def test_a_job_travels_through_the_environment(job, monkeypatch):
    for name, value in job.environment().items():
        monkeypatch.setenv(name, value)
    assert PeerJob.from_environment() == job


def test_flink_is_told_topics_and_guarantee(job):
    text = script_text(job)
    assert "'topic' = 'in'" in text
    assert "'topic' = 'out'" in text
    assert "'sink.delivery-guarantee' = 'exactly-once'" in text
    assert "$" not in text


def test_metrics_are_summed_over_their_labels():
    text = '# TYPE a counter\na_total{x="1"} 2.0\na_total{x="2"} 3.0\n# TYPE b gauge\nb 7.0\n'
    assert total(text, "a_total") == 5.0
    assert total(text, "absent") == 0.0


def test_the_warm_up_is_a_share_of_a_small_topic():
    assert warm_up_of(400_000, 3_000_000) == 400_000
    assert warm_up_of(400_000, 100_000) == 20_000


def test_a_counter_that_is_not_there_yet_is_zero(tmp_path):
    count = counter(tmp_path / "counter")
    assert count() == 0
    (tmp_path / "counter").write_text("12")
    assert count() == 12


def test_watching_ends_with_the_events(tmp_path):
    counts = iter([0, 10, 20, 30])
    process = launch(sleeper(), tmp_path / "log")
    try:
        samples = watch(process, lambda: next(counts), Limits(30, 60), tmp_path / "log", print)
    finally:
        process.kill()
    assert [sample.events for sample in samples] == [0, 10, 20, 30]


def test_watching_ends_with_the_time(tmp_path):
    process = launch(sleeper(), tmp_path / "log")
    try:
        samples = watch(process, lambda: 1, Limits(30, 0.1), tmp_path / "log", print)
    finally:
        process.kill()
    assert len(samples) >= 2


def test_a_program_that_does_nothing_is_an_error(tmp_path):
    process = launch(sleeper(), tmp_path / "log")
    try:
        with pytest.raises(MissingResource, match="did nothing"):
            watch(process, lambda: 0, Limits(30, 1, 0.1), tmp_path / "log", print)
    finally:
        process.kill()


def test_a_program_that_ends_is_an_error_with_its_last_words(tmp_path):
    process = launch(sleeper("raise SystemExit('no such topic')"), tmp_path / "log")
    with pytest.raises(MissingResource, match=r"exit code 1.*\n.*no such topic"):
        watch(process, lambda: 0, Limits(30, 60), tmp_path / "log", print)
