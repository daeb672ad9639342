"""MLflow's client, tamed: imported late, silent, never waiting long, failing in our words.

Importing MLflow takes seconds and brings pandas, so it happens at the first call and in the
processes that use such a registry only. It is used for what it keeps; nothing that it could load
or run is ever loaded or run here.
"""

import importlib
import logging
import os
import secrets
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from eddy.schemas.errors import EddyError, MissingResource, Unavailable, UnknownModel
from eddy.schemas.installation import pip_install

# Set before the import, where the environment does not say otherwise. No retries: MLflow would
# repeat a request whose answer was lost, and so register a version twice.
_SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
}
_REFUSED = ("PERMISSION_DENIED", "UNAUTHENTICATED", "CUSTOMER_UNAUTHORIZED")
_IN_THE_WAY = ("BAD_REQUEST", "TEMPORARILY_UNAVAILABLE")
_GAVE_UP = "Giving up after"  # counting versions while others do
_TRIES = 8
_PAUSE_S = 0.02
_NOT_THERE = "RESOURCE_DOES_NOT_EXIST"
EXISTS = "RESOURCE_ALREADY_EXISTS"
INVALID = "INVALID_PARAMETER_VALUE"

_importing = threading.Lock()


def module(name: str = "mlflow") -> Any:
    """Return a module of MLflow, imported without its warnings and with its telemetry off.

    Raises
    ------
    MissingResource
        It is not installed.
    """
    with _importing, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for variable, value in _SETTINGS.items():
            os.environ.setdefault(variable, value)
        try:
            imported = importlib.import_module(name)
        except ModuleNotFoundError as error:
            raise MissingResource(
                f"storage.registry: MLflow needs {error.name}: {pip_install('mlflow')}"
            ) from error
    for logger in ("mlflow", "alembic"):
        logging.getLogger(logger).setLevel(logging.WARNING)
    return imported


def connect(uri: str) -> Any:
    """Return an ``MlflowClient`` for ``http://...`` or ``sqlite:///...``."""
    mlflow = module()
    with answering(uri):
        return mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)


@contextmanager
def answering(what: str) -> Iterator[None]:
    """Turn what MLflow raises into UnknownModel or Unavailable; `what` names the registry.

    Raises
    ------
    UnknownModel
        What was asked for does not exist.
    Unavailable
        It does not answer, refuses, or says something that is no answer.
    """
    exceptions = module("mlflow.exceptions")
    try:
        yield
    except EddyError:
        raise
    except exceptions.MlflowException as error:
        raise _translated(what, error) from error
    # an answer that is not MLflow's makes its client, and what that is made of, fail in any way
    except Exception as error:
        raise Unavailable(f"{what}: {type(error).__name__}: {_line(error)}") from error


def again(call: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """Call MLflow; where it says that others were in the way and nothing was done, once more.

    It may say so of any write to its database, and has rolled it back by then.
    """
    exception = module("mlflow.exceptions").MlflowException
    for _ in range(_TRIES):
        try:
            return call(*arguments, **named)
        except exception as error:
            if error.error_code not in _IN_THE_WAY and _GAVE_UP not in str(error):
                raise
            time.sleep(_PAUSE_S * (1 + secrets.randbelow(8)))
    return call(*arguments, **named)


def code(error: Exception) -> str:
    """Return the error code of MLflow that an error of `answering` came from, or nothing."""
    return str(getattr(error.__cause__, "error_code", ""))


def _translated(what: str, error: Any) -> UnknownModel | Unavailable:
    if error.error_code == _NOT_THERE:
        return UnknownModel(f"{what}: {_line(error)}")
    if error.error_code in _REFUSED:
        return Unavailable(
            f"{what} refuses: set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or "
            f"MLFLOW_TRACKING_TOKEN ({_line(error)})"
        )
    return Unavailable(f"{what}: {_line(error)}")


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:500]
