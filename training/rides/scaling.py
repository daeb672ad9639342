"""Scaling: a linear map after which distances in all directions mean the same.

Fitted without labels, and robustly: a few absurd rows must not stretch the map.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.covariance import MinCovDet

from eddy.schemas.errors import ConfigError

Method = Literal["robust", "whiten"]
Center = tuple[float, float]
Transform = tuple[tuple[float, float], tuple[float, float]]

# The share of rows that the robust covariance trusts, and how many rows it needs to see.
_SUPPORT = 0.9
_ENOUGH = 20_000
_MAD = 1.4826  # makes the median absolute deviation of a normal distribution its sigma


def fit_transform_parameters(
    features: NDArray[np.float64], method: str = "whiten"
) -> tuple[Center, Transform]:
    """Fit ``point = transform @ (features - center)``.

    Parameters
    ----------
    features : ndarray of float64, shape (n, 2)
        Finite.
    method : {"robust", "whiten"}
        ``robust`` scales each feature by its median and median absolute deviation. ``whiten``
        also takes out how the features go together: the inverse square root of the minimum
        covariance determinant (Rousseeuw and Van Driessen 1999), so that a distance is a
        Mahalanobis distance.

    Returns
    -------
    center : (float, float)
    transform : 2 x 2 floats, by rows

    Raises
    ------
    ConfigError
        The method is unknown, or the rows do not vary.
    """
    if method not in ("robust", "whiten"):
        raise ConfigError(f"scaling: robust or whiten, not {method!r}")
    center, matrix = _robust(features) if method == "robust" else _whiten(features)
    if not np.isfinite(matrix).all():
        raise ConfigError("train: a feature is the same in nearly all rows; give varied history")
    rows = [(float(a), float(b)) for a, b in matrix]
    return (float(center[0]), float(center[1])), (rows[0], rows[1])


def _robust(features: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    center = np.median(features, axis=0)
    spread = _MAD * np.median(np.abs(features - center), axis=0)
    with np.errstate(divide="ignore"):
        return center, np.diag(1.0 / spread)


def _whiten(features: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    step = max(1, len(features) // _ENOUGH)
    try:
        fitted = MinCovDet(random_state=0, support_fraction=_SUPPORT).fit(features[::step])
        values, vectors = np.linalg.eigh(fitted.covariance_)
    except ValueError as error:
        raise ConfigError(f"train: the rows do not vary enough to be scaled ({error})") from error
    with np.errstate(divide="ignore", invalid="ignore"):
        # The symmetric root: among all whitening maps the one that turns the features least.
        root = (vectors / np.sqrt(values)) @ vectors.T
    # eigh leaves the vectors' signs open; the symmetric root does not depend on them.
    return fitted.location_, root
