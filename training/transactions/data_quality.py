"""Whether new rows are fit to learn from: form, volume, labels, and how far they have drifted."""

from collections.abc import Mapping, Sequence
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from eddy.models.arrays import Floats
from eddy.training.transactions.table import DAY_US, TrainingTable

PROFILE_FILE = "profile.json"
"""Stands beside a model: the distribution of the rows it was trained on."""

_BINS = 10
_LEAST_SHARE = 1e-4  # of a bin that is empty, so that its logarithm is finite
_ENOUGH = 200
"""With fewer rows a share is chance."""


class QualityBounds(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Within what new rows are learned from.

    Attributes
    ----------
    most_rejected : float
        Share of a file's records that may be no events.
    volume_factor : float
        Rows a day may be so many times more, or fewer, than those of earlier runs.
    least_labelled : float
        Share of the rows older than the delay that must have a label.
    least_frauds, most_frauds : float
        Bounds of the share of frauds among labelled rows.
    most_drift : float
        Bound of a feature's population stability index. 0.1 is called a small change and 0.25 a
        large one; what is refused here is a change of unit, or of meaning. Drift that is real is
        why one trains.
    """

    most_rejected: Annotated[float, Meta(ge=0, le=1)] = 0.01
    volume_factor: Annotated[float, Meta(ge=1)] = 5.0
    least_labelled: Annotated[float, Meta(ge=0, le=1)] = 0.5
    least_frauds: Annotated[float, Meta(ge=0, le=1)] = 1e-4
    most_frauds: Annotated[float, Meta(ge=0, le=1)] = 0.2
    most_drift: Annotated[float, Meta(gt=0)] = 1.0


class QualityCheck(msgspec.Struct, frozen=True, kw_only=True):
    """What was looked at, and what came of it.

    Attributes
    ----------
    what : str
        ``schema``, ``volume``, ``labelled``, ``frauds`` or ``drift of <feature>``.
    ok : bool
    detail : str
        Figure and bound; or why there was nothing to compare with.
    """

    what: str
    ok: bool
    detail: str


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """How the features of rows are distributed: bin edges, and the share of rows in each bin.

    Attributes
    ----------
    edges : dict of str to list of float
        Inner edges by feature: at most nine, ascending.
    shares : dict of str to list of float
        One more than edges.
    """

    edges: dict[str, list[float]]
    shares: dict[str, list[float]]


def profile(table: TrainingTable) -> Profile:
    """Return the distribution of a table's features over bins that hold a tenth of it each."""
    edges, shares = {}, {}
    for place, name in enumerate(table.names):
        values = table.features[:, place]
        values = values[~np.isnan(values)]
        if not len(values):
            continue
        inner = np.unique(np.quantile(values, np.linspace(0, 1, _BINS + 1)[1:-1]))
        edges[name] = inner.tolist()
        shares[name] = _shares(values, inner).tolist()
    return Profile(edges=edges, shares=shares)


def profile_file(table: TrainingTable) -> bytes:
    """Return the content of `PROFILE_FILE` for a model that was trained on a table."""
    return msgspec.json.encode(profile(table))


class Profiled(msgspec.Struct, frozen=True):
    """A version of any detector, loaded for its profile only.

    A parameters type for `Registry.load`, whose model then is a Profile; None where the version
    has none.
    """

    def opened(self, files: Mapping[str, bytes]) -> Profile | None:
        """Return the profile among a version's files."""
        content = files.get(PROFILE_FILE)
        return None if content is None else msgspec.json.decode(content, type=Profile)


def stability_index(reference: Sequence[float], shares: Sequence[float]) -> float:
    """Return the population stability index: sum of (q - p) ln(q / p) over bins.

    The sum of both Kullback-Leibler divergences (Siddiqi 2006, "Credit Risk Scorecards").
    """
    p = np.maximum(reference, _LEAST_SHARE)
    q = np.maximum(shares, _LEAST_SHARE)
    return float(np.sum((q - p) * np.log(q / p)))


def rows_per_day(table: TrainingTable) -> float:
    """Return how many rows a day there are on the days there are any."""
    return len(table) / max(1, len(np.unique(table.occurred_at // DAY_US)))


def check_schema(name: str, rows: int, rejected: int, bounds: QualityBounds) -> QualityCheck:
    """Tell whether nearly all records of a file are events."""
    share = rejected / max(1, rows + rejected)
    detail = f"{name}: {rejected:,} of {rows + rejected:,} records are no events"
    ok = rows > 0 and share <= bounds.most_rejected
    return QualityCheck(
        what="schema", ok=ok, detail=f"{detail}; at most {bounds.most_rejected:.2%}"
    )


def check_volume(
    new: TrainingTable, earlier: Sequence[float], bounds: QualityBounds
) -> QualityCheck:
    """Tell whether about as many rows a day came as in earlier runs."""
    daily = rows_per_day(new)
    if not earlier:
        return QualityCheck(
            what="volume", ok=True, detail=f"{daily:,.0f} rows a day; no earlier run"
        )
    usual = float(np.median(earlier))
    low, high = usual / bounds.volume_factor, usual * bounds.volume_factor
    detail = f"{daily:,.0f} rows a day; {low:,.0f} to {high:,.0f} would be usual"
    return QualityCheck(what="volume", ok=low <= daily <= high, detail=detail)


def check_labels(
    table: TrainingTable, new: TrainingTable, delay_days: float, bounds: QualityBounds
) -> list[QualityCheck]:
    """Tell whether there are labels, and whether frauds are neither absent nor everywhere."""
    until = int(table.occurred_at[-1]) - round(delay_days * DAY_US)
    old = table.rows(table.between(0, until))
    known = float(old.labelled.mean()) if len(old) else 0.0
    checks = [
        QualityCheck(
            what="labelled",
            ok=known >= bounds.least_labelled,
            detail=f"{known:.1%} of {len(old):,} rows older than {delay_days:g} days have a "
            f"label; at least {bounds.least_labelled:.1%}",
        )
    ]
    # new rows may be too young to have labels
    where = new if np.count_nonzero(new.labelled) >= _ENOUGH else table
    labelled = int(where.labelled.sum())
    share = float(where.frauds.sum()) / max(1, labelled)
    ok = bounds.least_frauds <= share <= bounds.most_frauds
    detail = f"{share:.3%} of {labelled:,} labelled rows are frauds; "
    detail += f"{bounds.least_frauds:.3%} to {bounds.most_frauds:.1%}"
    return [*checks, QualityCheck(what="frauds", ok=ok, detail=detail)]


def check_drift(
    new: TrainingTable, reference: Profile | None, bounds: QualityBounds
) -> list[QualityCheck]:
    """Tell which features are distributed otherwise than those that the champion learned from."""
    if reference is None:
        detail = "nothing is known of the rows that the champion learned from"
        return [QualityCheck(what="drift", ok=True, detail=detail)]
    if len(new) < _ENOUGH:
        return [QualityCheck(what="drift", ok=True, detail=f"{len(new):,} rows: too few to tell")]
    checks = []
    for name, edges in reference.edges.items():
        if name not in new.names:
            checks.append(
                QualityCheck(what=f"drift of {name}", ok=False, detail="the feature is gone")
            )
            continue
        values = new.features[:, new.names.index(name)]
        values = values[~np.isnan(values)]
        shares = _shares(values, np.array(edges))
        index = stability_index(reference.shares[name], shares.tolist())
        detail = f"stability index {index:.3f}; at most {bounds.most_drift:g}"
        ok = len(values) > 0 and index <= bounds.most_drift
        checks.append(QualityCheck(what=f"drift of {name}", ok=ok, detail=detail))
    return checks


def _shares(values: Floats, inner: Floats) -> Floats:
    # a value that is an edge belongs below it, so that a feature that is mostly 0 has a bin for it
    place: NDArray[np.int64] = np.searchsorted(inner, values, "left")
    counts = np.bincount(place, minlength=len(inner) + 1)
    shares: Floats = counts / max(1, len(values))
    return shares
