"""The function that retrains, on a real S3 server; what it may do; and the check of the account."""

import io
import json
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import quote_plus

import boto3
import pytest

from eddy.app import settings, wiring
from eddy.app.retraining.inbox import BucketInbox, FolderInbox, sha256_of
from eddy.app.retraining.notifications import created_objects
from eddy.app.retraining.watch import runs_at
from eddy.deploy.aws import retrain_lambda, verify
from eddy.schemas.errors import ConfigError, Unavailable
from tests.support.card_days import write_day

ROOT = Path(__file__).parents[3]
POLICY = json.loads((ROOT / "deploy/iam/retrain-function.json").read_text())
PARAMS = """
train: {train_days: 4, delay_days: 0.5, calibration_days: 1, hold_out_days: 1,
        random_forest: {trees: 3}}
"""


class Account:
    """A bucket with an inbox, and the environment of the function."""

    def __init__(self, store, folder, monkeypatch):
        self.bucket, self.files, self.folder = store.bucket(), store.filesystem(), folder
        (folder / "params.yaml").write_text(PARAMS)
        self.environment = {
            "EDDY_LAKE__ENDPOINT": store.endpoint,
            "EDDY_LAKE__ACCESS_KEY_ID": store.access_key_id,
            "EDDY_LAKE__SECRET_ACCESS_KEY": store.secret_access_key,
            "EDDY_STORAGE__REGISTRY": str(folder / "models"),
            "RETRAIN_INBOX": f"s3://{self.bucket}/inbox",
            "RETRAIN_RUNS": f"s3://{self.bucket}/retraining/runs.jsonl",
            "RETRAIN_PARAMETERS": str(folder / "params.yaml"),
            "RETRAIN_QUIET_S": "0",
        }
        for name, value in self.environment.items():
            monkeypatch.setenv(name, value)
        self.settings = settings.load()

    def put(self, day, key):
        content = write_day(self.folder, day, name="put.jsonl").read_bytes()
        with self.files.open_output_stream(f"{self.bucket}/{key}", compression=None) as stream:
            stream.write(content)

    def event(self, *keys):
        return {
            "Records": [
                {
                    "eventName": "ObjectCreated:Put",
                    "s3": {"bucket": {"name": self.bucket}, "object": {"key": quote_plus(key)}},
                }
                for key in keys
            ]
        }

    def runs(self):
        return runs_at(self.environment["RETRAIN_RUNS"], self.settings).all()


@pytest.fixture
def account(object_store, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Account(object_store, tmp_path, monkeypatch)


CONTEXT = SimpleNamespace(aws_request_id="call-1")


def test_objects_that_were_created_are_trained_on_once(account):
    keys = [f"inbox/some day {day}.jsonl" for day in range(8)]
    for day, key in enumerate(keys):
        account.put(day, key)
    queued = {"Records": [{"messageId": "1", "body": json.dumps(account.event(*keys))}]}
    done = retrain_lambda.handler(queued, CONTEXT)
    assert (done["outcome"], done["version"]) == ("trained", "1")
    assert [file["rows"] for file in done["files"]] == [400] * 8
    assert json.loads(json.dumps(done)) == done  # what Lambda does with it
    again = retrain_lambda.handler(account.event(keys[0]), CONTEXT)
    assert (again["outcome"], again["version"]) == ("refused", None)
    registry = wiring.registry(account.settings)
    assert registry.aliases("transactions") == {"challenger": "1"}
    assert registry.versions("transactions") == ["1"]
    assert [run.outcome for run in account.runs()] == ["trained", "refused"]
    assert "call-1" in account.runs()[0].why


def test_while_objects_arrive_nothing_is_done(account, monkeypatch):
    monkeypatch.setenv("RETRAIN_QUIET_S", "3600")
    account.put(0, "inbox/a.jsonl")
    with pytest.raises(Unavailable, match="still arriving"):
        retrain_lambda.handler(account.event("inbox/a.jsonl"), CONTEXT)
    assert account.runs() == []


def test_other_objects_are_ignored_and_a_wrong_inbox_is_told(account, monkeypatch):
    for event in (account.event("elsewhere/a.jsonl"), {"Event": "s3:TestEvent"}):
        assert retrain_lambda.handler(event, CONTEXT) == {"outcome": "ignored"}
    monkeypatch.setenv("RETRAIN_INBOX", "inbox")
    with pytest.raises(ConfigError, match="RETRAIN_INBOX"):
        retrain_lambda.handler(account.event("inbox/a.jsonl"), CONTEXT)


def test_a_bucket_and_a_folder_show_the_same(account, tmp_path):
    folder = tmp_path / "inbox"
    (folder / "more").mkdir(parents=True)
    for day, name in enumerate(("b.jsonl", "more/a.jsonl", ".hidden.jsonl", "x.txt")):
        account.put(day, f"inbox/{name}")
        write_day(folder, day, name=name)
    bucket = BucketInbox(account.environment["RETRAIN_INBOX"], account.settings.lake)
    here = FolderInbox(folder)
    there = bucket.list_files()
    shown = [(one.name, one.size_bytes) for one in there]
    assert shown == [(one.name, one.size_bytes) for one in here.list_files()]
    assert [name for name, _ in shown] == ["b.jsonl", "more/a.jsonl"]
    assert all(abs((datetime.now(UTC) - one.modified_at).total_seconds()) < 600 for one in there)
    for name, _ in shown:
        fetched = bucket.fetch(name, tmp_path / "scratch")
        assert sha256_of(fetched) == sha256_of(here.fetch(name, tmp_path))


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (
            {
                "detail-type": "Object Created",
                "detail": {"bucket": {"name": "b"}, "object": {"key": "in/a b.csv"}},
            },
            ["s3://b/in/a b.csv"],
        ),
        (
            {
                "Records": [
                    {
                        "eventName": "ObjectRemoved:Delete",
                        "s3": {"bucket": {"name": "b"}, "object": {"key": "a"}},
                    },
                    {
                        "eventName": "ObjectCreated:CompleteMultipartUpload",
                        "s3": {"bucket": {"name": "b"}, "object": {"key": "a+b%2Bc.csv"}},
                    },
                ]
            },
            ["s3://b/a b+c.csv"],
        ),
    ],
)
def test_events_of_buckets_are_understood(event, expected):
    assert created_objects(event) == expected


