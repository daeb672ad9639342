"""``eddy run`` as a process over one world's topics, and the settings it runs with."""

import subprocess
from pathlib import Path
from typing import Any

from eddy.app.demo import settings as demo_settings
from tests.support.eddy_process import EDDY
from tests.support.toy_world import Detector, World


class EddyDetector(Detector):
    """The product as it is, with settings in a file."""

    def __init__(self, folder: Path, file: Path) -> None:
        self.log = folder / "detector.log"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [EDDY, "run", "--config", str(file)],
                env=demo_settings.environment(),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )


def detector_settings(
    world: World, domains: dict[str, dict[str, Any]], engine: dict[str, Any]
) -> dict[str, Any]:
    """Return the settings of a detector that keeps all it has in the world's folder."""
    return {
        "kafka": {"bootstrap_servers": world.bootstrap},
        "engine": {
            "group": world.prefix,
            "instance_id": "one",
            "checkpoint_interval_s": 1.0,
            "session_timeout_ms": 6_000,
            **engine,
        },
        "storage": {
            "stack": str(world.folder / "stack"),
            "checkpoints_url": str(world.checkpoints),
            "registry": str(world.folder / "models"),
        },
        "health": {"port": 0},
        "log": {"format": "json"},
        "topic_prefix": world.prefix,
        "domains": {"rides": {"enabled": False}, **domains},  # rides run unless they are removed
    }
