"""Looks at a running demo: what was sent, what the detector says, what came out."""

import time
from collections.abc import Iterable
from contextlib import suppress

from eddy.app.demo.payment_watch import PaymentWatch
from eddy.app.demo.payments_view import PaymentSummary
from eddy.app.demo.transaction_watch import TransactionWatch
from eddy.app.demo.transactions_view import TransactionSummary
from eddy.app.demo.view import DemoFrame, DemoSummary
from eddy.app.demo.watch import DemoWatch
from eddy.app.inspect.scrape import Scrape, scrape_by
from eddy.app.settings import Settings
from eddy.schemas.errors import Unavailable

RIDES, PAYMENTS, TRANSACTIONS = "rides", "tpv", "transactions"
_RATE_OVER_S = 3.0


class SnapshotReader:
    """Puts together what one look shows.

    Parameters
    ----------
    rides : DemoWatch
    payments : PaymentWatch
    transactions : TransactionWatch
    settings : Settings
        Of the detector.
    config : str
        Where they are written down.
    began : float
        When the command began, on the monotonic clock.
    """

    def __init__(
        self,
        rides: DemoWatch,
        payments: PaymentWatch,
        transactions: TransactionWatch,
        settings: Settings,
        config: str,
        began: float,
    ) -> None:
        self._rides, self._payments, self._transactions = rides, payments, transactions
        self._broker = settings.kafka.bootstrap_servers
        self._url = f"http://{settings.health.host}:{settings.health.port}/metrics"
        self._config, self._began = config, began
        self._seen = {name: Scrape() for name in (RIDES, PAYMENTS, TRANSACTIONS)}
        self._rates: list[tuple[float, int]] = []

    def look(self) -> None:
        """Ask the detector; it may be too busy to answer, then what it said before stands.

        Raises whatever ended one of the demo's threads.
        """
        for watch in (self._rides, self._payments, self._transactions):
            watch.check()
        with suppress(Unavailable):
            self._seen = figures_by_domain(self._url, self._seen)
            self._rates.append((time.monotonic(), self._seen[RIDES].judged))

    @property
    def is_settled(self) -> bool:
        """Whether everything sent is accounted for, and read back."""
        seen = self._seen
        sent = {
            RIDES: self._rides.feeder.sent,
            PAYMENTS: self._payments.feeder.sent,
            TRANSACTIONS: self._transactions.feeder.sent,
        }
        return (
            all(seen[name].judged + seen[name].rejections >= sent[name] for name in sent)
            and self._rides.judged >= seen[RIDES].judged
            and self._payments.read >= seen[PAYMENTS].anomalies
            and self._transactions.judged >= seen[TRANSACTIONS].judged
            and self._transactions.flagged >= seen[TRANSACTIONS].anomalies
        )

    @property
    def has_judged(self) -> bool:
        """Whether the detector has judged any ride."""
        return self._seen[RIDES].judged > 0

    def frame(self, elapsed_s: float, left_s: float | None) -> DemoFrame:
        """Return what the last look found."""
        rides = self._rides
        return DemoFrame(
            broker=self._broker,
            config=self._config,
            elapsed_s=elapsed_s,
            left_s=left_s,
            sent=rides.feeder.sent,
            malformed=rides.malformed,
            events_per_s=self._rate(),
            warming=rides.tally.warming,
            scrape=self._seen[RIDES],
            score=rides.tally.score(),
            latest=rides.latest.items(),
            payments=self._payments.figures(self._seen[PAYMENTS]),
            transactions=self._transactions.figures(self._seen[TRANSACTIONS]),
        )

    def summary(self, interrupted: bool) -> DemoSummary:
        """Return what the demo ends with."""
        rides, seen = self._rides, self._seen[RIDES]
        return DemoSummary(
            sent=rides.feeder.sent,
            judged=seen.judged,
            rejected=dict(seen.rejected),
            unaccounted=rides.feeder.sent - seen.judged - seen.rejections,
            warming=rides.tally.warming,
            anomalies=seen.anomalies,
            score=rides.tally.score(),
            missed=rides.tally.missed(),
            first_anomaly_s=self._since_began(rides.first_anomaly),
            payments=self._payment_summary(),
            transactions=self._transaction_summary(),
            interrupted=interrupted,
        )

    def _payment_summary(self) -> PaymentSummary:
        payments, seen = self._payments, self._seen[PAYMENTS]
        now_us, episodes = payments.event_time_us, payments.episodes
        return PaymentSummary(
            merchants=payments.merchants,
            event_time_us=now_us,
            sent=payments.feeder.sent,
            judged=seen.judged,
            rejected=dict(seen.rejected),
            unaccounted=payments.feeder.sent - seen.judged - seen.rejections,
            opened=episodes.opened,
            retracted=episodes.retracted,
            open=episodes.open,
            score=episodes.score(now_us),
            missed=episodes.missed(now_us),
            first_episode_s=self._since_began(payments.first_episode),
        )

    def _transaction_summary(self) -> TransactionSummary:
        watch, seen = self._transactions, self._seen[TRANSACTIONS]
        return TransactionSummary(
            cards=watch.cards,
            event_time_us=watch.event_time_us,
            sent=watch.feeder.sent,
            judged=seen.judged,
            rejected=dict(seen.rejected),
            unaccounted=watch.feeder.sent - seen.judged - seen.rejections,
            labels=watch.labels.sent,
            anomalies=seen.anomalies,
            score=watch.tally.score(),
            missed=watch.tally.missed(),
            first_anomaly_s=self._since_began(watch.first_anomaly),
        )

    def _since_began(self, moment: float | None) -> float | None:
        return None if moment is None else moment - self._began

    def _rate(self) -> float:
        """Return rides judged a second, over the last few seconds."""
        now = time.monotonic()
        self._rates = [look for look in self._rates if now - look[0] <= _RATE_OVER_S]
        if len(self._rates) < 2:
            return 0.0
        (begin, first), (end, last) = self._rates[0], self._rates[-1]
        return (last - first) / (end - begin)


def figures_by_domain(
    url: str, domains: Iterable[str], timeout_s: float = 1.0
) -> dict[str, Scrape]:
    """Read ``/metrics`` once and return the figures by domain.

    Raises
    ------
    Unavailable
        Where nobody answers, or not in Prometheus' words.
    """

    def by_domain(text: str) -> dict[str, str]:
        return {domain: _lines_of(text, domain) for domain in domains}

    return scrape_by(url, by_domain, timeout_s)


def _lines_of(text: str, domain: str) -> str:
    """Return the lines that speak of a domain, or of its topic."""
    marks = (f'domain="{domain}"', f'topic="events.{domain}"')
    return "".join(
        line for line in text.splitlines(keepends=True) if any(mark in line for mark in marks)
    )
