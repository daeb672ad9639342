"""Retraining: no content twice, refused with reasons, every run on record, a crash noticed."""

import shutil
from datetime import UTC, datetime

import msgspec
import numpy as np
import pytest

from eddy.app import settings, wiring
from eddy.app.retraining.inbox import Debounce, FolderInbox
from eddy.app.retraining.retrain import NOTHING_NEW, recover, retrain
from eddy.app.retraining.run_log import FileLog, RetrainingRuns
from eddy.app.retraining.watch import RetrainingWatch, WatchOptions
from eddy.models.detectors.fraud.parameters import FraudParameters
from eddy.schemas.errors import MissingResource
from eddy.training.transactions.settings import (
    ForestSettings,
    LabelSettings,
    Parameters,
    TrainSettings,
)
from eddy.training.transactions.table import TrainingTable
from tests.support.card_days import START, decisions, event_id, table_of, write_day

DAYS = 8


@pytest.fixture(scope="module")
def days(tmp_path_factory):
    """Eight days of files."""
    folder = tmp_path_factory.mktemp("days")
    for day in range(DAYS):
        write_day(folder, day)
    return folder


@pytest.fixture
def inbox(days, tmp_path):
    return shutil.copytree(days, tmp_path / "inbox")


@pytest.fixture
def chosen(tmp_path):
    flags = {"storage.registry": str(tmp_path / "models"), "storage.stack": str(tmp_path / "stack")}
    return settings.load(None, flags)


@pytest.fixture
def runs(tmp_path):
    return RetrainingRuns(FileLog(tmp_path / "stack" / "runs.jsonl"))


def parameters(**bounds):
    return Parameters(
        labels=LabelSettings(genuine_after_days=None),
        train=TrainSettings(
            train_days=4,
            delay_days=0.5,
            calibration_days=1,
            hold_out_days=1,
            random_forest=ForestSettings(trees=5),
        ),
        retrain=msgspec.convert(bounds, type(Parameters().retrain)),
    )


def run(chosen, inbox, runs, how=None, **changes):
    return retrain(
        chosen,
        FolderInbox(inbox),
        runs,
        how or parameters(),
        why="a test",
        clock=lambda: datetime.now(UTC),
        **changes,
    )


def versions(chosen):
    return wiring.registry(chosen).versions("transactions")


def test_new_files_make_a_challenger_once(chosen, inbox, runs):
    first = run(chosen, inbox, runs)
    assert (first.outcome, first.version, first.reasons) == ("trained", "1", [])
    assert first.rows == 400 * DAYS
    assert [file.rows for file in first.files] == [400] * DAYS
    registry = wiring.registry(chosen)
    assert registry.aliases("transactions") == {"challenger": "1"}
    scorer = registry.load("transactions", "latest", FraudParameters).parameters
    assert len(scorer.features) == 15
    (inbox / "day-000.jsonl").rename(inbox / "another-name.jsonl")
    shutil.copy(inbox / "day-001.jsonl", inbox / "day-099.jsonl")
    again = run(chosen, inbox, RetrainingRuns(FileLog(runs._log._path)))
    assert (again.outcome, again.reasons) == ("refused", [NOTHING_NEW])
    assert run(chosen, inbox, runs, only_news=True) is None
    assert versions(chosen) == ["1"]
    write_day(inbox, DAYS)
    second = run(chosen, inbox, runs, only_news=True)
    assert (second.outcome, second.version, second.rows) == ("trained", "2", 400)
    assert [file.is_new for file in second.files] == [False] * DAYS + [True]
    assert [one.outcome for one in runs.all()] == ["trained", "refused", "trained"]


@pytest.mark.parametrize(
    ("change", "bounds", "reason"),
    [
        ({"rows": 30}, {}, "volume: "),
        ({"amount_factor": 100.0}, {}, "drift of amount: "),
        ({"fraud_share": 0.6}, {}, "frauds: "),
        ({}, {"least_labelled": 1.0}, "labelled: "),
    ],
)
def test_the_quality_gate_refuses_with_its_reason(chosen, inbox, runs, change, bounds, reason):
    assert run(chosen, inbox, runs).outcome == "trained"
    wiring.registry(chosen).promote("transactions", "1")
    write_day(inbox, DAYS, labelled=not bounds, **change)
    if bounds:  # so that the day without labels is older than the delay
        write_day(inbox, DAYS + 1)
    refused = run(chosen, inbox, runs, parameters(**bounds))
    assert refused.outcome == "refused"
    assert [one for one in refused.reasons if one.startswith(reason)]
    assert [one for one in refused.checks if not one.ok]
    assert refused.version is None
    assert versions(chosen) == ["1"]
    assert runs.all()[-1] == refused
    # nothing has come since: nothing is to be said again
    assert run(chosen, inbox, runs, parameters(**bounds), only_news=True) is None


