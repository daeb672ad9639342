"""Episodes of merchants as they were published, compared with the injected incidents."""

from collections.abc import Iterable
from datetime import datetime

import msgspec

from eddy.app.demo.payments import PaymentIncident
from eddy.schemas.anomalies import Anomaly

_HOUR_US = 3_600_000_000
_TOLD_WITHIN_US = 3 * _HOUR_US  # an interval must end, and its payments come, before it is told of


class EpisodeView(msgspec.Struct, frozen=True):
    """One episode: from when until when, and the newest record of it from when it was open."""

    start_us: int
    end_us: int
    is_open: bool
    newest: Anomaly


class IncidentScore(msgspec.Struct, frozen=True, kw_only=True):
    """How well the detector did by incident, as of now.

    An incident is found where an episode of its merchant overlaps it in event time. It is missed
    where it is visible, is over, and was not found. An episode that overlaps no incident of its
    merchant is false. Episodes of the history, while little is known, do not count.

    Attributes
    ----------
    visible : int
        Visible incidents that are over or found.
    found : int
        Those of them that were found.
    hidden : int
        Incidents that are over and too small for anybody to see; they count nowhere else.
    episodes, false : int
        Episodes published and not retracted, and those of them that are false.
    recall, precision : float, optional
        None where there is nothing to divide by.
    """

    visible: int = 0
    found: int = 0
    hidden: int = 0
    episodes: int = 0
    false: int = 0
    recall: float | None = None
    precision: float | None = None


class Episodes:
    """Folds the records of episodes: the newest record of an id replaces those before it.

    Parameters
    ----------
    truth : iterable of PaymentIncident
    since_us : int
        Event time from which episodes count in the score, in microseconds since 1970.
    """

    def __init__(self, truth: Iterable[PaymentIncident] = (), since_us: int = 0) -> None:
        self._since_us = since_us
        self._truth: dict[str, list[PaymentIncident]] = {}
        for trouble in truth:
            self._truth.setdefault(trouble.merchant, []).append(trouble)
        self._episodes: dict[str, EpisodeView] = {}
        self.opened = self.retracted = 0

    def take(self, anomaly: Anomaly) -> None:
        """Take in a published record of an episode."""
        key = anomaly.episode_id or anomaly.anomaly_id
        if anomaly.op == "retract":
            self._episodes.pop(key, None)
            self.retracted += 1
            return
        self.opened += anomaly.op == "open"
        start, end = _micros(anomaly.window_start), _micros(anomaly.window_end)
        known = self._episodes.get(key)
        if known is not None:
            # what ends it is told with the interval after it
            reached = start if anomaly.op == "close" else end
            start, end = known.start_us, max(known.end_us, reached)
        is_open = anomaly.op != "close"
        newest = anomaly if is_open or known is None else known.newest
        self._episodes[key] = EpisodeView(start, end, is_open, newest)

    @property
    def open(self) -> int:
        """How many are open."""
        return sum(episode.is_open for episode in list(self._episodes.values()))

    def latest(self, most: int) -> list[EpisodeView]:
        """Return some: the open ones first, then those that are over, the newest first of each."""
        every = list(self._episodes.values())
        return sorted(every, key=lambda episode: (not episode.is_open, -episode.start_us))[:most]

    def kind(self, episode: EpisodeView, now_us: int) -> str | None:
        """Return the kind of incident that an episode overlaps, None for none."""
        for trouble in self._truth.get(episode.newest.entity.id, ()):
            if _overlaps(episode, trouble, now_us):
                return trouble.kind
        return None

    def missed(self, now_us: int) -> dict[str, int]:
        """Return how many visible incidents of each kind are over and were not found."""
        counts: dict[str, int] = {}
        for trouble, is_found in self._looked_for(now_us):
            if trouble.is_visible and not is_found:
                counts[trouble.kind] = counts.get(trouble.kind, 0) + 1
        return counts

    def score(self, now_us: int) -> IncidentScore:
        """Return the score when event time has come so far, in microseconds since 1970."""
        every = list(self._episodes.values())
        episodes = [episode for episode in every if episode.start_us >= self._since_us]
        false = sum(self.kind(episode, now_us) is None for episode in episodes)
        looked_for = list(self._looked_for(now_us))
        visible = [is_found for trouble, is_found in looked_for if trouble.is_visible]
        return IncidentScore(
            visible=len(visible),
            found=sum(visible),
            hidden=len(looked_for) - len(visible),
            episodes=len(episodes),
            false=false,
            recall=sum(visible) / len(visible) if visible else None,
            precision=1 - false / len(episodes) if episodes else None,
        )

    def _looked_for(self, now_us: int) -> Iterable[tuple[PaymentIncident, bool]]:
        """Yield the incidents that are found, or should have been by now."""
        by_merchant: dict[str, list[EpisodeView]] = {}
        for episode in list(self._episodes.values()):
            by_merchant.setdefault(episode.newest.entity.id, []).append(episode)
        for merchant, troubles in self._truth.items():
            for trouble in troubles:
                mine = by_merchant.get(merchant, ())
                is_found = any(_overlaps(episode, trouble, now_us) for episode in mine)
                if is_found or trouble.end_us + _TOLD_WITHIN_US <= now_us:
                    yield trouble, is_found


def _overlaps(episode: EpisodeView, trouble: PaymentIncident, now_us: int) -> bool:
    end_us = max(now_us, episode.end_us) if episode.is_open else episode.end_us
    return episode.start_us < trouble.end_us and trouble.start_us < end_us


def _micros(moment: datetime | None) -> int:
    return 0 if moment is None else round(moment.timestamp() * 1e6)
