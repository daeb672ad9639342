"""The contract of every detector: a score of 1.0 is the boundary, larger is more anomalous."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from eddy.models.arrays import Floats


class Detector(Protocol):
    """Scores batches of feature rows, in order, and learns from them after scoring.

    Constructors take hyper-parameters only; time and randomness come in as arguments. The result
    is a deterministic function of (hyper-parameters, model, rows so far): how the rows were cut
    into batches changes nothing. `eddy.models.checks` holds the checks every detector must pass.
    """

    name: str

    def score(self, features: Floats, times: NDArray[np.int64]) -> Floats:
        """Score rows and learn from them.

        Parameters
        ----------
        features : ndarray of float64, shape (n, d)
            Finite.
        times : ndarray of int64, shape (n,)
            Event time in microseconds since 1970, UTC.

        Returns
        -------
        ndarray of float64, shape (n,)
            1.0 is the boundary. NaN while warming: the detector has seen too little to say.
        """
        ...

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """Return the learned state as named arrays, copied."""
        ...

    def restore(self, state: dict[str, NDArray[Any]]) -> None:
        """Take over a state that `snapshot` returned."""
        ...
