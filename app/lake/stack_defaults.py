"""What ``eddy up --lake`` decides, kept in the stack's folder for every other command there.

How they read it: `eddy.app.settings.stack_file`.
"""

from pathlib import Path

import msgspec

from eddy.app.settings.stack_file import FILE, STORE, Decision, read, store_folder
from eddy.lake.config import LakeConfig
from eddy.sandbox.credentials import Credentials
from eddy.sandbox.stack import Stack
from eddy.schemas.errors import ConfigError

STORE_PORT = 9000


def decide(folder: Path, config: LakeConfig, store_port: int | None = None) -> Decision:
    """Decide, and keep it; what was decided before stays so.

    Parameters
    ----------
    folder : Path
        The stack's.
    config : LakeConfig
        Without what was decided before.
    store_port : int, optional
        As the user wants it; else the one before, or 9000.

    Raises
    ------
    ConfigError
        Where a port is wanted for a store that is another's, or that runs on another port.
    """
    has_store = not config.endpoint and not config.access_key_id
    if store_port is not None and not has_store:
        raise ConfigError("--store-port: lake.endpoint or lake.access_key_id names another store")
    running = _running_on(folder)
    if store_port is not None and running not in (None, store_port):
        raise ConfigError(
            f"--store-port: the object store runs on port {running}; end it first with `eddy down`"
        )
    before = read(folder)
    port = store_port or (before and before.store_port) or STORE_PORT
    decision = Decision(port if has_store else None, config.catalog == LakeConfig().catalog)
    if has_store:
        Credentials.kept_in(store_folder(folder))  # whoever reads finds them
    if decision != before:
        folder.mkdir(parents=True, exist_ok=True)
        partial = folder / f"{FILE}.partial"
        partial.write_bytes(msgspec.json.encode(decision))
        partial.replace(folder / FILE)
    return decision


def _running_on(folder: Path) -> int | None:
    """Return the port of the object store that runs in a stack; None where none does."""
    statuses = (
        status for status in Stack(folder).status() if status.name == STORE and status.is_running
    )
    return next((status.ports[0] for status in statuses), None)
