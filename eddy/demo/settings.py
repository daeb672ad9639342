"""The demo's own configuration: apart from whatever else is configured on this machine."""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from deploy.embedded.machine import LOOPBACK, free_port
from eddy.settings import Settings

PARTITIONS = 4
_KEPT_VARIABLES = ("EDDY_CACHE", "EDDY_DATA")


def tree(directory: Path, port: int) -> dict[str, Any]:
    """Return the demo's settings.

    A small window of rides, so that the first anomaly comes in seconds; payments as by default.
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
        "domains": {"rides": {"window_rides": 5_000, "min_window": 1_000}, "tpv": {}},
    }


def write(path: Path, settings: Mapping[str, Any]) -> Settings:
    """Write the settings as TOML, for ``eddy run`` and for whoever looks on; return them."""
    path.write_text("\n".join(_toml(settings, "")) + "\n", encoding="utf-8")
    return Settings(**settings)


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
