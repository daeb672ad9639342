"""One bad file, a defect or an outage ends neither the watch nor what can be trained on."""

import shutil
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import eddy.app.retraining.retrain
from eddy.app import settings, wiring
from eddy.app.retraining.inbox import FolderInbox
from eddy.app.retraining.inbox_files import arrived_files
from eddy.app.retraining.retrain import NOTHING_NEW, recover, retrain
from eddy.app.retraining.run_log import MOST_FAILURES, FileLog, RetrainingRuns
from eddy.app.retraining.watch import RetrainingWatch, WatchOptions
from eddy.schemas.errors import MissingResource
from eddy.training.transactions.data_quality import PROFILE_FILE, Profiled, QualityBounds
from eddy.training.transactions.settings import (
    ForestSettings,
    LabelSettings,
    Parameters,
    TrainSettings,
)
from eddy.training.transactions.table_files import write_table
from tests.support.card_days import decisions, table_of, write_day

DAYS = 8
CARD = "4111111111111111"


def now():
    return datetime.now(UTC)


class World:
    """An inbox with days of files, a registry and a record of one's own."""

    def __init__(self, days, folder):
        self.inbox = shutil.copytree(days, folder / "inbox")
        self.record = folder / "runs.jsonl"
        self.runs = RetrainingRuns(FileLog(self.record))
        self.models = folder / "models"
        flags = {"storage.registry": str(self.models), "storage.stack": str(folder / "stack")}
        self.settings = settings.load(None, flags)
        self.registry = wiring.registry(self.settings)

    def run(self, how=None, **changes):
        return retrain(
            self.settings,
            FolderInbox(self.inbox),
            self.runs,
            how or parameters(),
            why="a test",
            clock=now,
            **changes,
        )

    def watch(self, **options):
        clock = options.pop("clock", now)
        chosen = WatchOptions(str(self.inbox), str(self.record), quiet_s=0, every_s=0.01, **options)
        return RetrainingWatch(self.settings, chosen, parameters(), clock=clock)

    @property
    def versions(self):
        return self.registry.versions("transactions")


def parameters(**bounds):
    return Parameters(
        labels=LabelSettings(genuine_after_days=None),
        train=TrainSettings(
            train_days=4,
            delay_days=0.5,
            calibration_days=1,
            hold_out_days=1,
            random_forest=ForestSettings(trees=3),
        ),
        retrain=QualityBounds(**bounds),
    )


@pytest.fixture(scope="module")
def days(tmp_path_factory):
    folder = tmp_path_factory.mktemp("days")
    for day in range(DAYS):
        write_day(folder, day)
    return folder


@pytest.fixture
def world(days, tmp_path):
    return World(days, tmp_path)


def infinite(path):
    made, is_fraud = decisions(500)
    table = table_of(made, is_fraud)
    table.features[7, 3] = np.inf
    write_table(table, path)


def column_of_lists(path):
    made, is_fraud = decisions(50)
    write_table(table_of(made, is_fraud), path)
    table = pq.read_table(path)
    place = table.schema.get_field_index("amount")
    lists = pa.array([[1.0, 2.0]] * len(table))
    pq.write_table(table.set_column(place, "amount", lists), path)


def transactions_of_lists(path):
    lists = pa.array([[1.0]] * 20)
    names = ("occurred_at", "card_token", "terminal_id", "amount", "is_fraud")
    pq.write_table(pa.table(dict.fromkeys(names, lists)), path)


@pytest.mark.parametrize("write", [infinite, column_of_lists, transactions_of_lists])
def test_a_file_of_the_wrong_numbers_is_bad_and_named(world, write):
    kept = [path.name for path in world.inbox.iterdir()]
    write(world.inbox / "strange.parquet")
    done = world.run()
    assert done.outcome == "trained"
    assert [file.name for file in done.files if file.is_bad] == ["strange.parquet"]
    (check,) = [one for one in done.checks if not one.ok]
    assert check.detail.startswith("strange.parquet: ")
    assert world.run(only_news=True) is None
    for name in kept:
        (world.inbox / name).unlink()
    world.record.unlink()
    alone = world.run()
    assert alone.outcome == "refused"
    assert "no transactions" in alone.reasons[0] or "strange.parquet" in alone.reasons[0]


def test_a_file_that_is_gone_when_it_is_hashed_is_not_there(world, tmp_path):
    class Going(FolderInbox):
        def fetch(self, name, scratch):
            if name == "day-003.jsonl":
                (world.inbox / name).unlink()
            return super().fetch(name, scratch)

    found = arrived_files(Going(world.inbox), tmp_path, [], "bounds")
    assert len(found.files) == DAYS - 1
    assert found.checks == []


def test_what_cannot_be_read_now_is_not_bad_and_is_tried_again(world, monkeypatch):
    gone = world.inbox / "day-007.jsonl"
    content = gone.read_bytes()
    read = eddy.app.retraining.retrain.read

    def reading(arrived, how):
        gone.unlink(missing_ok=True)
        return read(arrived, how)

    with monkeypatch.context() as patch:
        patch.setattr("eddy.app.retraining.retrain.read", reading)
        for _ in range(MOST_FAILURES + 1):
            gone.write_bytes(content)
            with pytest.raises(MissingResource, match=r"day-007\.jsonl"):
                world.run(only_news=True)
    assert {one.outcome for one in world.runs.all()} == {"failed"}
    gone.write_bytes(content)
    done = world.run(only_news=True)
    assert done.outcome == "trained"
    assert not [file for file in done.files if file.is_bad]


