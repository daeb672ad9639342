"""What each role may do: only what it must, only in the lake, and only one of them may delete."""

import json
from pathlib import Path

import pytest

from eddy.lake.config import LakeConfig

POLICIES = {
    file.stem.removeprefix("lake-"): json.loads(file.read_text())
    for file in sorted((Path(__file__).parents[3] / "deploy" / "iam").glob("lake-*.json"))
}


def actions(role: str) -> set[str]:
    return {action for rule in POLICIES[role]["Statement"] for action in rule["Action"]}


def test_every_role_has_one():
    assert set(POLICIES) == {"analyst", "create", "daily", "sink"}


@pytest.mark.parametrize("role", POLICIES)
def test_nothing_is_allowed_in_general(role):
    policy = POLICIES[role]
    assert policy["Version"] == "2012-10-17"
    for rule in policy["Statement"]:
        assert rule["Effect"] == "Allow"
        assert not [action for action in rule["Action"] if "*" in action]
        for resource in rule["Resource"]:
            kind, name = resource.split(":")[2], resource.split(":", 5)[5]
            assert not name.startswith("*"), "all buckets, or all of a catalog"
            if kind == "s3" and "s3:ListBucket" in rule["Action"] and "Condition" not in rule:
                assert name == "eddy-athena-results", "only its own results are listed as a whole"


@pytest.mark.parametrize("role", POLICIES)
def test_it_is_about_the_lake_as_it_is_by_default(role):
    config = LakeConfig()
    resources = [one for rule in POLICIES[role]["Statement"] for one in rule["Resource"]]
    files = f"arn:aws:s3:::{config.warehouse.removeprefix('s3://')}/*"
    assert files in resources
    glue = {one.rpartition(":")[2] for one in resources if one.startswith("arn:aws:glue:")}
    # Glue checks a table's request against the catalog and the database as well
    assert glue == {
        "catalog",
        f"database/{config.namespace}",
        f"table/{config.namespace}/*",
    }


def test_only_the_daily_run_deletes_and_only_files():
    assert [role for role in POLICIES if "s3:DeleteObject" in actions(role)] == ["daily"]
    assert not [role for role in POLICIES if "glue:DeleteTable" in actions(role)]


def test_the_sink_creates_nothing_and_analysts_change_no_table():
    assert not [action for action in actions("sink") if "Create" in action]
    written = [
        rule["Resource"]
        for rule in POLICIES["analyst"]["Statement"]
        if "s3:PutObject" in rule["Action"]
    ]
    assert written == [["arn:aws:s3:::eddy-athena-results/analysts/*"]]
    assert not [action for action in actions("analyst") if action.startswith("glue:Update")]
