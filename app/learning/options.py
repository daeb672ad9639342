"""How ``eddy learn`` learns."""

from dataclasses import dataclass, field

from eddy.training.online.learner import LearnerSettings


@dataclass(frozen=True, slots=True)
class LearningOptions:
    """How the process learns.

    Attributes
    ----------
    learner : LearnerSettings
    challenger : bool
        Whether versions become the challenger, where none of another kind is.
    register_rows : int
        A version is registered after so many labels,
    register_s : float
        ... or so many seconds, if there was any label.
    requests_retraining : bool
        Whether drift asks for a retraining on the control topic.
    cooldown_s : float
        At most one such request in so many seconds.
    once : bool
        End when both topics were read to their end.
    """

    learner: LearnerSettings = field(default_factory=LearnerSettings)
    challenger: bool = True
    register_rows: int = 5_000
    register_s: float = 3_600.0
    requests_retraining: bool = False
    cooldown_s: float = 86_400.0
    once: bool = False
