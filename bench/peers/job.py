"""What a program is to do in a benchmark; Python peers get it through their environment."""

import os
from pathlib import Path

import msgspec

VARIABLE = "BENCH_JOB"
EXACTLY_ONCE = "exactly once"
AT_LEAST_ONCE = "at least once"


class PeerJob(msgspec.Struct, frozen=True, kw_only=True):
    """Judge the rides of a topic, publish the anomalies.

    Attributes
    ----------
    bootstrap : str
        The broker.
    events, anomalies : str
        Topics to read and to write.
    group : str
        The consumer group, application id or transactional id, new for every run.
    folder : str
        For state and other files; exists, empty.
    guarantee : str
        `EXACTLY_ONCE` or `AT_LEAST_ONCE`.
    """

    bootstrap: str
    events: str
    anomalies: str
    group: str
    folder: str
    guarantee: str

    @property
    def counter(self) -> Path:
        """Where a program that commits nothing writes how many events it has done."""
        return Path(self.folder) / "counter"

    def environment(self) -> dict[str, str]:
        """Return the variable that carries the job."""
        return {VARIABLE: msgspec.json.encode(self).decode()}

    @staticmethod
    def from_environment() -> "PeerJob":
        """Return the job this process was started for."""
        return msgspec.json.decode(os.environ[VARIABLE], type=PeerJob)