def test_a_file_that_is_no_data_is_left_out_for_good(chosen, inbox, runs):
    (inbox / "day-0035.jsonl").write_text('{"event_id": "x"}\n' * 20)
    (inbox / "strange.csv").write_text("a,b\n1,2\n")
    (inbox / "broken.parquet").write_bytes(b"PAR1 and no more")
    done = run(chosen, inbox, runs)
    assert done.outcome == "trained"
    assert {file.name for file in done.files if file.is_bad} == {
        "day-0035.jsonl",
        "strange.csv",
        "broken.parquet",
    }
    assert len([one for one in done.checks if one.what == "schema" and not one.ok]) == 3
    assert run(chosen, inbox, runs, only_news=True) is None
    assert run(chosen, inbox, runs).reasons == [NOTHING_NEW]


def test_bad_files_alone_are_refused(chosen, tmp_path, runs):
    inbox = tmp_path / "bad"
    inbox.mkdir()
    (inbox / "x.jsonl").write_text("no json\n")
    refused = run(chosen, inbox, runs)
    assert refused.outcome == "refused"
    assert versions(chosen) == []


def test_too_few_frauds_are_a_reason_not_a_defect(chosen, tmp_path, runs):
    inbox = tmp_path / "few"
    inbox.mkdir()
    for day in range(DAYS):
        write_day(inbox, day, rows=60, fraud_share=0.01)
    refused = run(chosen, inbox, runs)
    assert refused.outcome == "refused"
    assert "too few to learn from" in refused.reasons[0]


def test_labels_may_come_in_files_of_their_own(chosen, inbox, runs, tmp_path):
    bare = tmp_path / "bare"
    bare.mkdir()
    said = []
    for day in range(DAYS):
        content = (inbox / f"day-{day:03d}.jsonl").read_bytes()
        lines = [msgspec.json.decode(line) for line in content.splitlines()]
        said += [
            {
                "event_id": line["event_id"],
                "verdict": "fraud" if line.pop("is_fraud") else "genuine",
                "labelled_at": line.pop("labelled_at"),
            }
            for line in lines
        ]
        content = b"\n".join(map(msgspec.json.encode, lines))
        (bare / f"day-{day:03d}.jsonl").write_bytes(content)
    refused = run(chosen, bare, runs)
    assert [one.split(":")[0] for one in refused.reasons] == ["labelled", "frauds"]
    (bare / "labels-1.jsonl").write_bytes(b"\n".join(map(msgspec.json.encode, said)))
    done = run(chosen, bare, runs, only_news=True)
    assert done.outcome == "trained"
    other = run(chosen.model_copy(), inbox, RetrainingRuns(FileLog(tmp_path / "other.jsonl")))
    assert other.data_sha256 == done.data_sha256


def test_training_tables_are_taken_too(chosen, tmp_path, runs):
    from eddy.training.transactions.table_files import write_table

    inbox = tmp_path / "tables"
    inbox.mkdir()
    for part in range(2):
        write_table(table(part), inbox / f"part-{part}.parquet")
    done = run(chosen, inbox, runs)
    assert (done.outcome, done.rows) == ("trained", 8_000 + 800)
    (inbox / "part-2.parquet").write_bytes((inbox / "part-1.parquet").read_bytes())
    assert run(chosen, inbox, runs).reasons == [NOTHING_NEW]


def table(part: int) -> TrainingTable:
    # the second one repeats most events of the first
    made, is_fraud = decisions(8_000, part, first=800 * part)
    return table_of(made, is_fraud)


def test_a_crash_before_the_model_was_registered_is_noticed(chosen, inbox, runs, monkeypatch):
    killed(chosen, inbox, runs, monkeypatch, "eddy.app.training.transaction_models.register")
    (cut,) = runs.unfinished()
    assert cut.data_sha256
    recover(chosen, runs, lambda: datetime.now(UTC))
    assert [one.outcome for one in runs.all()] == ["interrupted"]
    again = run(chosen, inbox, runs, only_news=True)
    assert (again.outcome, again.version) == ("trained", "1")


