"""How far apart neighbours are: the radius of a density-based detector, without labels.

After Ester, Kriegel, Sander, Xu (1996), section 4.2: sort the distances to the k-th neighbour; the
radius stands where the curve turns upwards, between the points of clusters and the others. The
turn is found by Kneedle (Satopaa, Albrecht, Irwin, Raghavan 2011).
"""

import warnings
from typing import Any

import numpy as np
from sklearn.neighbors import NearestNeighbors

from eddy.models.arrays import Floats
from eddy.schemas.errors import ConfigError
from eddy.schemas.installation import pip_install

# The farthest points are left out of the curve: a ride of 360,000 km would stretch its end so far
# that everything before looks flat, and the turn would lie among the anomalies. On real rides
# this share made the radius stable from window to window (20,000 rides: within 10 %, not a
# factor of 2).
LEFT_OUT = 0.02


def kth_distances(points: Floats, k: int) -> Floats:
    """Return each point's distance to its k-th neighbour; it is its own first one.

    Parameters
    ----------
    points : ndarray of float64, shape (n, d)
    k : int
        At most n.

    Returns
    -------
    ndarray of float64, shape (n,)
    """
    search = NearestNeighbors(n_neighbors=k, algorithm="kd_tree").fit(points)
    return np.asarray(search.kneighbors(points)[0][:, -1])


def knee(distances: Floats) -> float | None:
    """Return the distance at which the sorted curve turns upwards, or None where it does not."""
    curve = np.sort(distances)[: max(1, round(len(distances) * (1 - LEFT_OUT)))]
    if curve[0] == curve[-1]:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns where it returns None
        locator = _kneedle()(np.arange(len(curve)), curve, curve="convex", direction="increasing")
    return None if locator.knee is None or locator.knee_y <= 0 else float(locator.knee_y)


def fallback(distances: Floats) -> float:
    """Return the radius where there is no knee: all but the share left out are close enough."""
    return float(np.quantile(distances, 1 - LEFT_OUT))


def noise_share(points: Floats, distances: Floats, eps: float) -> float:
    """Return the share of points DBSCAN calls noise at radius `eps`.

    Parameters
    ----------
    points : ndarray of float64, shape (n, d)
    distances : ndarray of float64, shape (n,)
        `kth_distances` of the points, with k = min_samples.
    eps : float
    """
    core = distances <= eps
    if core.all() or not core.any():
        return float(not core.any())
    nearest = NearestNeighbors(n_neighbors=1, algorithm="kd_tree").fit(points[core])
    to_core = nearest.kneighbors(points[~core])[0][:, 0]
    return float(np.sum(to_core > eps) / len(points))


def slices(rows: int, size: int, count: int) -> list[slice]:
    """Return up to `count` runs of `size` consecutive rows, spread evenly from first to last.

    Runs that share more than three quarters of their rows would say the same twice: fewer then.
    """
    if rows <= size:
        return [slice(0, rows)]
    count = min(count, 1 + -(-4 * (rows - size) // size))
    starts = np.linspace(0, rows - size, count).astype(int)
    return [slice(start, start + size) for start in starts.tolist()]


def _kneedle() -> Any:
    try:
        from kneed import KneeLocator  # noqa: PLC0415 # only training needs it
    except ImportError as error:
        raise ConfigError(f"training needs kneed: {pip_install('train')}") from error
    return KneeLocator