def test_other_bounds_look_at_a_bad_file_again(world):
    path = world.inbox / "day-007.jsonl"
    path.write_bytes(path.read_bytes() + b"no json\n" * 20)
    done = world.run()
    assert [file.name for file in done.files if file.is_bad] == ["day-007.jsonl"]
    assert world.run(only_news=True) is None
    again = world.run(parameters(most_rejected=0.1), only_news=True)
    assert (again.outcome, again.rows) == ("trained", 400)
    assert not [file for file in again.files if file.is_bad]
    assert world.run(parameters(most_rejected=0.1), only_news=True) is None
    assert world.run().reasons == [NOTHING_NEW]


def test_a_defect_does_not_end_the_watch_and_is_given_up(world, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError(f"Could not convert {CARD}")

    monkeypatch.setattr("eddy.app.training.transaction_models.train_model", fail)
    monkeypatch.setattr("eddy.app.retraining.watch._AFTER_FAILURE_S", 0.0)
    watching = world.watch()
    look, looks = watching.poll, []

    def looking():
        looks.append(1)
        if len(looks) == MOST_FAILURES + 3:
            watching.stop()
        return look()

    watching.poll = looking
    watching.run()
    outcomes = [one.outcome for one in world.runs.all()]
    assert outcomes == ["failed"] * (MOST_FAILURES - 1) + ["given_up"]
    assert CARD not in world.record.read_text()
    assert world.watch().poll() is None  # a supervisor starts it again
    monkeypatch.undo()
    write_day(world.inbox, DAYS)
    assert world.run(only_news=True).outcome == "trained"


def test_crashes_with_the_same_content_are_given_up(world, monkeypatch):
    class Killed(BaseException):
        pass

    def die(*_, **__):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("eddy.app.training.transaction_models.train_model", die)
        for _ in range(MOST_FAILURES):
            with pytest.raises(Killed):
                world.run(only_news=True)
        assert world.run(only_news=True) is None
    outcomes = [one.outcome for one in world.runs.all()]
    assert outcomes == ["interrupted"] * (MOST_FAILURES - 1) + ["given_up"]


def test_a_damaged_version_does_not_hide_what_became_of_a_run(world, monkeypatch):
    assert world.run().version == "1"
    write_day(world.inbox, DAYS)

    def die(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("eddy.models.registry.registry.Registry.set_alias", die)
        with pytest.raises(KeyboardInterrupt):
            world.run()
    # version 2 is registered; a newer one is damaged
    newest = world.models / "transactions" / "versions"
    shutil.copytree(newest / "1", newest / "3")
    (newest / "3" / "manifest.json").write_text("{")
    recover(world.settings, world.runs, now)
    assert [(one.outcome, one.version) for one in world.runs.all()] == [
        ("trained", "1"),
        ("trained", "2"),
    ]


def test_every_version_has_the_profile_of_its_rows_and_drift_is_told_by_it(world):
    assert world.run().version == "1"
    world.registry.promote("transactions", "1")
    assert PROFILE_FILE in world.registry.resolve("transactions", "1").files
    kept = world.registry.load("transactions", "1", Profiled).parameters
    assert kept == world.runs.all()[0].profile
    world.record.unlink()  # as where `eddy train` made the champion
    for day in range(DAYS):
        write_day(world.inbox, day, amount_factor=100.0)
    refused = world.run()
    assert refused.outcome == "refused"
    assert [one for one in refused.reasons if one.startswith("drift of amount: ")]


class Asked:
    """Requests that have come."""

    def __init__(self, *asked):
        self.waiting = list(asked)

    def poll(self):
        return self.waiting.pop(0) if self.waiting else None

    def put_back(self, asked):
        self.waiting.insert(0, asked)


def test_a_request_trains_on_known_content_once_in_the_cooldown(world):
    at = [now()]
    watching = world.watch(cooldown_s=3_600, clock=lambda: at[0])
    assert watching.poll().version == "1"
    assert watching.poll() is None
    watching._requests = Asked("request 1: drift amount")
    done = watching.poll()
    assert (done.outcome, done.version, done.why) == ("trained", "2", "request 1: drift amount")
    assert (done.anew, done.rows) == (True, 0)
    assert watching.poll() is None
    again = world.watch(cooldown_s=3_600, clock=lambda: at[0])
    again._requests = Asked("request 2: drift score", "request 3: drift score")
    at[0] += timedelta(minutes=59)
    assert again.poll() is None
    at[0] += timedelta(minutes=1)
    assert again.poll().why == "request 3: drift score"
    assert world.versions == ["1", "2", "3"]


def test_a_request_is_not_lost_in_an_outage(world):
    watching = world.watch()
    asked = watching._requests = Asked("request 1: drift amount")
    world.models.write_text("not a folder")
    with pytest.raises(MissingResource):
        watching.poll()
    assert asked.waiting == ["request 1: drift amount"]
    world.models.unlink()
    assert watching.poll().outcome == "trained"


def test_a_refit_comes_so_long_after_the_last_training(world):
    at = [now()]
    watching = world.watch(refit_every_days=7.0, clock=lambda: at[0])
    assert watching.poll().version == "1"
    at[0] += timedelta(days=6)
    assert watching.poll() is None
    at[0] += timedelta(days=1, seconds=1)
    done = watching.poll()
    assert (done.outcome, done.version, done.rows) == ("trained", "2", 0)
    assert done.why.startswith("refit: ")
    assert watching.poll() is None
    at[0] += timedelta(days=8)
    assert world.watch(clock=lambda: at[0]).poll() is None  # nobody asked for refits
    assert world.watch(refit_every_days=7.0, clock=lambda: at[0]).poll().version == "3"