def test_a_crash_after_the_model_was_registered_is_taken_over(chosen, inbox, runs, monkeypatch):
    killed(chosen, inbox, runs, monkeypatch, "eddy.models.registry.registry.Registry.set_alias")
    assert versions(chosen) == ["1"]
    assert wiring.registry(chosen).aliases("transactions") == {}
    assert run(chosen, inbox, runs, only_news=True) is None
    (taken,) = runs.all()
    assert (taken.outcome, taken.version) == ("trained", "1")
    assert taken.profile is not None
    assert wiring.registry(chosen).aliases("transactions") == {"challenger": "1"}
    assert versions(chosen) == ["1"]


class Killed(BaseException):
    """As kill -9 leaves it: nothing is cleaned up after."""


def killed(chosen, inbox, runs, monkeypatch, where):
    def die(*_, **__):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(where, die)
        with pytest.raises(Killed):
            run(chosen, inbox, runs)


def test_a_torn_line_is_passed_over(chosen, inbox, runs):
    first = run(chosen, inbox, runs)
    path = runs._log._path
    path.write_bytes(path.read_bytes() + b'{"run_id": "torn", "at')
    assert runs.all() == [first]
    again = run(chosen, inbox, runs)
    assert [one.run_id for one in runs.all()] == [first.run_id, again.run_id]


def test_what_fails_is_on_record(chosen, inbox, runs, tmp_path):
    (tmp_path / "models").write_text("not a folder")
    with pytest.raises(MissingResource):
        run(chosen, inbox, runs)
    (failed,) = runs.all()
    assert failed.outcome == "failed"
    assert failed.reasons
    (tmp_path / "models").unlink()
    assert run(chosen, inbox, runs, only_news=True).outcome == "trained"


def test_a_folder_that_is_not_there_is_told(chosen, runs, tmp_path):
    with pytest.raises(MissingResource, match="no such folder"):
        run(chosen, tmp_path / "nowhere", runs)


def test_quiet_is_without_any_change_for_so_long(tmp_path):
    folder = FolderInbox(tmp_path)
    quiet = Debounce(10)
    assert not quiet.is_settled(folder.list_files(), 0)
    assert quiet.is_settled(folder.list_files(), 10)
    write_day(tmp_path, 0, 10)
    assert not quiet.is_settled(folder.list_files(), 11)
    write_day(tmp_path, 0, 11)
    assert not quiet.is_settled(folder.list_files(), 20)
    assert not quiet.is_settled(folder.list_files(), 29)
    assert quiet.is_settled(folder.list_files(), 30)


def test_a_burst_of_files_makes_one_run(chosen, inbox, days):
    for file in list(inbox.iterdir()):
        file.unlink()
    now = [0.0]
    runs_file = inbox.parent / "runs.jsonl"
    options = WatchOptions(str(inbox), str(runs_file), quiet_s=30)
    watching = RetrainingWatch(chosen, options, parameters(), lambda: now[0])
    made = []
    for day in range(DAYS):
        shutil.copy(days / f"day-{day:03d}.jsonl", inbox)
        made.append(watching.poll())
        now[0] += 20
    assert made == [None] * DAYS
    now[0] += 10
    done = watching.poll()
    assert (done.outcome, done.rows) == ("trained", 400 * DAYS)
    assert watching.poll() is None
    again = RetrainingWatch(chosen, options, parameters(), lambda: now[0])
    again.poll()
    now[0] += 30
    assert again.poll() is None
    assert versions(chosen) == ["1"]


def test_hidden_and_unfinished_files_are_not_looked_at(tmp_path):
    for name in (".hidden.csv", "_SUCCESS", "x.partial", "x.txt", "a/.tmp/x.csv"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    (tmp_path / "a" / "x.csv").write_text("x")
    assert [one.name for one in FolderInbox(tmp_path).list_files()] == ["a/x.csv"]


def test_days_are_the_same_every_time(tmp_path):
    one, two = (write_day(tmp_path, 3, name=name).read_bytes() for name in ("a", "b"))
    assert one == two
    assert event_id(3, 0).encode() in one
    assert START.year == np.datetime64(START.date()).astype("datetime64[Y]").astype(int) + 1970
