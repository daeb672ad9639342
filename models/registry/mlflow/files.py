"""The files of versions in MLflow's artifact store: ``mlflow-artifacts:/<experiment>/<run>/...``.

Behind a server they go through it, whatever it keeps them in. Beside a database without a server
they are files in the folder that a server on that database would be given
(``--artifacts-destination``), so that either reads what the other wrote.
"""

import posixpath
import re
import time
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from eddy.models.registry import durable
from eddy.models.registry.mlflow.client import answering, module
from eddy.schemas.errors import ConfigError, DamagedModel, Unavailable

SCHEME = "mlflow-artifacts"

_CONNECT_S, _READ_S, _WHOLE_S = 5.0, 60.0, 300.0
_BLOCK_BYTES = 1024 * 1024
_STEP = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


class Files(Protocol):
    """Where files are put and fetched; `place` is a folder, as MLflow writes it."""

    def put(self, place: str, name: str, content: bytes) -> None:
        """Keep a file for good."""
        ...

    def get(self, place: str, name: str, limit_bytes: int) -> bytes:
        """Return a file of at most `limit_bytes`.

        Raises
        ------
        DamagedModel
            It is not there, or larger.
        Unavailable
            It cannot be read now.
        """
        ...


class ServedFiles:
    """Files behind a tracking server.

    Parameters
    ----------
    uri : str
        Of the server.
    """

    def __init__(self, uri: str) -> None:
        self._uri = uri

    def put(self, place: str, name: str, content: bytes) -> None:
        """Keep a file for good."""
        path = posixpath.join(_path(place), name)
        with answering(self._uri), self._ask("PUT", path, data=content) as answer:
            answer.raise_for_status()

    def get(self, place: str, name: str, limit_bytes: int) -> bytes:
        """Return a file of at most `limit_bytes`; no more than that is ever read."""
        path = posixpath.join(_path(place), name)
        # as it is, not packed: a packed answer could unfold to more than the limit
        headers = {"Accept-Encoding": "identity"}
        ask = self._ask
        with answering(self._uri), ask("GET", path, stream=True, extra_headers=headers) as answer:
            if answer.status_code == 404:
                raise DamagedModel(f"{place}/{name} is missing")
            answer.raise_for_status()
            return self._body(answer.raw, f"{place}/{name}", limit_bytes)

    def _ask(self, method: str, path: str, **options: Any) -> Any:
        rest, credentials = module("mlflow.utils.rest_utils"), module("mlflow.utils.credentials")
        host = credentials.get_default_host_creds(self._uri)
        endpoint = f"/api/2.0/mlflow-artifacts/artifacts/{path}"
        timeout = (_CONNECT_S, _READ_S)
        return rest.http_request(host, endpoint, method, timeout=timeout, max_retries=0, **options)

    def _body(self, raw: Any, where: str, limit_bytes: int) -> bytes:
        parts, left = [], limit_bytes
        end = time.monotonic() + _WHOLE_S
        while part := raw.read(min(left + 1, _BLOCK_BYTES), decode_content=False):
            parts.append(part)
            left -= len(part)
            if left < 0:
                raise DamagedModel(f"{where} is larger than {limit_bytes} bytes")
            if time.monotonic() > end:
                raise Unavailable(f"{self._uri}: {where} took longer than {_WHOLE_S:g} s")
        return b"".join(parts)


class LocalFiles:
    """Files beside a database.

    Parameters
    ----------
    root : Path
        What a server on that database has as ``--artifacts-destination``.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def put(self, place: str, name: str, content: bytes) -> None:
        """Keep a file for good."""
        folder = self._root / _path(place)
        with durable.writing(self._root):
            durable.make_folder(folder)
            durable.write_new(folder / name, content)
            durable.sync_folder(folder)

    def get(self, place: str, name: str, limit_bytes: int) -> bytes:
        """Return a file of at most `limit_bytes`."""
        path = self._root / _path(place) / name
        try:
            return durable.read_capped(path, limit_bytes)
        except FileNotFoundError as error:
            raise DamagedModel(f"{path} is missing") from error


def check_served(place: str) -> None:
    """Raise ConfigError unless files put at `place` go through the server."""
    if urlsplit(place).scheme != SCHEME:
        raise ConfigError(
            "storage.registry: this MLflow server does not take files for its experiment "
            f"{place!r}; start it with --serve-artifacts and --artifacts-destination"
        )


def _path(place: str) -> str:
    """Return the path below the store's root; a place is text from a database, so it is checked."""
    parts = urlsplit(place)
    steps = parts.path.strip("/").split("/")
    if parts.scheme != SCHEME or parts.netloc or not all(map(_STEP.fullmatch, steps)):
        raise DamagedModel(f"{place!r} is no place in MLflow's artifact store")
    return "/".join(steps)
