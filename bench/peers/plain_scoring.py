"""A plain confluent-kafka loop that scores card transactions with scikit-learn, with transactions.

Records are decoded by msgspec, only the fields that are needed; batches of 1,000 get the engine's
own history features and go through the same classifier's ``predict_proba``. Exactly once as the
plain loop for rides is. It reads no labels, so that terminals carry no risk; it keeps no decisions,
gives no reasons, and a crash loses the histories.
"""

import os
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from bench.fraud_model import opened
from bench.peers.job import EXACTLY_ONCE, PeerJob
from bench.peers.peer import Peer, python_process
from bench.peers.plain_loop import Loop
from bench.peers.work import anomaly
from eddy.models.features.transaction_history import (
    HistorySettings,
    TransactionHistory,
    TransactionRows,
)
from eddy.sandbox.processes import BackgroundProcess

_MODEL = "BENCH_MODEL"
_WORD = 2**64 - 1


def peer(model: Path) -> Peer:
    """Return the peer with the model that `bench.fraud_model.save` put into a folder."""
    return Peer(
        name="plain loop, scikit-learn",
        guarantee=EXACTLY_ONCE,
        target=1.0,
        warm_up=50_000,
        events=1_000_000,
        seconds=20.0,
        process=partial(_process, model),
    )


def _process(model: Path, job: PeerJob) -> BackgroundProcess:
    plain = python_process("plain_scoring", job)
    return replace(plain, env={**(plain.env or {}), _MODEL: str(model)})


class _Transaction(msgspec.Struct, gc=False):
    event_id: str
    occurred_at: datetime
    card_token: str
    terminal_id: str
    amount: float


_decode = msgspec.json.Decoder(_Transaction).decode


class ScoringLoop(Loop):
    """The loop: consume, describe, score, produce, commit."""

    def __init__(self, job: PeerJob) -> None:
        super().__init__(job)
        self._parameters, self._estimator = opened(Path(os.environ[_MODEL]))
        self._history = TransactionHistory(HistorySettings())

    def _handle(self, messages: list[Any]) -> None:
        if not messages:
            return
        payments = [_decode(message.value()) for message in messages]
        features = self._history.features(_rows(payments))
        for row in np.flatnonzero(self._probabilities(features) > self._parameters.boundary):
            payment = payments[row]
            payload = anomaly(payment.event_id, payment.occurred_at.isoformat())
            self._producer.produce(self._job.anomalies, payload, key=payment.card_token)
        for message in messages:
            self._done[message.partition()] = message.offset() + 1
        self._producer.poll(0)

    def _probabilities(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        raw: NDArray[np.float64] = self._estimator.predict_proba(features)[:, 1]
        platt = self._parameters.calibration
        return raw if platt is None else expit(platt.slope * logit(raw) + platt.intercept)


def _rows(payments: Sequence[_Transaction]) -> TransactionRows:
    """Return them as columns; Python's own hashes will do for one process."""
    n = len(payments)
    keys = (
        np.fromiter((hash(getattr(payment, name)) & _WORD for payment in payments), np.uint64, n)
        for name in ("card_token", "terminal_id", "event_id")
    )
    cards, terminals, events = keys
    return TransactionRows(
        np.fromiter(
            (round(payment.occurred_at.timestamp() * 1e6) for payment in payments), np.int64, n
        ),
        cards,
        terminals,
        np.fromiter((payment.amount for payment in payments), np.float64, n),
        events,
    )


if __name__ == "__main__":
    ScoringLoop(PeerJob.from_environment()).run()
