"""Payments through a real detector, and what a person sees of it: tail, explain, plot."""

import json
import time
import uuid
from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import groupby

import msgspec
import pytest
from matplotlib.image import imread

from eddy.app.inspect.scrape import scrape
from eddy.app.stack.local_stack import answers_ok
from eddy.datasets.simulation.payments.stream import PaymentSimulation, simulate
from eddy.sandbox.machine import free_port
from eddy.schemas.errors import EddyError, MissingResource
from eddy.schemas.payments import Payment
from tests.support.commands import invoke as invoke_command
from tests.support.eddy_process import eddy, environment, start

DAYS, MERCHANTS, PER_DAY, SEED = 24, 24, 100.0, 7
START = datetime(2026, 1, 5, tzinfo=UTC)
HOUR = timedelta(hours=1)


class World:
    """A detector has judged weeks of payments and was stopped; its topics are there."""

    def __init__(self, folder, bootstrap):
        self.folder, self.port = folder, free_port()
        self.prefix = f"tpv.{uuid.uuid4().hex[:8]}"
        self.env = environment(
            bootstrap,
            folder,
            topic_prefix=self.prefix,
            engine__group=self.prefix,
            health__port=self.port,
            domains__tpv__interval_s=3600,
            domains__tpv__delay_s=30,
            domains__tpv__lateness_s=7200,
            domains__tpv__forecast_every=6,
        )

    def says(self, *words, code=0):
        """Say it in this process: a new one takes seconds each time."""
        done = invoke(self.env, *map(str, words))
        error = done.exception
        told = error.exit_code if isinstance(error, EddyError) else done.exit_code
        assert told == code, f"{words}: {told}\n{done.output}{error!r}"
        return done.stdout if code == 0 else str(error)

    def plotted(self, merchant, *options):
        return json.loads(self.says("tpv", "plot", merchant, "--json", *options))

    @cached_property
    def anomalies(self):
        """All there are; those of a merchant in their order."""
        counted = ("tail", "--domain", "tpv", "--from-beginning", "--json", "--limit")
        return [json.loads(line) for line in self.says(*counted, self.published).splitlines()]


def invoke(env, *words):
    """Run a command in this process."""
    return invoke_command(*words, env=env, catch_exceptions=True)


def wait(seconds, condition):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.2)


@pytest.fixture(scope="module")
def world(tmp_path_factory, kafka):
    made = World(tmp_path_factory.mktemp("tpv"), kafka.bootstrap)
    made.says("topics", "create", "--partitions", 2, "--replication", 1)
    detector = start(made.env, "run", log=made.folder / "run.log")
    try:
        ready = f"http://127.0.0.1:{made.port}/ready"
        wait(90, lambda: answers_ok(ready) or detector.poll() is not None)
        assert detector.poll() is None, (made.folder / "run.log").read_text()
        options = ("--days", DAYS, "--merchants", MERCHANTS, "--per-day", PER_DAY, "--json")
        when = ("--seed", SEED, "--start", START.isoformat())
        made.sent = json.loads(made.says("simulate", "payments", *options, *when))
        metrics = f"http://127.0.0.1:{made.port}/metrics"
        wait(60, lambda: scrape(metrics).consumed >= made.sent["records"])
        made.published = scrape(metrics).anomalies
    finally:
        detector.terminate()
        code = detector.wait(30)
    assert code == 0
    assert made.published > 0
    return made


@pytest.fixture(scope="module")
def payments():
    """What was sent and is valid, doubles too, by merchant: simulated once more."""
    options = PaymentSimulation(
        start=START, days=DAYS, merchants=MERCHANTS, payments_per_day=PER_DAY
    )
    valid = [one.payload for one in simulate(SEED, options) if one.malformed is None]
    decoded = [msgspec.json.decode(payload, type=Payment) for payload in valid]
    by_name = sorted(decoded, key=lambda one: one.merchant_id)
    return {name: list(some) for name, some in groupby(by_name, lambda one: one.merchant_id)}


@pytest.fixture(scope="module")
def alarmed(world):
    """The merchant of whom most was said."""
    return Counter(one["entity"]["id"] for one in world.anomalies).most_common(1)[0][0]


def volume(payments):
    signs = {"sale": 1, "refund": -1}
    return sum(signs[one.kind] * one.amount for one in payments if one.status == "approved")


def test_what_is_plotted_adds_up_to_what_was_sent(world, payments):
    for merchant in ("merchant-0000000", "merchant-0000005"):
        sent = payments[merchant]
        shown = world.plotted(merchant, "--from", START.isoformat())
        assert sum(one["payments"] for one in shown["intervals"]) == sum(
            one.status == "approved" for one in sent
        )
        by_hour = {
            hour: volume(some)
            for hour, some in groupby(
                sorted(sent, key=lambda one: one.occurred_at),
                lambda one: one.occurred_at.replace(minute=0, second=0, microsecond=0),
            )
        }
        for one in shown["intervals"]:
            hour = datetime.fromisoformat(one["start"])
            assert datetime.fromisoformat(one["end"]) == hour + HOUR
            assert (one["actual"] or 0.0) == pytest.approx(by_hour.pop(hour, 0.0), abs=1e-6)
        assert by_hour == {}
        assert (shown["currency"], shown["interval_s"]) == ("USD", 3600)


