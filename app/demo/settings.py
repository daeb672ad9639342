"""The demo's own configuration: apart from whatever else is configured on this machine."""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from eddy.app.lake.stack_defaults import embed
from eddy.app.settings import Settings, complete
from eddy.app.settings.stack_file import StackDefaults, defaults
from eddy.lake.config import LakeConfig
from eddy.sandbox.machine import LOOPBACK, free_port

PARTITIONS = 4
_KEPT_VARIABLES = ("EDDY_CACHE", "EDDY_DATA")


def tree(directory: Path, port: int, lake: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the demo's settings.

    A small window of rides, so that the first anomaly comes in seconds; the others as by default.

    Parameters
    ----------
    lake : mapping, optional
        The section of that name, for a demo that has one.
    """
    return {
        "kafka": {"bootstrap_servers": f"{LOOPBACK}:{port}"},
        "engine": {
            "group": "eddy-demo",
            "instance_id": "demo",
            # every verdict is read back, to tell what was judged while warming up
            "publish_scored": True,
        },
        "storage": {
            "stack": str(directory),
            "checkpoints_url": str(directory / "checkpoints"),
            "registry": str(directory / "models"),
        },
        "health": {"port": free_port()},
        "domains": {
            "rides": {"window_rides": 5_000, "min_window": 1_000},
            "tpv": {},
            "transactions": {},
        },
    } | ({"lake": dict(lake)} if lake else {})


def write(path: Path, settings: Mapping[str, Any]) -> Settings:
    """Write the settings as TOML, for ``eddy run`` and for whoever looks on; return them."""
    path.write_text("\n".join(_toml(settings, "")) + "\n", encoding="utf-8")
    return complete(Settings(**settings))


def lake(directory: Path) -> tuple[StackDefaults, dict[str, Any]]:
    """Decide on an object store and a catalog in the demo's folder; return their settings, too.

    Rows are committed often, for many small files to be compacted in the end.
    """
    embedded = embed(directory, LakeConfig(), free_port())
    return embedded, {
        **defaults(directory, {}),
        "connect_url": f"http://{LOOPBACK}:{free_port()}",
        "commit_interval_s": 5.0,
        "history": True,
    }


def environment() -> dict[str, str]:
    """Return this process' environment without settings, which are not meant for the demo."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("EDDY_") or name in _KEPT_VARIABLES
    }


def _toml(table: Mapping[str, Any], path: str) -> Iterator[str]:
    for key, value in table.items():
        if not isinstance(value, Mapping):
            yield f"{key} = {json.dumps(value, ensure_ascii=False)}"
    for key, value in table.items():
        if isinstance(value, Mapping):
            name = f"{path}{key}"
            yield f"\n[{name}]"
            yield from _toml(value, f"{name}.")
