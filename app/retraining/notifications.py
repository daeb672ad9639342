"""A bucket's notifications of new objects: S3's events, direct, through a queue, or a bus."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote_plus

import msgspec

from eddy.schemas.errors import ConfigError


def created_objects(event: Any) -> list[str]:
    """Return the addresses ``s3://BUCKET/KEY`` of the objects that an event says were created.

    Parameters
    ----------
    event : dict
        As a Lambda function gets it: S3's own (``Records``), the same in the bodies of SQS
        messages, or EventBridge's (``detail``). S3's test event names none.

    Raises
    ------
    ConfigError
        It is none of these.
    """
    try:
        return list(_objects(event))
    except (KeyError, TypeError, AttributeError, msgspec.DecodeError) as error:
        raise ConfigError(f"not an event of a bucket: {error!r}") from error


def _objects(event: Any) -> Iterator[str]:
    if event.get("Event") == "s3:TestEvent":
        return
    if event.get("detail-type") == "Object Created":
        detail = event["detail"]
        yield f"s3://{detail['bucket']['name']}/{detail['object']['key']}"  # not encoded here
        return
    for record in event["Records"]:
        if "body" in record:
            yield from _objects(msgspec.json.decode(record["body"]))
        elif record["eventName"].startswith("ObjectCreated:"):
            bucket = record["s3"]
            key = unquote_plus(bucket["object"]["key"])
            yield f"s3://{bucket['bucket']['name']}/{key}"


def concerns(inbox: str, objects: list[str]) -> list[str]:
    """Return the objects that lie below an inbox, ``s3://BUCKET/PREFIX``."""
    below = inbox.rstrip("/") + "/"
    return [address for address in objects if address.startswith(below)]
