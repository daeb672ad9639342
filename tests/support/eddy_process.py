"""The product itself as a process: ``eddy ...`` with settings of one's own."""

import os
import subprocess
import sys
from pathlib import Path

Done = subprocess.CompletedProcess[str]
EDDY = str(Path(sys.executable).parent / "eddy")


def environment(bootstrap: str, folder: Path, **settings: object) -> dict[str, str]:
    """Return an environment in which eddy uses this broker and keeps all its state in `folder`."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("EDDY_")}
    return {
        **clean,
        "EDDY_KAFKA__BOOTSTRAP_SERVERS": bootstrap,
        "EDDY_STORAGE__CHECKPOINTS_URL": str(folder / "checkpoints"),
        "EDDY_STORAGE__REGISTRY": str(folder / "models"),
        "EDDY_STORAGE__STACK": str(folder / "stack"),
        "EDDY_HEALTH__PORT": "0",
        "EDDY_LOG__FORMAT": "json",
        "COLUMNS": "160",
        **{f"EDDY_{name.upper()}": str(value) for name, value in settings.items()},
    }


def eddy(env: dict[str, str], *arguments: str, limit_s: float = 120) -> Done:
    """Run a command to its end."""
    return subprocess.run(
        [EDDY, *arguments],
        env=env,
        check=False,
        capture_output=True,
        text=True,
        timeout=limit_s,
    )


def start(env: dict[str, str], *arguments: str, log: Path) -> subprocess.Popen[bytes]:
    """Start a command and leave it running."""
    with log.open("ab") as out:
        return subprocess.Popen([EDDY, *arguments], env=env, stdout=out, stderr=out)
