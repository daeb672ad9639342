"""Objects of a bucket become files below the scratch folder, whatever their keys are."""

from datetime import UTC, datetime

import boto3
import pytest

from eddy.app import settings
from eddy.app.retraining.inbox import BucketInbox, UnusableName
from eddy.app.retraining.inbox_files import arrived_files
from eddy.app.retraining.run_log import RetrainingRun

RULES = "bounds"


class Inbox:
    """A prefix of a bucket, and where its objects are fetched to."""

    def __init__(self, store, folder):
        self.bucket = store.bucket()
        self.client = boto3.client(
            "s3",
            endpoint_url=store.endpoint,
            region_name="us-east-1",
            aws_access_key_id=store.access_key_id,
            aws_secret_access_key=store.secret_access_key,
        )
        config = settings.load(
            None,
            {
                "lake.endpoint": store.endpoint,
                "lake.access_key_id": store.access_key_id,
                "lake.secret_access_key": store.secret_access_key,
            },
        ).lake
        self.arrivals = BucketInbox(f"s3://{self.bucket}/inbox", config)
        self.scratch = folder / "scratch"
        self.scratch.mkdir()

    def put(self, key, content=b"{}\n"):
        self.client.put_object(Bucket=self.bucket, Key=f"inbox/{key}", Body=content)

    def arrived(self, past=()):
        return arrived_files(self.arrivals, self.scratch, past, RULES)


@pytest.fixture
def inbox(object_store, tmp_path):
    return Inbox(object_store, tmp_path)


def test_a_key_that_is_a_path_elsewhere_is_bad_and_touches_nothing(inbox, tmp_path):
    inbox.put(f"/{str(tmp_path).lstrip('/')}/evil.jsonl", b"evil")
    inbox.put("good.jsonl")
    arrived_now = inbox.arrived()
    assert not (tmp_path / "evil.jsonl").exists()
    bad = {
        arrived_file.file.name: arrived_file.file
        for arrived_file in arrived_now.files
        if arrived_file.file.is_bad
    }
    assert [name for name in bad if name.endswith("evil.jsonl")]
    assert [
        arrived_file.detail
        for arrived_file in arrived_now.checks
        if "empty part" in arrived_file.detail and not arrived_file.ok
    ]
    (good,) = [arrived_file for arrived_file in arrived_now.files if not arrived_file.file.is_bad]
    assert (good.file.name, good.path.read_bytes()) == ("good.jsonl", b"{}\n")
    files = [arrived_file.file for arrived_file in arrived_now.files]
    at = datetime(2026, 3, 2, tzinfo=UTC)
    past = RetrainingRun(run_id="1", at=at, why="", outcome="trained", files=files, judged_by=RULES)
    again = inbox.arrived([past])
    assert again.checks == []  # said once
    assert [arrived_file.file.is_bad for arrived_file in again.files] == [
        arrived_file.file.is_bad for arrived_file in arrived_now.files
    ]


def test_an_object_may_be_called_as_a_folder_beside_it(inbox):
    inbox.put("a.jsonl", b"1")
    inbox.put("a.jsonl/b.jsonl", b"2")
    arrived_now = {
        arrived_file.file.name: arrived_file.path.read_bytes()
        for arrived_file in inbox.arrived().files
    }
    assert arrived_now == {"a.jsonl": b"1", "a.jsonl/b.jsonl": b"2"}


@pytest.mark.parametrize("letter", ["x", "ü", "字"])
def test_long_keys_are_fetched_under_short_names(inbox, letter):
    key = letter * (900 // len(letter.encode())) + ".jsonl"
    inbox.put(key)
    (arrived_now,) = inbox.arrived().files
    assert arrived_now.file.name == key
    assert not arrived_now.file.is_bad
    assert arrived_now.path.suffix == ".jsonl"
    assert len(arrived_now.path.name) <= 100
    assert arrived_now.path.parent.parent == inbox.scratch


def test_what_has_gone_meanwhile_is_not_there(inbox):
    inbox.put("a.jsonl", b"1")
    inbox.put("b.jsonl", b"2")
    seen = inbox.arrivals.list_files()
    inbox.client.delete_object(Bucket=inbox.bucket, Key="inbox/a.jsonl")
    inbox.arrivals.list_files = lambda: seen
    assert [arrived_file.file.name for arrived_file in inbox.arrived().files] == ["b.jsonl"]
    with pytest.raises(UnusableName):
        inbox.arrivals.fetch("a//b.jsonl", inbox.scratch)
