"""The judge of one partition's rides, against the rides of the last while."""

from eddy.models.detectors.dbscan.windowed import WindowedDbscan
from eddy.models.domains.rides.features import NAMES, features
from eddy.models.domains.rides.parameters import DbscanParameters
from eddy.models.domains.rides.policy import RidesPolicy
from eddy.models.domains.rides.verdicts import RidesVerdicts
from eddy.models.judge import Events, Identity, Model
from eddy.models.packing import pack, unpack
from eddy.schemas.columns import Program
from eddy.schemas.rides import Ride

_NUMBERS = Program.of(Ride).numbers
_COLUMNS = [_NUMBERS.index(name) for name in NAMES]


class RidesJudge:
    """Judges one partition's rides; see `eddy.models.judge.Judge`."""

    def __init__(self, policy: RidesPolicy, model: Model, identity: Identity) -> None:
        self.policy, self.identity = policy, identity
        self._use(model)
        seconds = policy.window_seconds
        self._detector = WindowedDbscan(
            center=self._parameters.center,
            transform=self._parameters.transform,
            eps=self._parameters.eps,
            min_samples=self._parameters.min_samples,
            window_rows=policy.window_rides,
            window_us=None if seconds is None else int(seconds * 1e6),
            min_window=policy.min_window,
        )

    def judge(self, events: Events) -> RidesVerdicts:
        """Score the events, then learn from them."""
        values = events.values[:, _COLUMNS]
        scored = self._detector.judge(features(values), events.occurred_at)
        return RidesVerdicts(
            scores=scored.scores,
            flagged=scored.noise,
            scored=scored,
            events=events,
            values=values,
            policy=self.policy,
            identity=self.identity,
            model=self._model,
        )

    def set_model(self, model: Model) -> None:
        """Go on with another model; the window keeps its rides."""
        self._use(model)
        new = self._parameters
        self._detector.adopt(new.center, new.transform, new.eps, new.min_samples)

    def snapshot(self) -> bytes:
        """Return the window; the model is not in it."""
        return pack("rides", self._detector.snapshot())

    def restore(self, state: bytes) -> None:
        """Take over a snapshot; ValueError where it is not one of this judge's kind."""
        self._detector.restore(unpack("rides", state))

    @property
    def history(self) -> int:
        """Rides on which the next verdict can depend, unless they are spread by time."""
        return self.policy.window_rides

    @property
    def complete(self) -> bool:
        """Whether rides older than those seen cannot matter.

        Where it is never said, a rebuild reads all that the log still holds.
        """
        return self._detector.full

    @property
    def entities(self) -> int:
        """Rides in the window."""
        return self._detector.rows

    def _use(self, model: Model) -> None:
        self._model = model
        self._parameters: DbscanParameters = model.parameters
