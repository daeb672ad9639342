"""The REST interface of a Kafka Connect worker."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any
from urllib.parse import quote

from eddy.schemas.errors import ConfigError, Unavailable

_TIMEOUT_S = 30.0
_SETTLES_WITHIN_S = 60.0
_POLL_S = 0.2
_NOT_FOUND, _CONFLICT = 404, 409


@dataclass(frozen=True, slots=True)
class TaskStatus:
    """One task: ``RUNNING``, ``FAILED``, ``PAUSED``, ``UNASSIGNED``, ...; why where it failed."""

    number: int
    state: str
    trace: str = ""


@dataclass(frozen=True, slots=True)
class ConnectorStatus:
    """A connector and its tasks."""

    state: str
    trace: str
    tasks: tuple[TaskStatus, ...]

    @property
    def runs(self) -> bool:
        """Whether it and all its tasks do."""
        tasks = [task.state for task in self.tasks]
        return self.state == "RUNNING" and bool(tasks) and set(tasks) == {"RUNNING"}

    @property
    def failure(self) -> str | None:
        """The trace of what failed first; None where nothing did."""
        if self.state == "FAILED":
            return self.trace
        return next((task.trace for task in self.tasks if task.state == "FAILED"), None)


class ConnectClient:
    """Speaks to one Connect cluster, through any of its workers.

    Every method raises Unavailable, naming the setting, where no worker answers, and ConfigError
    where the worker refuses what it is told.

    Parameters
    ----------
    url : str
        ``lake.connect_url``.
    patience_s : float
        How long a cluster may be rebalancing, which it answers requests with meanwhile.
    """

    def __init__(self, url: str, patience_s: float = _SETTLES_WITHIN_S) -> None:
        self._url = url.rstrip("/")
        self._patience_s = patience_s

    def names(self) -> list[str]:
        """Return the names of all connectors."""
        return list(self._ask("GET", "/connectors") or [])

    def settings(self, name: str) -> dict[str, str] | None:
        """Return a connector's settings, secrets too; None where there is none of this name."""
        config = self._ask("GET", f"{_path(name)}/config")
        return None if config is None else dict(config)

    def put(self, name: str, settings: dict[str, str]) -> bool:
        """Create a connector or change its settings; return whether anything was to be done."""
        if self.settings(name) == {**settings, "name": name}:
            return False
        self._ask("PUT", f"{_path(name)}/config", settings)
        return True

    def status(self, name: str) -> ConnectorStatus | None:
        """Return how a connector is; None where there is none, or it has not started yet."""
        answer = self._ask("GET", f"{_path(name)}/status")
        if answer is None:
            return None
        tasks = [TaskStatus(t["id"], t["state"], t.get("trace", "")) for t in answer["tasks"]]
        connector = answer["connector"]
        return ConnectorStatus(connector["state"], connector.get("trace", ""), tuple(tasks))

    def restart_failed(self, name: str) -> None:
        """Start again whatever of a connector has failed."""
        self._ask("POST", f"{_path(name)}/restart?includeTasks=true&onlyFailed=true")

    def stop(self, name: str) -> None:
        """Stop a connector and wait until none of its tasks is left: then offsets can change."""
        self._ask("PUT", f"{_path(name)}/stop")
        self.wait(name, lambda seen: seen.state == "STOPPED" and not seen.tasks, "stop")

    def resume(self, name: str) -> None:
        """Let a stopped connector run again; one that runs does so."""
        self._ask("PUT", f"{_path(name)}/resume")

    def offsets(self, name: str) -> dict[tuple[str, int], int]:
        """Return by topic and partition the offset up to which records are committed."""
        answer = self._ask("GET", f"{_path(name)}/offsets") or {"offsets": []}
        return {
            _place(entry["partition"]): entry["offset"]["kafka_offset"]
            for entry in answer["offsets"]
        }

    def alter_offset(self, name: str, topic: str, partition: int, offset: int) -> None:
        """Let a stopped connector go on at `offset` of one partition."""
        place = {"kafka_topic": topic, "kafka_partition": partition}
        body = {"offsets": [{"partition": place, "offset": {"kafka_offset": offset}}]}
        self._ask("PATCH", f"{_path(name)}/offsets", body)

    def delete(self, name: str) -> None:
        """Remove a connector; its groups and topics stay. None of this name is no error."""
        self._ask("DELETE", _path(name))

    def wait(
        self,
        name: str,
        condition: Callable[[ConnectorStatus], bool],
        what: str,
        within_s: float = _SETTLES_WITHIN_S,
    ) -> ConnectorStatus:
        """Wait until a connector's status is as wanted.

        Parameters
        ----------
        what : str
            Of the connector is waited for; for the message.

        Raises
        ------
        Unavailable
            Where that does not come.
        """
        end = time.monotonic() + within_s
        while True:
            seen = self.status(name)
            if seen is not None and condition(seen):
                return seen
            if time.monotonic() > end:
                state = "absent" if seen is None else f"{seen.state}, tasks {_states(seen)}"
                raise Unavailable(
                    f"connector {name} at lake.connect_url {self._url} did not {what} within "
                    f"{within_s:g} s: it is {state}"
                )
            time.sleep(_POLL_S)

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        """Return the answer; None where there is nothing of that name, or nothing to say."""
        end = time.monotonic() + self._patience_s
        while True:
            status, text = self._once(method, path, body)
            if status < 300:
                return json.loads(text) if text else None
            if status == _NOT_FOUND:
                return None
            # 409: the cluster is rebalancing; 5xx: so it was in the middle of the request
            if status != _CONFLICT and status < 500:
                raise ConfigError(f"Kafka Connect at {self._url} refuses {path}: {_message(text)}")
            if time.monotonic() > end:
                raise Unavailable(
                    f"lake.connect_url: {self._url}: {method} {path}: {status} {_message(text)}"
                )
            time.sleep(_POLL_S)

    def _once(self, method: str, path: str, body: Any) -> tuple[int, bytes]:
        request = urllib.request.Request(  # noqa: S310 - the address is a setting
            f"{self._url}{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
            method=method,
        )
        try:
            return _answer(request)
        # OSError: nobody there, a time-out; HTTPException: killed in the middle of the answer
        except (OSError, HTTPException) as error:
            raise Unavailable(
                f"lake.connect_url: no Kafka Connect worker answers at {self._url} ({error}); "
                "start one with `eddy up --lake`, or set EDDY_LAKE__CONNECT_URL"
            ) from error


def _answer(request: urllib.request.Request) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:  # noqa: S310
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def _path(name: str) -> str:
    return f"/connectors/{quote(name, safe='')}"


def _place(partition: dict[str, Any]) -> tuple[str, int]:
    return partition["kafka_topic"], partition["kafka_partition"]


def _states(seen: ConnectorStatus) -> str:
    return ", ".join(task.state for task in seen.tasks) or "none"


def _message(text: bytes) -> str:
    try:
        return str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        return text[:200].decode(errors="replace")