def test_forecasts_are_in_the_picture(world, alarmed):
    shown = world.plotted(alarmed)
    known = [one for one in shown["intervals"] if one["expected"] is not None]
    assert len(known) > len(shown["intervals"]) / 2
    assert all(0 <= one["lower"] <= one["expected"] <= one["upper"] for one in known)
    assert shown["coverage"] == 0.95
    assert 0.5 < shown["inside"] <= 1.0
    last = shown["intervals"][-1]["end"]
    assert all(point["window_start"] >= last for point in shown["ahead"])


def test_every_alarm_is_in_the_picture_as_its_last_record_leaves_it(world, alarmed):
    shown = world.plotted(alarmed, "--from", START.isoformat())
    last = {one["anomaly_id"]: one for one in world.anomalies if one["entity"]["id"] == alarmed}
    states = {"open": "open", "update": "open", "close": "closed", "retract": "retracted"}
    alarms = {one["anomaly_id"]: one for one in shown["alarms"]}
    assert alarms.keys() == last.keys()
    assert {key: one["state"] for key, one in alarms.items()} == {
        key: states[one["op"]] for key, one in last.items()
    }
    bars = {one["start"]: one for one in shown["intervals"]}
    for one in last.values():
        bar = bars[one["window_start"]]
        assert bar["upper"] == one["upper"]["tpv"]
    for alarm in alarms.values():
        assert alarm["start"] < alarm["end"]


def test_tail_shows_actual_against_band(world):
    text = world.says("tail", "--domain", "tpv", "--from-beginning", "--limit", world.published)
    lines = text.splitlines()
    assert len(lines) == world.published
    told = Counter(
        (one["anomaly_id"], one["op"], one["window_start"][:10]) for one in world.anomalies
    )
    said = Counter((words[-1], words[-2].strip("[]"), words[0]) for words in map(str.split, lines))
    assert said == told
    for line in lines:
        assert "(expected " in line
        assert ", band " in line


def test_explain_shows_the_band_and_the_payment(world):
    one = world.anomalies[0]
    text = world.says("explain", one["anomaly_id"], "--domain", "tpv")
    for part in ("tpv", "expected", "lower", "upper", one["config_hash"], one["entity"]["id"]):
        assert part in text
    found = json.loads(world.says("explain", one["anomaly_id"], "--json"))
    assert found["anomaly"]["anomaly_id"] == one["anomaly_id"]
    assert found["event"]["event_id"].startswith(f"payment-{SEED}-")


def test_plots_are_drawn(world, alarmed):
    image, page = world.folder / "a.png", world.folder / "a.html"
    done = eddy(world.env, "tpv", "plot", alarmed, "--out", str(image))
    assert (done.returncode, done.stdout) == (0, "")
    assert f"drawn into {image}" in done.stderr.replace("\n", "")
    pixels = imread(image)
    assert pixels.shape == (760, 1600, 4)
    assert (pixels[:, :, :3] < 0.95).any(axis=2).mean() > 0.05, "it is blank"
    world.says("tpv", "plot", alarmed, "--out", page)
    text = page.read_text()
    shown = world.plotted(alarmed)
    actual = [one["actual"] for one in shown["intervals"] if one["is_complete"]]
    series = ",".join(
        f"{json.dumps(round(one, 2))},{json.dumps(round(one, 2))}" for one in actual[1:9]
    )
    assert series in text
    assert alarmed in text
    for one in shown["alarms"]:
        assert f"{one['severity']} {one['score']:.2f} {one['direction']}" in text


def test_one_partition_may_be_enough(world):
    whole, found = world.plotted("merchant-0000000"), []
    for number in (0, 1):
        words = ["tpv", "plot", "merchant-0000000", "--json", "--partition", str(number)]
        done = invoke(world.env, *words)
        if done.exit_code == 0:
            found.append(json.loads(done.stdout))
        else:
            assert isinstance(done.exception, MissingResource)
    assert found == [whole]


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("nobody",), 3, "nobody: no payment"),
        (("merchant-0000000", "--from", "2026-06-01T00:00:00Z"), 3, "merchant-0000000: no payment"),
        (("merchant-0000000", "--out", "x.pdf"), 2, "must end in .png or .html"),
        (("merchant-0000000", "--partition", "7"), 3, "--partition 7"),
        (("m", "--from", "2026-02-01T00:00Z", "--to", "2026-01-01T00:00Z"), 2, "is not before"),
        (("m", "--from", "yesterday"), 2, "--from 'yesterday'"),
    ],
)
def test_what_cannot_be_drawn_says_why(world, words, code, message):
    assert message in world.says("tpv", "plot", *words, code=code).replace("\n", " ")


def test_a_topic_that_is_not_there_says_so(world):
    env = {**world.env, "EDDY_TOPIC_PREFIX": "nowhere"}
    done = invoke(env, "tpv", "plot", "merchant-0000000")
    assert isinstance(done.exception, MissingResource)
    assert "nowhere.events.tpv does not exist" in str(done.exception)
