"""Verify what stands in the account: the function, its role, the bucket's notification, job, API.

::

    python deploy/aws/verify.py --function eddy-retrain --bucket eddy-transactions [--prefix inbox/]
        [--policy deploy/iam/retrain-function.json] [--job NAME] [--service URL]

A line for each check; exit code 6 where one found a difference. Reads only. Credentials and region
come from the environment, as for every AWS client.
"""

import argparse
import json
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import boto3
from botocore.exceptions import BotoCoreError, ClientError

POLICY = Path(__file__).parents[1] / "iam" / "retrain-function.json"
DIFFERENT = 6


class Finding(NamedTuple):
    """A check and its problem, which is empty where nothing is wrong."""

    what: str
    problem: str


def verify(session: Any, wanted: argparse.Namespace) -> Iterator[Finding]:
    """Yield a finding for each thing that the account must have."""
    function = _asked(lambda: session.client("lambda").get_function(FunctionName=wanted.function))
    yield Finding(f"function {wanted.function}", _text(function))
    if isinstance(function, dict):
        configuration = function["Configuration"]
        yield Finding("its environment", _environment(configuration, wanted))
        yield Finding("one call at a time", _concurrency(session, wanted.function))
        role = configuration["Role"].rpartition("/")[2]
        yield Finding(f"role {role}", _role(session, role, wanted.policy))
    yield Finding(f"notification of {wanted.bucket}", _notification(session, wanted))
    if wanted.job:
        job = _asked(lambda: session.client("glue").get_job(JobName=wanted.job))
        yield Finding(f"job {wanted.job}", _text(job))
    if wanted.service:
        yield Finding(f"service {wanted.service}", _service(wanted.service))


def _asked(question: Any) -> Any:
    """Return an answer, or the error as a text."""
    try:
        return question()
    except (ClientError, BotoCoreError) as error:
        return str(error)


def _text(answer: Any) -> str:
    return answer if isinstance(answer, str) else ""


def _environment(configuration: Any, wanted: argparse.Namespace) -> str:
    variables = configuration.get("Environment", {}).get("Variables", {})
    inbox = f"s3://{wanted.bucket}/{wanted.prefix}".rstrip("/")
    if variables.get("RETRAIN_INBOX", "").rstrip("/") != inbox:
        return f"RETRAIN_INBOX is {variables.get('RETRAIN_INBOX')!r}, not {inbox!r}"
    runs = variables.get("RETRAIN_RUNS", "")
    if not runs:
        return "RETRAIN_RUNS is not set: the record would be lost with the function's disk"
    return f"RETRAIN_RUNS {runs} lies in the inbox" if runs.startswith(f"{inbox}/") else ""


def _concurrency(session: Any, function: str) -> str:
    client = session.client("lambda")
    answer = _asked(lambda: client.get_function_concurrency(FunctionName=function))
    if isinstance(answer, str):
        return answer
    reserved = answer.get("ReservedConcurrentExecutions")
    return "" if reserved == 1 else f"its reserved concurrency is {reserved}, not 1"


def _role(session: Any, role: str, policy: Path) -> str:
    """Compare what a role may do with the policy it is to have."""
    iam = session.client("iam")
    documents = _asked(lambda: list(_policies(iam, role)))
    if isinstance(documents, str):
        return documents
    wanted = _rights([json.loads(policy.read_text())])
    more, fewer = _rights(documents) - wanted, wanted - _rights(documents)
    problems = [f"it may {action} on {on}" for action, on in sorted(more)]
    problems += [f"it may not {action} on {on}" for action, on in sorted(fewer)]
    return "; ".join(problems)


def _policies(iam: Any, role: str) -> Iterator[Any]:
    for name in iam.list_role_policies(RoleName=role)["PolicyNames"]:
        yield iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
    for attached in iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]:
        version = iam.get_policy(PolicyArn=attached["PolicyArn"])["Policy"]["DefaultVersionId"]
        answer = iam.get_policy_version(PolicyArn=attached["PolicyArn"], VersionId=version)
        yield answer["PolicyVersion"]["Document"]


def _rights(documents: Sequence[Any]) -> set[tuple[str, str]]:
    """Return (action, resource) pairs, a condition spelled out with the resource."""
    rights = set()
    for document in documents:
        for rule in _listed(document["Statement"]):
            when = json.dumps(rule.get("Condition", {}), sort_keys=True)
            for action in _listed(rule["Action"]):
                for on in _listed(rule["Resource"]):
                    where = on if when == "{}" else f"{on} where {when}"
                    rights.add((f"{'' if rule['Effect'] == 'Allow' else 'not '}{action}", where))
    return rights


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _notification(session: Any, wanted: argparse.Namespace) -> str:
    client = session.client("s3")
    notification = _asked(
        lambda: client.get_bucket_notification_configuration(Bucket=wanted.bucket)
    )
    if isinstance(notification, str):
        return notification
    if "EventBridgeConfiguration" in notification:
        return ""
    for target in [
        *notification.get("QueueConfigurations", []),
        *notification.get("LambdaFunctionConfigurations", []),
    ]:
        created = any(event.startswith("s3:ObjectCreated:") for event in target["Events"])
        rules = target.get("Filter", {}).get("Key", {}).get("FilterRules", [])
        prefixes = [rule["Value"] for rule in rules if rule["Name"].lower() == "prefix"]
        if created and prefixes == [wanted.prefix]:
            return ""
    return f"nothing is told of new objects below {wanted.prefix}"


def _service(url: str) -> str:
    if not url.startswith(("http://", "https://")):
        return "wants the form http(s)://HOST"
    try:
        with urllib.request.urlopen(f"{url.rstrip('/')}/ready", timeout=10) as answer:  # noqa: S310 - checked above
            return "" if answer.status == 200 else f"/ready answers {answer.status}"
    except (urllib.error.URLError, OSError) as error:
        return str(error)


def main(words: Sequence[str] | None = None) -> int:
    """Verify, tell, and return the exit code."""
    parser = argparse.ArgumentParser(description="Verify what stands in the account.")
    parser.add_argument("--function", required=True)
    parser.add_argument("--bucket", required=True)
    parser.add_argument("--prefix", default="inbox/")
    parser.add_argument("--policy", type=Path, default=POLICY)
    parser.add_argument("--job", help="a Glue job")
    parser.add_argument("--service", help="the prediction service's address")
    findings = list(verify(boto3.Session(), parser.parse_args(words)))
    for finding in findings:
        sys.stdout.write(f"{'ok ' if not finding.problem else 'BAD'} {finding.what}")
        sys.stdout.write(f": {finding.problem}\n" if finding.problem else "\n")
    return DIFFERENT if any(finding.problem for finding in findings) else 0


if __name__ == "__main__":
    sys.exit(main())
