"""What every scorer of transactions does; `eddy.models.checks` says it."""

from collections.abc import Callable

import numpy as np
import pytest
from msgspec.structs import replace

from eddy.models.checks.scorers import (
    SCORER_CHECKS,
    check_batches_do_not_matter,
    check_contributions_sum,
    check_ranking_is_kept,
    check_reasons_are_reasons,
)
from eddy.models.detectors.fraud.linear import LinearRanking
from eddy.models.detectors.fraud.scorer import Scorer
from eddy.models.domains.transactions.default import default_model
from tests.support.fraud_estimators import KINDS, packaged, rows


def scorer(kind: str, is_calibrated: bool) -> Scorer:
    parameters, files = packaged(kind, is_calibrated)
    return parameters.opened(files)


@pytest.mark.parametrize("check", SCORER_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("is_calibrated", [False, True], ids=["plain", "calibrated"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_scorer(kind: str, is_calibrated: bool, check: Callable[..., None]) -> None:
    check(scorer(kind, is_calibrated), rows(300, seed=1)[0])


@pytest.mark.parametrize("check", SCORER_CHECKS, ids=lambda check: check.__name__)
def test_the_default_model(check: Callable[..., None]) -> None:
    X = rows(300, seed=2)[0].copy()
    X[:, 10::2] /= 200  # risks are shares
    check(default_model().parameters, X)


class Falling(Scorer):
    """A scorer whose scores fall where raw outputs rise."""

    def score(self, X: np.ndarray) -> np.ndarray:
        return 9 - super().score(X)


class Silent(Scorer):
    """A scorer without reasons."""

    def contributions(self, X: np.ndarray) -> np.ndarray:
        return np.zeros_like(X)


class Nosy(Scorer):
    """A scorer that looks at the other rows of a batch."""

    def score(self, X: np.ndarray) -> np.ndarray:
        return super().score(X) * (1 + len(X) / 1e9)


@pytest.mark.parametrize(
    ("broken", "check", "said"),
    [
        (Falling, check_ranking_is_kept, "falls"),
        (Silent, check_contributions_sum, "beside the score"),
        (Silent, check_reasons_are_reasons, None),
        (Nosy, check_batches_do_not_matter, "cuts"),
    ],
)
def test_the_checks_find_what_is_wrong(
    broken: type[Scorer], check: Callable[..., None], said: str | None
) -> None:
    parameters, _ = packaged("linear")
    assert parameters.linear is not None
    # the first feature matters least: naming it as the reason explains nothing
    linear = replace(parameters.linear, coefficients=[-1e-9, *parameters.linear.coefficients[1:]])
    wrong = broken(parameters, LinearRanking(linear, parameters.typical))
    with pytest.raises(AssertionError, match=said):
        check(wrong, rows(300, seed=1)[0])
