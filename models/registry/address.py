"""Where a registry is, in the words of the setting ``storage.registry``.

::

    .eddy/models                            a folder
    mlflow+http://host:5000                 an MLflow server, also mlflow+https://
    mlflow+sqlite:///mlflow/mlflow.db       MLflow's database itself; four slashes before an
                                            absolute path, as everywhere in MLflow
"""

from pathlib import Path
from urllib.parse import urlsplit

from eddy.schemas.errors import ConfigError

_SQLITE = "sqlite:///"
_KEY = "storage.registry"
_FORMS = "a folder, mlflow+http://HOST:PORT, mlflow+https://HOST or mlflow+sqlite:///FILE"


def parse(address: str) -> Path | str:
    """Return a folder's path, or the address as MLflow takes it.

    Raises
    ------
    ConfigError
        It is neither; the message names the setting and holds no password.
    """
    if not address.strip():
        raise ConfigError(f"{_KEY}: empty; {_FORMS}")
    if not address.startswith("mlflow+"):
        if "://" in address:
            raise ConfigError(f"{_KEY}: {address.partition('://')[0]}:// is not known; {_FORMS}")
        return Path(address)
    uri = address.removeprefix("mlflow+")
    if uri.startswith("sqlite:"):
        return _database(uri)
    return _server(uri)


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
