"""Card transactions: histories of cards and terminals, a trained classifier, one partition."""

import numpy as np

from bench import fraud_model, load
from bench.engine import transactions_engine
from bench.measure import measure_engine, measure_peer
from bench.peers.job import EXACTLY_ONCE
from bench.peers.plain_scoring import peer
from bench.results import ENGINE, Result
from bench.samples import TooShortError
from bench.site import PARTITIONS, Site
from bench.transactions import DAY_US, Payments, label_records, payments, records
from eddy.models.features.transaction_history import (
    HistorySettings,
    TransactionHistory,
    TransactionRows,
)
from eddy.schemas.errors import MissingResource
from eddy.schemas.topics import LABELS, DomainTopics
from eddy.training.transactions.train import Trained

CARDS, DAYS, A_DAY = 100_000, 40, 1.92
"""Cards, days and transactions of a card and day as in the Handbook; then memory is flat."""
_PART = 200_000


def run(site: Site, events: int, *, labelled: bool) -> None:
    """Measure throughput beside a plain loop, and the memory of a card.

    Parameters
    ----------
    site : Site
    events : int
        In the topic.
    labelled : bool
        Whether the frauds' labels are sent: not to a cluster that is somebody's, because all
        share the topic.
    """
    try:
        source = payments()
        with site.console.status("training a classifier ..."):
            model = fraud_model.trained(source)
        topics = _filled(site, source, events, labelled=labelled)
        _engine(site, topics, model)
        _peer(site, topics, model)
    except (MissingResource, TooShortError) as error:
        site.fail("transactions", error)
    _memory(site)


def _filled(site: Site, source: Payments, count: int, *, labelled: bool) -> DomainTopics:
    topics = site.cluster.make("transactions", PARTITIONS, "transactions")
    if labelled:
        load.send(site.cluster.bootstrap, LABELS, label_records(source, count), lambda _: None)
    with site.bar(f"filling {topics.events}", count) as show:
        load.send(site.cluster.bootstrap, topics.events, records(source, count), show)
    return topics


def _engine(site: Site, topics: DomainTopics, model: Trained) -> None:
    measured = measure_engine(
        site, transactions_engine(site, topics, "transactions", model), topics
    )
    site.add(
        Result(
            case="transactions",
            engine=ENGINE,
            guarantee=EXACTLY_ONCE,
            setting=f"partitions=1, flagged={measured.anomalous:.2%}",
            **measured.row(),
        )
    )


def _peer(site: Site, topics: DomainTopics, model: Trained) -> None:
    folder = site.folder / "fraud-model"
    fraud_model.save(folder, model)
    plain = peer(folder)
    try:
        row = measure_peer(site, plain, topics, 0).row()
    except (MissingResource, TooShortError) as error:
        site.skip(plain.name, error)
        return
    site.add(
        Result(
            case="transactions",
            engine=plain.name,
            guarantee=plain.guarantee,
            setting="partitions=1",
            **row,
        )
    )


def _memory(site: Site) -> None:
    """Keep the history of many cards, and measure the memory of one."""
    history = TransactionHistory(HistorySettings())
    rows = _many_cards()
    for first in range(0, len(rows.cards), _PART):
        part = slice(first, first + _PART)
        history.features(TransactionRows._make(column[part] for column in rows))
    site.add(
        Result(
            case="transactions",
            engine=ENGINE,
            guarantee=EXACTLY_ONCE,
            setting=f"cards={CARDS}, {A_DAY:g} events a day",
            bytes_per_entity=history.card_bytes / history.cards,
        )
    )


def _many_cards() -> TransactionRows:
    """Return rows of cards that pay seldom and of cards that pay often, by time."""
    rng = np.random.default_rng(0)
    n = round(CARDS * DAYS * A_DAY)
    often = np.cumsum(rng.uniform(0.0, 2 * A_DAY, CARDS))
    cards = np.searchsorted(often, rng.uniform(0.0, often[-1], n)).astype(np.uint64)
    return TransactionRows(
        occurred_at=np.sort(rng.integers(0, DAYS * DAY_US, n)),
        cards=cards * np.uint64(0x9E3779B97F4A7C15) + np.uint64(1),
        terminals=rng.integers(1, 2 * CARDS, n, np.uint64),
        amounts=np.round(rng.lognormal(3.5, 0.8, n), 2),
        events=np.arange(1, n + 1, dtype=np.uint64),
    )
