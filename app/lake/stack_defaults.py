"""What ``eddy up --lake`` decides, kept in the stack's folder for every other command there.

A decision is a default like any other: where the file, the environment or the flags say something
of the store or of the catalog, they are asked alone, so that the embedded store's key is never
sent elsewhere.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from eddy.lake.config import LakeConfig
from eddy.sandbox.credentials import Credentials
from eddy.sandbox.machine import LOOPBACK
from eddy.sandbox.stack import Stack
from eddy.schemas.errors import ConfigError

STORE = "object-store"
STORE_PORT = 9000

_FILE = "lake.json"
_STORE_KEYS = ("endpoint", "access_key_id", "secret_access_key", "secret_access_key_file")
_CATALOG_KEYS = ("catalog", "catalog_password", "catalog_password_file")


class Decision(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What of a stack's lake is embedded.

    Attributes
    ----------
    store_port : int or None
        Of the embedded object store; None where the settings name another.
    has_catalog : bool
        Whether the catalog is a file in the stack's folder.
    """

    store_port: int | None
    has_catalog: bool


def decide(folder: Path, given: LakeConfig, store_port: int | None = None) -> Decision:
    """Decide, and keep it; what was decided before stays so.

    Parameters
    ----------
    folder : Path
        The stack's.
    given : LakeConfig
        Without what was decided before.
    store_port : int, optional
        As the user wants it; else the one before, or 9000.

    Raises
    ------
    ConfigError
        Where a port is wanted for a store that is another's, or that runs on another port.
    """
    has_store = not given.endpoint and not given.access_key_id
    if store_port is not None and not has_store:
        raise ConfigError("--store-port: lake.endpoint or lake.access_key_id names another store")
    running = _running_on(folder)
    if store_port is not None and running not in (None, store_port):
        raise ConfigError(
            f"--store-port: the object store runs on port {running}; end it first with `eddy down`"
        )
    before = _read(folder)
    port = store_port or (before and before.store_port) or STORE_PORT
    made = Decision(port if has_store else None, given.catalog == LakeConfig().catalog)
    if made != before:
        folder.mkdir(parents=True, exist_ok=True)
        partial = folder / f"{_FILE}.partial"
        partial.write_bytes(msgspec.json.encode(made))
        partial.replace(folder / _FILE)
    return made


def defaults(folder: Path, given: Mapping[str, Any]) -> dict[str, str]:
    """Return the settings of ``[lake]`` that were decided and that nobody gives.

    Parameters
    ----------
    given : mapping
        What the file, the environment and the flags say of ``[lake]``.
    """
    decision = _read(folder)
    found: dict[str, str] = {}
    if decision and decision.store_port and not any(key in given for key in _STORE_KEYS):
        keys = Credentials.kept_in(store_folder(folder))
        found["endpoint"] = f"http://{LOOPBACK}:{decision.store_port}"
        found["access_key_id"] = keys.access_key_id
        found["secret_access_key_file"] = str(keys.secret_file)
    if decision and decision.has_catalog and not any(key in given for key in _CATALOG_KEYS):
        found["catalog"] = f"sqlite:///{folder.absolute()}/lake/catalog.db"
    return found


def store_folder(folder: Path) -> Path:
    """Return where the embedded object store lives."""
    return folder / STORE


def _running_on(folder: Path) -> int | None:
    """Return the port of the object store that runs in a stack; None where none does."""
    found = (one for one in Stack(folder).status() if one.name == STORE and one.is_running)
    return next((one.ports[0] for one in found), None)


def _read(folder: Path) -> Decision | None:
    path = folder / _FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=Decision)
    except FileNotFoundError:
        return None
    except (msgspec.MsgspecError, OSError) as error:
        raise ConfigError(
            f"cannot read {path} ({error}); delete it and say `eddy up --lake` again"
        ) from error
