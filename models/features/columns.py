"""Columns by name: what a model wants of what there is."""

import numpy as np

from eddy.models.arrays import Floats


def columns_of(wanted: list[str], names: list[str], values: Floats) -> Floats:
    """Return the columns a model wants; NaN for those that no event of the batch has.

    Parameters
    ----------
    wanted, names : list of str
        `names` are those of the columns of `values`, shape (n, len(names)).
    """
    if wanted == names:
        return values
    at = {name: column for column, name in enumerate(names)}
    padded = np.column_stack([values, np.full(len(values), np.nan)])
    return np.ascontiguousarray(padded[:, [at.get(name, len(names)) for name in wanted]])