@pytest.mark.parametrize(
    "event", [{}, {"Records": [{}]}, [], "x", {"Records": [{"body": "no json"}]}]
)
def test_other_events_are_refused(event):
    with pytest.raises(ConfigError, match="not an event"):
        created_objects(event)


def test_the_function_may_do_only_what_it_must():
    assert POLICY["Version"] == "2012-10-17"
    for rule in POLICY["Statement"]:
        assert rule["Effect"] == "Allow"
        assert not [
            action
            for action in rule["Action"]
            if "*" in action or ("Delete" in action and not action.startswith("sqs:"))
        ]
        for resource in rule["Resource"]:
            assert not resource.split(":", 5)[5].startswith("*")
            listed = "s3:ListBucket" in rule["Action"]
            assert not listed or rule["Condition"]["StringLike"]["s3:prefix"]
            if "s3:PutObject" in rule["Action"]:
                assert resource.endswith("/retraining/runs.jsonl"), "arrivals are only read"


ROLE = {"Version": "2012-10-17", "Statement": []}


@pytest.fixture
def aws(object_store, monkeypatch):
    """An account in which all stands; every client talks to the S3 server, which is moto."""
    for name, value in {
        "AWS_ENDPOINT_URL": object_store.endpoint,
        "AWS_ACCESS_KEY_ID": object_store.access_key_id,
        "AWS_SECRET_ACCESS_KEY": object_store.secret_access_key,
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    bucket = object_store.bucket()
    session = boto3.Session()
    iam = session.client("iam")
    role = iam.create_role(RoleName=f"r-{bucket}", AssumeRolePolicyDocument=json.dumps(ROLE))
    iam.put_role_policy(RoleName=f"r-{bucket}", PolicyName="own", PolicyDocument=json.dumps(POLICY))
    queue = session.client("sqs").create_queue(QueueName=f"q-{bucket}")["QueueUrl"]
    asked = session.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
    session.client("s3").put_bucket_notification_configuration(
        Bucket=bucket,
        NotificationConfiguration={
            "QueueConfigurations": [
                {
                    "QueueArn": asked["Attributes"]["QueueArn"],
                    "Events": ["s3:ObjectCreated:*"],
                    "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": "inbox/"}]}},
                }
            ]
        },
    )
    function = session.client("lambda")
    function.create_function(
        FunctionName=f"f-{bucket}",
        Runtime="python3.11",
        Handler="retrain_lambda.handler",
        Role=role["Role"]["Arn"],
        Code={"ZipFile": zipped()},
        Environment={
            "Variables": {
                "RETRAIN_INBOX": f"s3://{bucket}/inbox",
                "RETRAIN_RUNS": f"s3://{bucket}/retraining/runs.jsonl",
            }
        },
    )
    function.put_function_concurrency(FunctionName=f"f-{bucket}", ReservedConcurrentExecutions=1)
    return session, bucket


def zipped() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.write(ROOT / "deploy/aws/retrain_lambda.py", "retrain_lambda.py")
    return file.getvalue()


def verified(bucket, capsys, *more):
    code = verify.main(["--function", f"f-{bucket}", "--bucket", bucket, *more])
    return code, capsys.readouterr().out


def test_an_account_in_which_all_stands_is_found_good(aws, capsys):
    _session, bucket = aws
    code, told = verified(bucket, capsys)
    assert (code, told.count("ok "), "BAD" in told) == (0, 5, False), told


def test_what_is_wrong_with_an_account_is_told(aws, capsys):
    session, bucket = aws
    wide = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    session.client("iam").put_role_policy(
        RoleName=f"r-{bucket}",
        PolicyName="more",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [wide]}),
    )
    session.client("s3").put_bucket_notification_configuration(
        Bucket=bucket, NotificationConfiguration={}
    )
    session.client("lambda").delete_function_concurrency(FunctionName=f"f-{bucket}")
    code, told = verified(bucket, capsys, "--service", "http://127.0.0.1:9", "--job", "none")
    assert code == verify.DIFFERENT
    assert "it may s3:* on *" in told
    assert "nothing is told of new objects below inbox/" in told
    assert "reserved concurrency is None" in told
    assert "BAD service" in told
    assert "BAD job none" in told
    assert verify.main(["--function", "absent", "--bucket", bucket]) == verify.DIFFERENT
