"""What the machine has to have before a broker starts: a free port and room on the disk."""

import contextlib
import random
import shutil
import socket
from pathlib import Path

from eddy.schemas.errors import MissingResource

LOOPBACK = "127.0.0.1"

# Below the ports that the kernel hands to outgoing connections (from 32768 on Linux, 49152 on
# macOS): a client that keeps reconnecting to a stopped broker inside that range ends up
# connected to itself, and the broker finds its own port taken when it comes back.
_FREE_PORTS = range(20_000, 30_000)

_LISTENING = "0A"  # the state column of /proc/net/tcp


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
        Names the port, who holds it where that can be told, and what to do.
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
    """Name the process that listens on `port`: ``java (pid 123)``; None where it cannot be told.

    Only Linux tells, and only about processes this user may look into.
    """
    sockets = {f"socket:[{inode}]" for inode in _listening_inodes(port)}
    if not sockets:
        return None
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if any(str(fd.readlink()) in sockets for fd in (process / "fd").iterdir()):
                name = (process / "comm").read_text().strip()
                return f"{name} (pid {process.name})"
    return None


def _listening_inodes(port: int) -> set[str]:
    """Return the inodes of the sockets that listen on `port`, of either address family."""
    inodes = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(OSError):
            for line in Path(table).read_text().splitlines()[1:]:
                columns = line.split()
                if columns[3] == _LISTENING and int(columns[1].rpartition(":")[2], 16) == port:
                    inodes.add(columns[9])
    return inodes


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
