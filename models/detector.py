"""The contract of every detector: a score of 1.0 is the boundary, larger is more anomalous."""

from typing import Any, Protocol

from numpy.typing import NDArray

from eddy.models.arrays import Floats, Ints


class Scores(Protocol):
    """What a detector gives for n rows; each has more to say of the rows it flags."""

    @property
    def scores(self) -> Floats:
        """Shape (n,): 1.0 is the boundary. NaN while warming: too little was seen to say."""
        ...


class Detector(Protocol):
    """What a judge holds: scores batches of feature rows in order, then learns from them.

    Constructors take hyper-parameters only; time and randomness come in as arguments. The result
    is a deterministic function of (hyper-parameters, model, rows so far): how the rows were cut
    into batches changes nothing. `eddy.models.checks` holds the checks every detector must pass.
    """

    name: str

    def judge(self, features: Floats, times: Ints) -> Scores:
        """Score rows and learn from them.

        Parameters
        ----------
        features : ndarray of float64, shape (n, d)
            Finite.
        times : ndarray of int64, shape (n,)
            Event time in microseconds since 1970, UTC.
        """
        ...

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """Return the learned state as named arrays, copied."""
        ...

    def restore(self, state: dict[str, NDArray[Any]]) -> None:
        """Take over a state that `snapshot` returned."""
        ...
