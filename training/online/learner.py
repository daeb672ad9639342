"""The learner of card transactions: decisions and labels go in, versions for the registry come out.

It knows no topic and no clock: what it comes to is a function of the settings and of the decisions
and labels so far, in the order given.
"""

from collections.abc import Iterable
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from eddy.models.detectors.fraud.linear import Linear
from eddy.models.detectors.fraud.parameters import FraudParameters, Smoke
from eddy.models.labels import Labels
from eddy.models.packing import pack, unpack
from eddy.schemas.decisions import Decisions
from eddy.schemas.labels import Label
from eddy.training.online.decision_buffer import DecisionBuffer
from eddy.training.online.drift import Drift, DriftDetectors, DriftSettings
from eddy.training.online.label_queue import LabelQueue, assume_genuine, in_order
from eddy.training.online.online import OnlineClassifier, OnlineSettings, Weights
from eddy.training.online.rolling_metrics import RecentPredictions
from eddy.training.transactions.calibration import boundary
from eddy.training.transactions.fraud_metrics import ScoredRows
from eddy.training.transactions.settings import Threshold
from eddy.training.transactions.table import DAY_US, FRAUD, UNKNOWN

FORMAT = 1
DETECTOR: Literal["online_classifier"] = "online_classifier"
_SMOKE_ROWS = 16
_HIGHEST = 1.0 - 1e-9


class LearnerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What a learner is made of.

    Attributes
    ----------
    classifier : OnlineSettings
    drift : DriftSettings
    threshold : Threshold
        Where the boundary is put, by the learner's probabilities of the kept decisions.
    genuine_after_days : float, optional
        Rows without a label for so long are learned as genuine, because few report what is in
        order; a label that comes later corrects it. None: only labelled rows are learned.
    silent_every : int
        One of so many of these rows is learned; probabilities make up for the others.
    keep_days : float
        How long decisions wait for labels: the delay of labels, and some patience.
    most_rows : int
        Decisions kept at most.
    most_waiting : int
        Labels that may wait for their decision.
    window : int
        Newest labelled rows over which quality is measured.
    least_frauds : int
        With fewer learned there is no version.
    """

    classifier: OnlineSettings = OnlineSettings()
    drift: DriftSettings = DriftSettings()
    threshold: Threshold = Threshold()
    genuine_after_days: Annotated[float, Meta(gt=0)] | None = 7.0
    silent_every: Annotated[int, Meta(ge=1)] = 1
    keep_days: Annotated[float, Meta(gt=0)] = 14.0
    most_rows: Annotated[int, Meta(ge=1)] = 500_000
    most_waiting: Annotated[int, Meta(ge=1)] = 200_000
    window: Annotated[int, Meta(ge=1)] = 50_000
    least_frauds: Annotated[int, Meta(ge=1)] = 20


class _State(msgspec.Struct, frozen=True, kw_only=True):
    format: int
    features: list[str] | None
    learned_until_us: int
    silent: int
    classifier: bytes | None
    drift: bytes
    waiting: bytes
    columns: bytes


class OnlineLearner:
    """Learns from labels as they come, with the features of when the decision was made.

    Parameters
    ----------
    settings : LearnerSettings

    Attributes
    ----------
    label_queue : LabelQueue
    kept : DecisionBuffer, optional
        None before the first decision, whose features are those learned from.
    recent : RecentPredictions
    ignored : int
        Labels that are not about an event, or give no verdict on it.
    silent : int
        Rows learned as genuine because they had no label.
    learned_until_us : int
        Event time of the youngest row that was learned; microseconds since 1970, UTC.
    """

    def __init__(self, settings: LearnerSettings | None = None) -> None:
        self.settings = settings or LearnerSettings()
        keep_us = round(self.settings.keep_days * DAY_US)
        self.label_queue = LabelQueue(keep_us, self.settings.most_waiting)
        self.kept: DecisionBuffer | None = None
        self.recent = RecentPredictions(self.settings.window)
        self.ignored = 0
        self.learned_until_us = 0
        self.silent = 0
        self._classifier: OnlineClassifier | None = None
        self._drift = DriftDetectors(self.settings.drift)
        self._noted: tuple[NDArray[np.uint64], NDArray[np.int8]] | None = None

    @property
    def rows(self) -> int:
        """How many labelled rows were learned."""
        return self._classifier.rows if self._classifier else 0

    @property
    def frauds(self) -> int:
        """How many of them were frauds."""
        return self._classifier.frauds if self._classifier else 0

    def decided(self, decisions: Decisions, partition: int, record: int) -> list[Drift]:
        """Take in a decision record of a partition and offset; return the drifts it gives away."""
        self.remember(decisions, partition, record)
        return self._drift.look(decisions)

    def remember(self, decisions: Decisions, partition: int, record: int) -> None:
        """Take in a decision record that was taken in before the last `snapshot`."""
        if self.kept is None:
            self._begin(decisions.names)
        assert self.kept is not None
        self.kept.add(decisions, partition, record)

    def labelled(self, labels: Iterable[Label]) -> None:
        """Take in labels, in the order in which they came."""
        columns = Labels.of(labels)
        self.ignored += columns.left_out
        self.label_queue.add(columns)

    def learn(self, *, all_labels_read: bool = True) -> int:
        """Learn what labels and decisions have come together; return how many rows.

        Parameters
        ----------
        all_labels_read : bool
            Whether silence is one: with labels still to be read it is not.
        """
        if self.kept is None or self._classifier is None:
            return 0
        self._note()
        parts = [self.label_queue.take(self.kept)]
        if all_labels_read and self.settings.genuine_after_days is not None:
            after_us = round(self.settings.genuine_after_days * DAY_US)
            parts.append(assume_genuine(self.kept, after_us, self.settings.silent_every))
            self.silent += len(parts[-1])
        rows, is_fraud = in_order(parts)
        predicted = self._classifier.learn(self.kept.values[rows], is_fraud)
        self.recent.add(predicted, is_fraud)
        if len(rows):
            youngest = int(self.kept.occurred_at[rows].max())
            self.learned_until_us = max(self.learned_until_us, youngest)
        return len(rows)

    @property
    def is_ready(self) -> bool:
        """Whether enough was learned for a version."""
        enough = self.frauds >= self.settings.least_frauds and self.rows > self.frauds
        return enough and bool(self.kept)

    def parameters(self) -> FraudParameters:
        """Return what was learned, as a version for the registry.

        Missing values count as the mean, as they do here; reasons compare with it, too.

        Raises
        ------
        ValueError
            It is not ready.
        """
        if not self.is_ready or self._classifier is None or self.kept is None:
            raise ValueError(f"{self.frauds} frauds of {self.rows} rows: too few for a version")
        weights = self._weights(self._classifier)
        parameters = FraudParameters(
            detector=DETECTOR,
            features=list(self._classifier.features),
            typical=weights.center.tolist(),
            boundary=self._boundary(weights.probabilities(self.kept.values)),
            linear=Linear(
                center=weights.center.tolist(),
                scale=weights.scale.tolist(),
                coefficients=weights.coefficients.tolist(),
                intercept=weights.intercept,
            ),
        )
        known = self.kept.values[~np.isnan(self.kept.values).any(axis=1)][-_SMOKE_ROWS:]
        outputs = parameters.opened({}).raw(known)
        return msgspec.structs.replace(parameters, smoke=Smoke(known.tolist(), outputs.tolist()))

    def snapshot(self) -> bytes:
        """Return all but the decisions themselves, which their topic holds."""
        self._note()
        columns: dict[str, NDArray[Any]] = {
            "predicted": self.recent.predicted,
            "was_fraud": self.recent.is_fraud,
            "events": np.empty(0, np.uint64),
            "verdicts": np.empty(0, np.int8),
        }
        if self.kept is not None:
            labelled = self.kept.labels != UNKNOWN
            columns["events"] = self.kept.events[labelled]
            columns["verdicts"] = self.kept.labels[labelled]
        return msgspec.msgpack.encode(
            _State(
                format=FORMAT,
                features=list(self.kept.features) if self.kept is not None else None,
                learned_until_us=self.learned_until_us,
                silent=self.silent,
                classifier=self._classifier.snapshot() if self._classifier else None,
                drift=self._drift.snapshot(),
                waiting=self.label_queue.snapshot(),
                columns=pack("learner", columns),
            )
        )

    def restore(self, state: bytes) -> None:
        """Go on where `snapshot` was taken, once `remember` was given the decisions kept then.

        Raises
        ------
        ValueError
            It is something else.
        """
        try:
            saved = msgspec.msgpack.decode(state, type=_State)
        except msgspec.MsgspecError as error:
            raise ValueError(f"not a learner's snapshot: {error}") from error
        if saved.format != FORMAT:
            raise ValueError(f"a learner's snapshot of format {saved.format}")
        if saved.features is not None and saved.classifier is not None:
            self._begin(saved.features)
            assert self._classifier is not None
            self._classifier.restore(saved.classifier)
        self.learned_until_us, self.silent = saved.learned_until_us, saved.silent
        self._drift.restore(saved.drift)
        self.label_queue.restore(saved.waiting)
        columns = unpack("learner", saved.columns)
        self.recent = RecentPredictions(self.settings.window)
        self.recent.add(columns["predicted"], columns["was_fraud"])
        self._noted = columns["events"], columns["verdicts"]

    def _weights(self, classifier: OnlineClassifier) -> Weights:
        """Return what was learned, with the share of frauds of the world.

        Source: King and Zeng 2001, "Logistic regression in rare events data", prior correction.
        """
        weights = classifier.weights()
        genuine = classifier.rows - classifier.frauds
        stood_for = genuine + self.silent * (self.settings.silent_every - 1)
        shift = float(np.log(genuine / stood_for))
        return msgspec.structs.replace(weights, intercept=weights.intercept + shift)

    def _begin(self, features: list[str]) -> None:
        keep_us = round(self.settings.keep_days * DAY_US)
        self.kept = DecisionBuffer(features, keep_us, self.settings.most_rows)
        self._classifier = OnlineClassifier(features, self.settings.classifier)

    def _note(self) -> None:
        """Write what was learned before a restart to the rows that were remembered since."""
        if self._noted is None or self.kept is None:
            return
        events, labels = self._noted
        rows = self.kept.find(events)
        self.kept.labels[rows[rows >= 0]] = labels[rows >= 0]
        self._noted = None

    def _boundary(self, probabilities: NDArray[np.float64]) -> float:
        """Return what flags as much as the threshold allows, of the decisions that are kept."""
        kept = self.kept
        assert kept is not None
        place = kept.features.index("amount") if "amount" in kept.features else None
        rows = ScoredRows(
            days=(kept.occurred_at - kept.occurred_at.min()) // DAY_US,
            cards=kept.cards,
            is_fraud=kept.labels == FRAUD,
            amounts=np.zeros(len(kept)) if place is None else np.nan_to_num(kept.values[:, place]),
            weights=np.ones(len(kept)),
            scores=probabilities,
            probabilities=probabilities,
        )
        return min(boundary(rows, self.settings.threshold), _HIGHEST)
