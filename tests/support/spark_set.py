"""A test set for the Spark job: simulated transactions as they come, with labels that come late.

Late rows, doubles, broken records and corrected labels are among them.
"""

from dataclasses import dataclass

import numpy as np

from eddy.datasets.simulation.transactions.stream import TransactionSimulation, labels, simulate
from eddy.models.features.transaction_history import TransactionRows, features_of
from eddy.models.labels import Labels
from eddy.schemas.decoding import Decoder, buffers
from eddy.schemas.labels import Label
from eddy.schemas.transactions import Transaction
from eddy.training.transactions.labels import labels_of_events


@dataclass(frozen=True)
class SparkSet:
    """What came, and what the stream makes of it."""

    payloads: list[bytes]
    labels: list[Label]
    rows: TransactionRows
    vectors: np.ndarray
    features: np.ndarray
    is_fraud: np.ndarray
    labelled_at: np.ndarray


def spark_set(*, days: int, customers: int) -> SparkSet:
    """Make one; 39 days is how far back features reach."""
    options = TransactionSimulation(
        days=days,
        customers=customers,
        compromised_terminal_rate=0.002,
        compromised_card_rate=0.002,
        vector=3,
        malformed_rate=0.005,
        duplicate_rate=0.01,
        late_rate=0.02,
        mistaken_labels=0.2,
    )
    # a line of a file holds no line break
    payloads = [record.payload.replace(b"\n", b" ") for record in simulate(7, options)]
    given = [label for _, label in labels(7, options)]
    kept, addresses, lengths = buffers(payloads)
    decoder = Decoder(Transaction, 0.0)
    columns = decoder.decode(addresses, lengths, np.full(len(payloads), -1)).columns
    del kept
    valid = columns.valid
    keys = dict(zip(decoder.program.keys, columns.keys[valid].T, strict=True))
    rows = TransactionRows(
        occurred_at=columns.occurred_at[valid],
        cards=keys["card_token"],
        terminals=keys["terminal_id"],
        amounts=columns.values[valid, decoder.program.numbers.index("amount")],
        events=keys["event_id"],
    )
    said = Labels.of(given)
    is_fraud, labelled_at = labels_of_events(said.last(), rows.events)
    features = features_of(rows, said)
    vectors = columns.vectors[valid]
    return SparkSet(payloads, given, rows, vectors, features, is_fraud, labelled_at)
