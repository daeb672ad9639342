"""The engine on a real broker, on quiet days."""

import json
import time

import pytest

from tests.support.toy_world import World


@pytest.fixture
def world(kafka, tmp_path):
    with World(kafka.bootstrap, tmp_path) as world:
        yield world


@pytest.mark.parametrize("reader", ["native", "portable"])
def test_every_event_is_judged_and_a_stop_is_clean(world, reader):
    world.send(5_000)
    detector = world.start(engine={"reader": reader})
    world.drain()
    assert detector.stop() == 0
    world.verify()
    world.verify(isolation="read_uncommitted")


def test_a_restart_goes_on_with_the_state_it_had(world):
    world.send(5_000)
    first = world.start()
    world.drain()
    assert first.stop() == 0
    world.send(5_000)
    second = world.start()
    world.drain()
    assert second.stop() == 0
    assert "state_rebuilt_from_log" not in second.said()
    world.verify()


def test_without_checkpoints_state_is_rebuilt_from_the_log(world):
    world.send(6_000)
    first = world.start()
    world.drain()
    assert first.stop() == 0
    for file in world.checkpoints.rglob("*.ckpt"):
        file.unlink()
    world.send(2_000)
    second = world.start()
    world.drain()
    assert second.stop() == 0
    assert "state_rebuilt_from_log" in second.said()
    world.verify()


def test_a_rebuild_goes_back_until_the_window_is_full(world):
    """Nine of ten records are bad here, so twice the window of offsets is far from enough."""
    bad = iter(range(10**9))

    def nine(number: int) -> bytes | None:
        return b"not json %d" % next(bad) if number % 10 else None

    world.send(4_000, poison=nine)
    first = world.start(engine={"fuse_ratio": 1.0})
    world.drain()
    assert first.stop() == 0
    for file in world.checkpoints.rglob("*.ckpt"):
        file.unlink()
    world.send(1_000)
    second = world.start(engine={"fuse_ratio": 1.0}, policy={"window": 3_000})
    world.drain()
    assert second.stop() == 0


def test_a_few_events_are_published_at_once(world):
    detector = world.start()
    world.send(2)
    world.drain()
    began = time.monotonic()
    world.send(60)
    world.wait_for(lambda: len(world.anomalies()) == 8, "anomalies of a trickle", 10)
    assert time.monotonic() - began < 10
    assert detector.stop() == 0
    world.verify()


def test_an_error_in_a_judge_ends_the_process_and_commits_nothing_of_it(world):
    world.send(1_000)
    detector = world.start(policy={"fail_on": 14.0}, engine={"max_recoveries": 2})
    assert detector.wait() == 1
    assert "gave up after 2 recoveries" in detector.said()
    assert world.lag() == 4_000
    assert world.anomalies() == []
    mended = world.start()
    world.drain()
    assert mended.stop() == 0
    world.verify()


def test_the_fuse_stops_the_process_with_its_own_exit_code(world):
    world.send(100)
    detector = world.start()
    world.drain()
    for partition in world.sent:
        world.sent[partition].extend([])
    sent_before = {n: len(s) for n, s in world.sent.items()}
    from eddy.streams.sender import Sender

    sender = Sender(world.connection)
    for number in range(8_000):
        sender.send(world.topics.events, b"garbage %d" % number, partition=number % 4)
    sender.flush()
    assert detector.wait() == 5
    assert "were rejected" in detector.said()
    assert sent_before


def test_health_and_metrics_answer(world):
    import re
    import urllib.request

    world.send(1_000)
    detector = world.start()
    world.drain()
    port = int(
        re.search(r"health_port=\D*(\d+)", re.sub(r"\x1b\[[0-9;]*m", "", detector.said()))[1]
    )
    world.wait_for(lambda: _get(port, "/ready")[0] == 200, "ready", 10)
    status, body = _get(port, "/live")
    assert (status, json.loads(body)["ok"]) == (200, True)
    _, text = _get(port, "/metrics")
    assert 'eddy_events_judged_total{domain="toy"} 4000.0' in text
    assert _get(port, "/elsewhere")[0] == 404
    assert detector.stop() == 0
    _ = urllib


def _get(port: int, path: str) -> tuple[int, str]:
    import urllib.error
    import urllib.request

    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
