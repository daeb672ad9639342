"""The engine's own settings, with the defaults that were measured."""

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from eddy.schemas.errors import ConfigError
from eddy.schemas.topics import DomainTopics

LEAST = {
    "batch_size": 1,
    "read_timeout_ms": 1,
    "commit_interval_ms": 1,
    "commit_max_events": 1,
    "transaction_timeout_ms": 1_000,
    "session_timeout_ms": 1_000,
    "checkpoint_interval_s": 0.0,
    "max_skew_s": 0.0,
    "fuse_ratio": 0.0,
    "fuse_window": 1,
    "max_recoveries": 0,
    "liveness_timeout_s": 1.0,
    "idle_after_s": 0.0,
    "queue_batches": 1,
}


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """How the engine reads, commits, keeps state and gives up.

    Attributes
    ----------
    group : str
        Consumer group of the data plane. The control plane uses ``<group>.control.<instance>``.
    instance_id : str
        Stable over restarts, unique among running processes: static membership
        (`group.instance.id`) and the transactional id come from it.
    reader : {"auto", "native", "portable"}
        ``auto`` takes the native reader where the wheel's librdkafka is found.
    batch_size : int
        Records a batch at most. Larger is faster and adds latency only under load.
    read_timeout_ms : int
        How long a batch may take to fill.
    commit_interval_ms : int
        A transaction is open about this long under load, half as long with nothing waiting.
    commit_max_events : int
        ... or until it holds this many events.
    transaction_timeout_ms : int
        The broker aborts a dead process' transaction after this time.
    session_timeout_ms : int
        The group gives a dead process' partitions to others after this time.
    checkpoint_interval_s : float
        Seconds between two snapshots of a partition's judge.
    initial_offset : {"earliest", "latest"}
        Where to begin on a partition that the group has never committed.
    max_skew_s : float
        An event may be later than its record's timestamp by this much; else it is rejected.
    fuse_ratio, fuse_window : float, int
        The process stops when this share of `fuse_window` successive records of a domain
        is rejected.
    max_recoveries : int
        Recoveries in a row without a commit before the process gives up.
    liveness_timeout_s : float
        No progress for so long while there is lag: ``/live`` says 503.
    publish_scored : bool
        Also publish every judged event to ``scored.<domain>``.
    idle_after_s : float
        A partition without records for so long: the clock of its judge goes on by itself.
    queue_batches : int
        Batches between reader and agent; the bound is the back-pressure.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    group: str = "eddy"
    instance_id: str = ""
    reader: Literal["auto", "native", "portable"] = "auto"
    batch_size: int = 16_000
    read_timeout_ms: int = 20
    commit_interval_ms: int = 100
    commit_max_events: int = 200_000
    transaction_timeout_ms: int = 15_000
    session_timeout_ms: int = 10_000
    checkpoint_interval_s: float = 30.0
    initial_offset: Literal["earliest", "latest"] = "earliest"
    max_skew_s: float = 300.0
    fuse_ratio: float = 0.95
    fuse_window: int = 2_000
    max_recoveries: int = 8
    liveness_timeout_s: float = 60.0
    publish_scored: bool = False
    idle_after_s: float = 60.0
    queue_batches: int = 6

    def __post_init__(self) -> None:
        for name, least in LEAST.items():
            if not getattr(self, name) >= least:  # so that NaN fails, too
                raise ConfigError(f"engine.{name}: {getattr(self, name)} is less than {least}")
        if not self.fuse_ratio <= 1.0:
            raise ConfigError(f"engine.fuse_ratio: {self.fuse_ratio} is more than 1")


@dataclass(frozen=True, slots=True)
class Route:
    """What one domain reads and writes, and over which range of offsets.

    Attributes
    ----------
    topics : DomainTopics
        Names in use; a replay's live in a side namespace.
    source : str, optional
        The topic name that goes into anomaly ids where it is not the input topic's own: a
        replay of a file is named after the file, so that its ids do not depend on the replay.
    start, stop : dict of int to int
        Offsets by partition: where to begin if nothing is committed, and before which to stop.
    """

    topics: DomainTopics
    source: str | None = None
    start: dict[int, int] = field(default_factory=dict)
    stop: dict[int, int] = field(default_factory=dict)
