"""The wiring: everything that a detector process is made of, decided before it starts."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass

from eddy.schemas.topics import CONTROL, LABELS
from eddy.streams.config import EngineConfig
from eddy.streams.connection import Connection
from eddy.streams.lane import Lane


@dataclass(frozen=True, slots=True)
class Wiring:
    """Everything a process is made of.

    Attributes
    ----------
    lanes : sequence of Lane
        One a domain.
    checkpoints_url : str
        Folder or URL of the checkpoint store.
    reload_interval_s : float
        Seconds between two looks at the registry.
    health_host, health_port : str, int
        Where ``/live``, ``/ready`` and ``/metrics`` answer.
    control_topic : str, optional
        None hears no commands from outside (a replay must not).
    labels_topic : str
        What is said of events later; read where a domain learns from it.
    until_done : bool
        End by itself once every partition has reached its route's stop.
    scratch : str
        Folder for Faust's own files; holds nothing of worth.
    """

    config: EngineConfig
    connection: Connection
    lanes: Sequence[Lane]
    checkpoints_url: str
    reload_interval_s: float = 10.0
    health_host: str = "127.0.0.1"
    health_port: int = 0
    control_topic: str = CONTROL
    labels_topic: str = LABELS
    until_done: bool = False
    scratch: str = tempfile.gettempdir() + "/eddy-faust"
