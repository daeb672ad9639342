"""The scaling: found from rows alone, not stretched by a few absurd ones."""

import numpy as np
import pytest

from eddy.schemas.errors import ConfigError
from eddy.training.rides.scaling import fit_transform_parameters

RNG = np.random.default_rng(0)
MIX = np.array([[2.0, 1.5], [0.0, 0.7]])
ROWS = RNG.normal(size=(4_000, 2)) @ MIX + [3.0, -1.0]


def scaled(rows: np.ndarray, method: str) -> np.ndarray:
    center, transform = fit_transform_parameters(rows, method)
    return (rows - np.array(center)) @ np.array(transform).T


@pytest.mark.parametrize("method", ["robust", "whiten"])
def test_both_features_end_up_alike(method: str) -> None:
    points = scaled(ROWS, method)
    np.testing.assert_allclose(np.median(points, axis=0), 0, atol=0.1)
    np.testing.assert_allclose(points.std(axis=0), 1, rtol=0.15)


def test_whitening_takes_out_how_features_go_together() -> None:
    assert abs(np.corrcoef(scaled(ROWS, "robust").T)[0, 1]) > 0.8
    assert abs(np.corrcoef(scaled(ROWS, "whiten").T)[0, 1]) < 0.05


def test_whitening_turns_as_little_as_can_be() -> None:
    _, transform = fit_transform_parameters(ROWS)
    matrix = np.array(transform)
    np.testing.assert_allclose(matrix, matrix.T, rtol=1e-9)
    assert (np.linalg.eigvalsh(matrix) > 0).all()


@pytest.mark.parametrize("method", ["robust", "whiten"])
def test_absurd_rows_do_not_stretch_it(method: str) -> None:
    absurd = ROWS.copy()
    absurd[::50] = [1e6, -1e6]
    center, transform = fit_transform_parameters(absurd, method)
    clean_center, clean_transform = fit_transform_parameters(ROWS, method)
    np.testing.assert_allclose(center, clean_center, atol=0.1)
    np.testing.assert_allclose(transform, clean_transform, rtol=0.15, atol=0.05)


@pytest.mark.parametrize("method", ["robust", "whiten"])
def test_the_same_rows_give_the_same_numbers(method: str) -> None:
    assert fit_transform_parameters(ROWS, method) == fit_transform_parameters(ROWS.copy(), method)


def test_whitening_is_the_default() -> None:
    assert fit_transform_parameters(ROWS) == fit_transform_parameters(ROWS, "whiten")


def test_many_rows_are_sampled_evenly() -> None:
    many = np.tile(ROWS, (15, 1))
    np.testing.assert_allclose(scaled(many, "whiten").std(axis=0), 1, rtol=0.15)


@pytest.mark.parametrize("method", ["robust", "whiten"])
@pytest.mark.filterwarnings("ignore")  # scikit-learn's, on the way to our own error
def test_rows_that_do_not_vary_are_refused(method: str) -> None:
    flat = ROWS.copy()
    flat[:, 1] = 2.0
    with pytest.raises(ConfigError, match="train: "):
        fit_transform_parameters(flat, method)


def test_an_unknown_method_is_refused() -> None:
    with pytest.raises(ConfigError, match="robust or whiten, not 'minmax'"):
        fit_transform_parameters(ROWS, "minmax")
