"""Batches of records scored without Kafka: the stream's own decoder and judge, in one process."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from eddy.app import wiring
from eddy.app.domains import domain_row
from eddy.app.settings import Settings
from eddy.models.judge import Events, Identity
from eddy.schemas.anomalies import Anomaly
from eddy.schemas.decoding import Decoder, buffers
from eddy.schemas.errors import ConfigError, RejectedRecord

if TYPE_CHECKING:
    from eddy.datasets.simulation.record import SimulatedRecord

DEFAULT_MAX_SKEW_S = 300.0


@dataclass(frozen=True, slots=True)
class ScoredBatch:
    """The result of a batch of n records.

    Attributes
    ----------
    scores : ndarray of float64, shape (n,)
        1.0 is the boundary; NaN for a rejected record and while the judge is warming.
    anomalies : list of Anomaly
        As the stream publishes them.
    rejections : list of (int, RejectedRecord)
        Row and reason, by ascending row.
    """

    scores: NDArray[np.float64]
    anomalies: list[Anomaly]
    rejections: list[tuple[int, RejectedRecord]]


class BatchScorer:
    """Judges the records of one domain, batch after batch, as one partition of a topic.

    How records are cut into batches changes no score. Nothing is published; the state ends with
    the object.

    Parameters
    ----------
    domain : str
        Such as ``rides``.
    settings : Settings, optional
        Whose policy and champion to judge with; without them the domain's defaults, and no
        registry is read.

    Raises
    ------
    ConfigError
        There is no such domain, or one of its settings is wrong.
    ModelRefused
        The champion cannot be used.
    """

    def __init__(self, domain: str, settings: Settings | None = None) -> None:
        row = domain_row(domain).domain
        if settings is None:
            policy, model = row.policy_type(), row.default_model()
            self._decoder = Decoder(row.event_type, DEFAULT_MAX_SKEW_S)
            config_hash = ""
        else:
            policy, model = wiring.policy(settings, row), wiring.champion(settings, row)
            self._decoder = Decoder(row.event_type, settings.engine.max_skew_s)
            config_hash = wiring.config_hash(settings, row)
        self._judge = row.build_judge(policy, model, Identity("batch", 0, config_hash))
        self._next_offset = 0

    def score(self, records: Sequence[bytes]) -> ScoredBatch:
        """Score the records, JSON objects as they stand on the topic; then learn from them."""
        memory, addresses, lengths = buffers(records)
        decoded = self._decoder.decode(addresses, lengths, np.full(len(records), -1))
        del memory
        columns, rows = decoded.columns, np.flatnonzero(decoded.columns.valid)
        events = Events(
            rows + self._next_offset,
            columns.occurred_at[rows],
            columns.values[rows],
            columns.keys[rows],
            lambda i: self._decoder.decode_one(records[rows[i]]),
            columns.vectors[rows],
        )
        self._next_offset += len(records)
        verdicts = self._judge.judge(events)
        scores = np.full(len(records), np.nan)
        scores[rows] = verdicts.scores
        anomalies = verdicts.anomalies(range(len(verdicts.flagged)), datetime.now(UTC))
        return ScoredBatch(scores, anomalies, decoded.rejected)


def simulate(domain: str, seed: int, **options: Any) -> "Iterator[SimulatedRecord]":
    """Yield simulated records of a domain with their truth; the same seed gives the same records.

    Parameters
    ----------
    domain : str
    seed : int
    **options
        Fields of the domain's simulation, such as ``start`` (a time with an offset), ``rides`` or
        ``anomaly_rate``.

    Raises
    ------
    ConfigError
        The domain has no simulation, or an option is wrong.
    """
    build = domain_row(domain).simulation
    if build is None:
        raise ConfigError(f"domain {domain}: there is no simulation of its events")
    simulation = build()
    known = msgspec.structs.fields(simulation.options_type)
    if unknown := set(options) - {field.name for field in known}:
        raise ConfigError(f"{min(unknown)}: no option of the simulation of {domain}")
    try:
        typed = msgspec.json.decode(msgspec.json.encode(options), type=simulation.options_type)
    except (msgspec.ValidationError, ValueError) as error:
        raise ConfigError(f"simulation of {domain}: {error}") from error
    return simulation.simulate(seed, typed)
