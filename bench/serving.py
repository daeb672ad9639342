"""``python -m bench.serving``: how fast ``eddy serve`` answers one client on the same machine.

A real process with a model of the registry, one connection that stays open, the next request sent
when the last answer was read. The client's own work is part of the figures.
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

from models.detectors.fraud.parameters import FraudParameters, Linear
from models.features.names import FEATURES
from models.registry.artefact import encode_parameters
from models.registry.folder import FolderRegistry
from models.registry.registry import Training

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
def service(registry: Path, log: Path) -> Iterator[http.client.HTTPConnection]:
    """Run ``eddy serve`` and give a connection to it, once it is ready."""
    env = {**os.environ, "EDDY_STORAGE__REGISTRY": str(registry)}
    eddy = str(Path(sys.executable).parent / "eddy")
    with log.open("wb") as out:
        process = subprocess.Popen([eddy, "serve", "--port", "0"], env=env, stderr=out)
    try:
        connection = http.client.HTTPConnection("127.0.0.1", _port(log, process), timeout=60)
        _until_ready(connection)
        yield connection
        connection.close()
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(_PATIENCE_S)


def _port(log: Path, process: subprocess.Popen[bytes]) -> int:
    end = time.monotonic() + _PATIENCE_S
    while time.monotonic() < end and process.poll() is None:
        text = re.sub(r"\x1b\[[0-9;]*m", "", log.read_text())
        if found := re.search(r"serving .*port=(\d+)", text):
            return int(found[1])
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
            registry = FolderRegistry(folder, lambda: datetime.now(UTC))
            training = Training(trained_at=datetime.now(UTC))
            artefact = encode_parameters(a_linear_model(random))
            registry.promote(NAME, registry.register(NAME, artefact, training=training, metrics={}))
        with service(folder, Path(scratch) / "log") as connection:
            _measure(connection, options, random)


def _measure(
    connection: http.client.HTTPConnection, options: argparse.Namespace, random: np.random.Generator
) -> None:
    connection.request("GET", "/model_information")
    told = json.loads(connection.getresponse().read())
    d = len(told["features"])
    ones = [
        json.dumps({"feature_vector": row.tolist(), "score": True}).encode()
        for row in random.normal(0.0, 3.0, (200, d))
    ]
    many = json.dumps({"feature_vectors": random.normal(0.0, 3.0, (options.rows, d)).tolist()})
    for path in ("/prediction", "/explain"):
        for body in ones:
            ask(connection, path, body)
        seconds = np.array([ask(connection, path, ones[k % 200]) for k in range(options.requests)])
        p50, p99 = np.quantile(seconds, [0.5, 0.99]) * 1e3
        print(f"{path}: {len(seconds) / seconds.sum():,.0f}/s, p50 {p50:.2f} ms, p99 {p99:.2f} ms")
    ask(connection, "/predictions", many.encode())
    seconds = np.array(
        [ask(connection, "/predictions", many.encode()) for _ in range(options.batches)]
    )
    rows = options.rows * options.batches / seconds.sum()
    print(
        f"/predictions: {rows:,.0f} rows/s in batches of {options.rows:,} "
        f"(median {np.median(seconds) * 1e3:.0f} ms) with {told['detector']}"
    )


if __name__ == "__main__":
    main()
