"""Where a registry is, in the words of the setting ``storage.registry``.

::

    .eddy/models                            a folder
    s3://bucket/prefix                      a bucket; who may and where it is, the variables say
                                            that every client of S3 reads
    mlflow+http://host:5000                 an MLflow server, also mlflow+https://
    mlflow+sqlite:///mlflow/mlflow.db       MLflow's database itself; four slashes before an
                                            absolute path, as everywhere in MLflow
"""

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from eddy.schemas.errors import ConfigError

if TYPE_CHECKING:
    from eddy.models.registry.store import Store

_SQLITE = "sqlite:///"
_KEY = "storage.registry"
_FORMS = (
    "a folder, s3://BUCKET/PREFIX, mlflow+http://HOST:PORT, mlflow+https://HOST or "
    "mlflow+sqlite:///FILE"
)
_S3 = "s3://"


def open_store(address: str) -> "Store":
    """Return the store at an address; nothing is opened or asked yet.

    Raises
    ------
    ConfigError
        It is none of the forms above.
    """
    place = parse(address)
    if isinstance(place, Path):  # stores are imported here: who parses an address needs none
        from eddy.models.registry.folder import FolderStore  # noqa: PLC0415

        return FolderStore(place)
    if place.startswith(_S3):
        from eddy.models.registry.bucket import open_bucket  # noqa: PLC0415 - a client of S3

        return open_bucket(place)
    from eddy.models.registry.mlflow.store import MlflowStore  # noqa: PLC0415

    return MlflowStore(place)


def parse(address: str) -> Path | str:
    """Return a folder's path, or the address as MLflow or a client of S3 takes it.

    Raises
    ------
    ConfigError
        It is neither; the message names the setting and holds no password.
    """
    if not address.strip():
        raise ConfigError(f"{_KEY}: empty; {_FORMS}")
    if address.startswith(_S3):
        return _bucket(address)
    if not address.startswith("mlflow+"):
        if "://" in address:
            raise ConfigError(f"{_KEY}: {address.partition('://')[0]}:// is not known; {_FORMS}")
        return Path(address)
    uri = address.removeprefix("mlflow+")
    if uri.startswith("sqlite:"):
        return _database(uri)
    return _server(uri)


def _bucket(url: str) -> str:
    parts = urlsplit(url)
    if not parts.netloc or set(url) & set("@?#"):
        raise ConfigError(
            f"{_KEY}: s3://BUCKET/PREFIX; keys are set in AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY, another endpoint in AWS_ENDPOINT_URL"
        )
    return url.rstrip("/")


def _database(uri: str) -> str:
    file = uri.removeprefix(_SQLITE)
    if not uri.startswith(_SQLITE) or not file.strip("/") or set(file) & set("?#"):
        raise ConfigError(f"{_KEY}: mlflow+sqlite:///FILE, or mlflow+sqlite:////ABSOLUTE/FILE")
    return f"{_SQLITE}{Path(file).absolute()}"


def _server(uri: str) -> str:
    try:
        parts = urlsplit(uri)
        known = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number
        known = False
    if not known or parts.query or parts.fragment:
        raise ConfigError(f"{_KEY}: not an address of a registry; {_FORMS}")
    if "@" in parts.netloc:
        raise ConfigError(
            f"{_KEY}: no user or password here; set MLFLOW_TRACKING_USERNAME and "
            "MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN"
        )
    return uri.rstrip("/")
