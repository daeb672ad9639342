"""Training the detector of rides: a scaling and a radius, from history, without labels.

How dense rides lie depends on how many the detector keeps in its window. So the radius is
measured on runs of consecutive rides as long as that window, and is the median of what the runs
say. Where there are fewer rows than that, the same density means proportionally fewer neighbours.
Nothing here is random: the same rows and settings give the same parameters, byte for byte.
"""

import msgspec
import numpy as np

from eddy.models.arrays import Floats
from eddy.models.artefact import digest
from eddy.models.domains.rides.features import features
from eddy.models.domains.rides.parameters import DbscanParameters
from eddy.models.domains.rides.policy import RidesPolicy
from eddy.schemas.errors import ConfigError
from eddy.training.rides.density import fallback, knee, kth_distances, noise_share, slices
from eddy.training.rides.scaling import fit_transform_parameters

_FEWEST_NEIGHBOURS = 10  # with 5 the radius came out a third too small on real rides
_DENSE_SHARE = 0.02
_DIAL = 16.0  # the dial's whole range changes the radius by this factor


class RidesTraining(msgspec.Struct, frozen=True, kw_only=True):
    """How to train.

    Attributes
    ----------
    window : int
        Rides the detector keeps: `RidesPolicy.window_rides` where it will run.
    min_samples : int, optional
        Rides, the ride itself included, that make a neighbourhood dense; 2 % of the window where
        not set. With less, ways to go wrong that are common enough pass for ordinary: on real
        rides 2 % found the badly recorded ones best at every size of window tried.
    sensitivity : float
        Between 0 and 1; 0.5 puts the radius at the knee, more makes it smaller and finds more.
    scaling : str
        A method of `eddy.training.rides.scaling`.
    windows : int
        Runs to measure.
    """

    window: int = RidesPolicy().window_rides
    min_samples: int | None = None
    sensitivity: float = 0.5
    scaling: str = "whiten"
    windows: int = 24

    def __post_init__(self) -> None:
        if not 0 < self.sensitivity < 1:
            raise ConfigError("sensitivity: between 0 and 1, neither included; 0.5 is the knee")
        if self.neighbours < 2:
            raise ConfigError("min_samples: at least 2")
        if self.window <= self.neighbours:
            raise ConfigError(f"window: more than min_samples, which is {self.neighbours}")
        if self.windows < 1:
            raise ConfigError("windows: at least 1")

    @property
    def neighbours(self) -> int:
        """`min_samples`, or what stands for it."""
        if self.min_samples is None:
            return max(_FEWEST_NEIGHBOURS, round(self.window * _DENSE_SHARE))
        return self.min_samples

    @property
    def fewest_rows(self) -> int:
        """How many rides are enough to train on."""
        share = min(1.0, _FEWEST_NEIGHBOURS / self.neighbours)
        return int(np.ceil(self.window * share))


def train(values: Floats, settings: RidesTraining) -> tuple[DbscanParameters, dict[str, float]]:
    """Find the scaling and the radius.

    Parameters
    ----------
    values : ndarray of float64, shape (n, 2)
        distance_km, duration_s of rides in the order they came.
    settings : RidesTraining

    Returns
    -------
    parameters : DbscanParameters
    metrics : dict of str to float
        `expected_alert_rate` is the share of rides that are noise in the windows measured, with
        `alert_rate_least` and `alert_rate_most`; `eps_least`, `eps_most` bound the radius over
        the windows, and half of them say the same within `eps_spread` of it; `knee_share` is the
        share of windows whose curve had a knee.

    Raises
    ------
    ConfigError
        The rows or the settings cannot give a detector; the message says what to change.
    """
    _check(values, settings)
    rows = features(np.ascontiguousarray(values, dtype=np.float64))
    center, transform = fit_transform_parameters(rows, settings.scaling)
    points = (rows - np.asarray(center)) @ np.asarray(transform).T
    k = _neighbours(len(points), settings)
    runs = [points[run] for run in slices(len(points), settings.window, settings.windows)]
    distances = [kth_distances(run, k) for run in runs]
    dial = _DIAL ** (0.5 - settings.sensitivity)
    knees = [knee(run) for run in distances]
    radii = dial * np.array(
        [radius or fallback(run) for radius, run in zip(knees, distances, strict=True)]
    )
    eps = float(np.median(radii))
    if not eps > 0:
        raise ConfigError(
            f"train rides: nearly all rides have {settings.neighbours} others just like them; "
            "give rides with measured distances and durations, or raise min_samples"
        )
    rates = [noise_share(run, at, eps) for run, at in zip(runs, distances, strict=True)]
    parameters = DbscanParameters(center, transform, eps, settings.neighbours)
    return parameters, {
        "rows": float(len(points)),
        "windows": float(len(runs)),
        "window_rows": float(len(runs[0])),
        "eps": eps,
        "eps_least": float(radii.min()),
        "eps_most": float(radii.max()),
        "eps_spread": float(np.subtract(*np.quantile(radii, (0.75, 0.25))) / eps),
        "knee_share": sum(radius is not None for radius in knees) / len(knees),
        "expected_alert_rate": float(np.mean(rates)),
        "alert_rate_least": min(rates),
        "alert_rate_most": max(rates),
    }


def data_sha256(values: Floats) -> str:
    """Identify training rows by their content."""
    return digest(np.ascontiguousarray(values, dtype="<f8").tobytes())


def _neighbours(rows: int, settings: RidesTraining) -> int:
    """Return the k that means in `rows` rides what min_samples means in a full window."""
    share = min(1.0, rows / settings.window)
    return max(2, round(settings.neighbours * share))


def _check(values: Floats, settings: RidesTraining) -> None:
    if values.ndim != 2 or values.shape[1] != 2:
        raise ConfigError(
            f"train rides: expected rows of (distance_km, duration_s), {values.shape}"
        )
    broken = int(np.sum(~np.isfinite(values).all(axis=1)))
    if broken:
        raise ConfigError(
            f"train rides: {broken} of {len(values)} rows have no finite distance or duration; "
            "leave out what the decoder rejects"
        )
    if len(values) < settings.fewest_rows:
        raise ConfigError(
            f"train rides: {len(values)} rows are too few for a window of {settings.window} and "
            f"min_samples {settings.neighbours}: give at least {settings.fewest_rows} rows, "
            "or make the window smaller, here and where the detector runs"
        )
    if (values == values[0]).all():
        raise ConfigError("train rides: all rows are the same; give real rides")
