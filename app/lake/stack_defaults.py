"""The embedded parts of a stack's lake, chosen by ``eddy up --lake`` for all commands there.

How they read it: `eddy.app.settings.stack_file`.
"""

from pathlib import Path

import msgspec

from eddy.app.settings.stack_file import FILE, STORE, StackDefaults, read, store_folder
from eddy.lake.config import LakeConfig
from eddy.sandbox.credentials import Credentials
from eddy.sandbox.stack import Stack
from eddy.schemas.errors import ConfigError

STORE_PORT = 9000


def embed(folder: Path, config: LakeConfig, store_port: int | None = None) -> StackDefaults:
    """Choose the embedded parts, and keep the choice; an earlier choice stays.

    Parameters
    ----------
    folder : Path
        The stack's.
    config : LakeConfig
        Without the stack's defaults.
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
    embedded = StackDefaults(port if has_store else None, config.catalog == LakeConfig().catalog)
    if has_store:
        Credentials.kept_in(store_folder(folder))  # settings read them
    if embedded != before:
        folder.mkdir(parents=True, exist_ok=True)
        partial = folder / f"{FILE}.partial"
        partial.write_bytes(msgspec.json.encode(embedded))
        partial.replace(folder / FILE)
    return embedded


def _running_on(folder: Path) -> int | None:
    """Return the port of the object store that runs in a stack; None where none does."""
    statuses = (
        status for status in Stack(folder).status() if status.name == STORE and status.is_running
    )
    return next((status.ports[0] for status in statuses), None)
