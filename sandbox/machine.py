"""Checks of the machine before a server starts: a free port, and room on the disk."""

import contextlib
import random
import shutil
import socket
from pathlib import Path

import psutil

from eddy.schemas.errors import MissingResource

LOOPBACK = "127.0.0.1"

# Below the ports that the kernel hands to outgoing connections (from 32768 on Linux, 49152 on
# macOS): a client that keeps reconnecting to a stopped broker inside that range ends up
# connected to itself, and the broker finds its own port taken when it comes back.
_FREE_PORTS = range(20_000, 30_000)


def answers(port: int) -> bool:
    """Whether something on this machine accepts TCP connections on `port`."""
    with socket.socket() as client:
        client.settimeout(1.0)
        return client.connect_ex((LOOPBACK, port)) == 0


def is_free(port: int) -> bool:
    """Whether a server could listen on `port` now (connections in TIME_WAIT do no harm)."""
    if answers(port):
        return False
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            server.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def free_port() -> int:
    """Return a port nobody listens on.

    Raises
    ------
    MissingResource
        When a hundred tries found none.
    """
    for port in random.sample(_FREE_PORTS, 100):
        if is_free(port):
            return port
    raise MissingResource("no free TCP port found between 20000 and 30000 on 127.0.0.1")


def require_port(port: int, setting: str) -> None:
    """Raise unless a server could listen on `port`.

    Parameters
    ----------
    port : int
        The port that is wanted.
    setting : str
        How to choose another one, for the message: ``--port``.

    Raises
    ------
    MissingResource
        Names the port, the process that holds it where it is known, and what to do.
    """
    if is_free(port):
        return
    who = holder(port)
    by = f" by {who}" if who else ""
    raise MissingResource(
        f"port {port} on {LOOPBACK} is already taken{by}; end that program or choose "
        f"another port with {setting}"
    )


def holder(port: int) -> str | None:
    """Name the process that listens on `port`: ``java (pid 123)``; None where it is not known.

    The system names only processes that this user may look into; macOS wants root for that.
    """
    with contextlib.suppress(psutil.Error):
        for connection in psutil.net_connections("tcp"):
            is_listening = connection.status == psutil.CONN_LISTEN
            if is_listening and connection.laddr.port == port and connection.pid:
                return f"{psutil.Process(connection.pid).name()} (pid {connection.pid})"
    return None


def require_disk(folder: Path, free_bytes: int) -> None:
    """Raise unless the disk of `folder` (which need not exist yet) has `free_bytes` left.

    Raises
    ------
    MissingResource
        Names the folder, what is free and what is needed.
    """
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(existing).free
    if free < free_bytes:
        raise MissingResource(
            f"only {free / 2**20:.0f} MiB free on the disk of {folder}, "
            f"{free_bytes / 2**20:.0f} MiB are needed; make room or choose another folder"
        )
