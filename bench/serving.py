"""``python -m bench.serving``: how fast ``eddy serve`` answers one client on the same machine.

A real process with a model of the registry, one connection that stays open, the next request sent
when the last answer was read. The client's own work is part of the figures, except of the
service's processor time, which does not depend on what else the machine does.
"""

import argparse
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from bench.usage import usage
from eddy.models.artefact import encode_parameters
from eddy.models.detectors.fraud.linear import Linear
from eddy.models.detectors.fraud.parameters import FraudParameters
from eddy.models.features.names import FEATURES
from eddy.models.registry.folder import FolderStore
from eddy.models.registry.manifest import Training
from eddy.models.registry.registry import Registry

NAME = "transactions"
_JSON = {"Content-Type": "application/json"}
_PATIENCE_S = 60.0


def a_linear_model(random: np.random.Generator) -> FraudParameters:
    """Return the cheapest model there is: what is measured then is the service."""
    d = len(FEATURES)
    return FraudParameters(
        detector="fraud_classifier",
        features=list(FEATURES),
        typical=[0.0] * d,
        boundary=0.5,
        linear=Linear([0.0] * d, [1.0] * d, random.normal(0.0, 1.0, d).tolist(), -2.0),
    )


@contextmanager
def service(registry: Path, log: Path) -> Iterator[tuple[http.client.HTTPConnection, int]]:
    """Run ``eddy serve``; give a connection to it and its process id, once it is ready."""
    env = {**os.environ, "EDDY_STORAGE__REGISTRY": str(registry)}
    eddy = str(Path(sys.executable).parent / "eddy")
    with log.open("wb") as out:
        process = subprocess.Popen([eddy, "serve", "--port", "0"], env=env, stderr=out)
    try:
        connection = http.client.HTTPConnection("127.0.0.1", _port(log, process), timeout=60)
        _until_ready(connection)
        yield connection, process.pid
        connection.close()
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(_PATIENCE_S)


def _port(log: Path, process: subprocess.Popen[bytes]) -> int:
    end = time.monotonic() + _PATIENCE_S
    while time.monotonic() < end and process.poll() is None:
        text = re.sub(r"\x1b\[[0-9;]*m", "", log.read_text())
        if match := re.search(r"serving .*port=(\d+)", text):
            return int(match[1])
        time.sleep(0.05)
    raise SystemExit(f"the service did not start:\n{log.read_text()}")


def _until_ready(connection: http.client.HTTPConnection) -> None:
    end = time.monotonic() + _PATIENCE_S
    while time.monotonic() < end:
        connection.request("GET", "/ready")
        answer = connection.getresponse()
        answer.read()
        if answer.status == 200:
            return
        time.sleep(0.05)
    raise SystemExit("the service did not become ready")


def ask(connection: http.client.HTTPConnection, path: str, body: bytes) -> float:
    """Ask once; return the seconds until the whole answer was there."""
    began = time.perf_counter()
    connection.request("POST", path, body, _JSON)
    answer = connection.getresponse()
    answer.read()
    if answer.status != 200:
        raise SystemExit(f"{path} answered {answer.status}")
    return time.perf_counter() - began


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.serving", description=__doc__)
    parser.add_argument("--registry", type=Path, help="a registry's folder with a champion")
    parser.add_argument("--requests", type=int, default=5_000)
    parser.add_argument("--rows", type=int, default=5_000, help="of a batch")
    parser.add_argument("--batches", type=int, default=20)
    options = parser.parse_args()
    random = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.registry or Path(scratch) / "models"
        if options.registry is None:
            registry = Registry(FolderStore(folder), lambda: datetime.now(UTC))
            training = Training(trained_at=datetime.now(UTC))
            artefact = encode_parameters(a_linear_model(random))
            registry.promote(NAME, registry.register(NAME, artefact, training=training, metrics={}))
        with service(folder, Path(scratch) / "log") as (connection, pid):
            _measure(connection, pid, options, random)


def _measure(
    connection: http.client.HTTPConnection,
    pid: int,
    options: argparse.Namespace,
    random: np.random.Generator,
) -> None:
    connection.request("GET", "/model_information")
    information = json.loads(connection.getresponse().read())
    print(f"a {information['detector']} of {len(information['features'])} features")
    rows = random.normal(0.0, 3.0, (options.rows, len(information["features"]))).tolist()
    ones = [json.dumps({"feature_vector": row, "score": True}).encode() for row in rows[:200]]
    many = [json.dumps({"feature_vectors": rows}).encode()]
    for path, bodies, n, size in (
        ("/prediction", ones, options.requests, 1),
        ("/explain", ones, options.requests, 1),
        ("/predictions", many, options.batches, options.rows),
    ):
        ask(connection, path, bodies[0])
        before = usage(pid).cpu_s
        seconds = np.array([ask(connection, path, bodies[k % len(bodies)]) for k in range(n)])
        cpu_us = (usage(pid).cpu_s - before) / (n * size) * 1e6
        p50, p99 = np.quantile(seconds, [0.5, 0.99]) * 1e3
        print(
            f"{path}: {n * size / seconds.sum():,.0f} rows/s in requests of {size:,}; a request "
            f"p50 {p50:.2f} ms, p99 {p99:.2f} ms; service's CPU {cpu_us:.1f} us a row"
        )


if __name__ == "__main__":
    main()
