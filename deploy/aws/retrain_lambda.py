"""A Lambda function that trains a challenger on what arrives in a bucket.

For S3's ``ObjectCreated`` events: sent to the function, through an SQS queue (its batching window
makes one call of a burst), or by EventBridge. It calls what ``eddy watch`` calls, so that the same
content is never trained on twice, however often an event is delivered.

Environment, beside the settings ``EDDY_*``:

``RETRAIN_INBOX``       ``s3://BUCKET/PREFIX``: all objects below it are the training data
``RETRAIN_RUNS``        ``s3://BUCKET/KEY`` or a path: the record of runs
``RETRAIN_PARAMETERS``  a file of parameters; by default ``params.yaml`` where there is one
``RETRAIN_QUIET_S``     the newest object must be so old, by default 60; else the call fails, and
                        whoever made it calls again

One call at a time: reserve a concurrency of 1. The registry is the one that
``EDDY_STORAGE__REGISTRY`` names: MLflow, or a folder of a file system that is mounted.
"""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from eddy.app import settings
from eddy.app.retraining.inbox import BucketInbox
from eddy.app.retraining.notifications import concerns, created_objects
from eddy.app.retraining.retrain import retrain
from eddy.app.retraining.watch import runs_at
from eddy.app.training import transaction_models
from eddy.schemas.errors import ConfigError, Unavailable


def handler(event: Any, context: Any) -> dict[str, Any]:
    """Train if an event is about new data; return the run without its profile.

    Raises
    ------
    Unavailable
        Objects are still arriving, or a service does not answer: call again.
    ConfigError
        The environment or the event is wrong.
    """
    inbox = os.environ.get("RETRAIN_INBOX", "")
    if not inbox.startswith("s3://"):
        raise ConfigError("RETRAIN_INBOX: wants the form s3://BUCKET/PREFIX")
    objects = concerns(inbox, created_objects(event))
    if not objects:
        return {"outcome": "ignored"}
    configuration = settings.load()
    bucket = BucketInbox(inbox, configuration.lake)
    _require_settled(bucket)
    file = os.environ.get("RETRAIN_PARAMETERS")
    run = retrain(
        configuration,
        bucket,
        runs_at(os.environ.get("RETRAIN_RUNS"), configuration),
        transaction_models.parameters(Path(file) if file else None),
        why=f"notification of {', '.join(objects)} ({getattr(context, 'aws_request_id', '')})",
        clock=lambda: datetime.now(UTC),
    )
    assert run is not None
    return {
        "outcome": run.outcome,
        "run_id": run.run_id,
        "version": run.version,
        "reasons": run.reasons,
        "files": msgspec.to_builtins(run.files),
    }


def _require_settled(bucket: BucketInbox) -> None:
    """Raise Unavailable while objects may still be arriving."""
    quiet = timedelta(seconds=float(os.environ.get("RETRAIN_QUIET_S", "60")))
    newest = max((file.modified_at for file in bucket.list_files()), default=None)
    if newest is not None and datetime.now(UTC) - newest < quiet:
        raise Unavailable(f"objects are still arriving: none may come for {quiet}; call again")
