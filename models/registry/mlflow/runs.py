"""What MLflow's own pages show of a version: the run it came from, with its figures and card."""

import re
from collections.abc import Mapping
from itertools import islice
from typing import Any

from eddy.models.registry.manifest import Manifest
from eddy.models.registry.mlflow.client import EXISTS, answering, code, module
from eddy.models.registry.mlflow.files import SCHEME
from eddy.schemas.errors import Unavailable

EXPERIMENT = "eddy"

_NOT_IN_KEYS = re.compile(r"[^A-Za-z0-9_.\- /]")
_MAX_VALUE = 500
_MAX_CARD = 5000  # a description, and the run's note
_MOST_PARAMETERS = 100
_MOST_METRICS = 1000


def start(client: Any, manifest: Manifest, *, artifacts_are_ours: bool) -> Any:
    """Start the run that a version is registered from."""
    experiment = _experiment(client, artifacts_are_ours)
    tags = {"mlflow.source.name": f"eddy {manifest.eddy_version}", "eddy.model": manifest.name}
    return client.create_run(experiment, run_name=manifest.name, tags=tags)


def finish(client: Any, run: Any, manifest: Manifest, files: Mapping[str, bytes]) -> None:
    """Log how the model came about and how good it is, and end the run."""
    entities = module("mlflow.entities")
    at = int(manifest.created_at.timestamp() * 1000)
    metrics = [
        entities.Metric(_key(key), value, at, 0)
        for key, value in islice(manifest.metrics.items(), _MOST_METRICS)
    ]
    given = {"rows": manifest.training.rows, **manifest.training.settings}
    parameters = [
        entities.Param(_key(key), str(value)[:_MAX_VALUE])
        for key, value in islice(given.items(), _MOST_PARAMETERS)
    ]
    tags = [
        entities.RunTag("eddy.data_sha256", manifest.training.data_sha256),
        entities.RunTag("eddy.sha256", manifest.sha256),
        entities.RunTag("eddy.trained_at", manifest.training.trained_at.isoformat()),
        entities.RunTag("mlflow.note.content", card(files)),
    ]
    client.log_batch(run.info.run_id, metrics=metrics, params=parameters, tags=tags)
    client.set_terminated(run.info.run_id, "FINISHED")


def card(files: Mapping[str, bytes]) -> str:
    """Return the model card among the files of a version, or nothing."""
    cards = (content for name, content in files.items() if name.lower().endswith(".md"))
    return next(cards, b"").decode("utf-8", errors="replace")[:_MAX_CARD]


def _experiment(client: Any, artifacts_are_ours: bool) -> str:
    # a server keeps files where it was told to; without one, where it would look for them
    place = {"artifact_location": f"{SCHEME}:/{EXPERIMENT}"} if artifacts_are_ours else {}
    known = client.get_experiment_by_name(EXPERIMENT)
    if known is None:
        try:
            with answering("MLflow"):
                return str(client.create_experiment(EXPERIMENT, **place))
        except Unavailable as error:
            if code(error) != EXISTS:
                raise
            known = client.get_experiment_by_name(EXPERIMENT)
    return str(known.experiment_id)


def _key(key: str) -> str:
    return _NOT_IN_KEYS.sub("_", key)[:250]
