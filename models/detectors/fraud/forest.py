"""Forests, boosting and isolation forests of scikit-learn as flat arrays, output for output."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from eddy.models.arrays import Floats
from eddy.models.detectors.fraud import forest_kernel
from eddy.models.detectors.fraud.estimator_types import (
    BOOSTING,
    EXTRA_TREES,
    FOREST,
    ISOLATION_FOREST,
)
from eddy.models.detectors.fraud.forest_kernel import Rows
from eddy.models.detectors.fraud.forest_layout import (
    DOUBLE,
    MOST_FEATURES,
    MOST_NODES,
    SINGLE,
    Nodes,
    Trees,
    empty_trees,
    lay_out,
    questions,
)
from eddy.models.detectors.fraud.records import EstimatorRecord
from eddy.schemas.errors import EddyError, ModelRefused

Link = Callable[[Floats], Floats]


class Forest:
    """A `Ranking` made of trees: the margin is the sum of their leaves.

    Raw outputs are, bit by bit, ``predict_proba(X)[:, 1]`` of RandomForestClassifier,
    ExtraTreesClassifier and HistGradientBoostingClassifier, and ``-score_samples(X)`` of
    IsolationForest.

    Parameters
    ----------
    trees : Trees
    first : float
        What the margin begins with.
    link : callable
        Makes raw outputs of margins.
    width : int
        How many features a row has.
    is_exact : bool
        Whether `link` gives the same bits on every machine.
    """

    def __init__(
        self,
        trees: Trees,
        first: float,
        link: Link,
        *,
        width: int,
        is_exact: bool,
    ) -> None:
        self.trees, self.width, self.is_exact = trees, width, is_exact
        self._first, self._link = first, link
        self._precision = trees.nodes.dtype["threshold"]
        self.base_margin = first + float(trees.values[trees.roots].sum())

    @classmethod
    def of(cls, record: EstimatorRecord) -> "Forest":
        """Return the forest in what was read from a file.

        Raises
        ------
        ModelRefused
            It is none that can be scored with, or its trees lead out of their arrays.
        """
        try:
            make = _MAKERS[record.type]
        except KeyError as error:
            raise ModelRefused(f"a {record.type} cannot score") from error
        try:
            return make(record.fields)
        except EddyError:
            raise
        except Exception as error:  # fields of anybody's making
            raise ModelRefused(f"not a fitted {record.type}: {error!r}") from error

    def margins(self, X: Floats) -> Floats:
        """Return the sums of the leaves' values, shape (n,)."""
        margins = np.empty(len(X))
        forest_kernel.sums(self.trees, self._first, self._rows(X), margins)
        return margins

    def raw(self, margins: Floats) -> Floats:
        """Return scikit-learn's output."""
        return self._link(margins)

    def parts(self, X: Floats) -> Floats:
        """Return what the splits on each feature change, summed over the trees, shape (n, d)."""
        result = np.zeros((len(X), self.width))
        forest_kernel.parts(self.trees, self._rows(X), result)
        return result

    def _rows(self, X: Floats) -> Rows:
        """Return rows as they are and negated; in single precision where thresholds are."""
        rows = np.empty((len(X), 2 * self.width), self._precision)
        with np.errstate(over="ignore"):  # infinite goes the same way as too large
            rows[:, : self.width] = X
        np.negative(rows[:, : self.width], out=rows[:, self.width :])
        return rows


def _of_classifier(fields: dict[str, Any]) -> Forest:
    _check_two_classes(fields["classes_"])
    records, width = fields["estimators_"], int(fields["n_features_in_"])
    nodes = [_nodes(record, width, classes=2) for record in records]
    n = len(nodes)

    def mean(margins: Floats) -> Floats:
        result: Floats = margins / n
        return result

    trees = _laid_out(nodes, width, SINGLE)
    return Forest(trees, 0.0, mean, width=width, is_exact=True)


def _of_boosting(fields: dict[str, Any]) -> Forest:
    _check_two_classes(fields["classes_"])
    if fields.get("_preprocessor") is not None or fields.get("is_categorical_") is not None:
        raise ModelRefused("boosting with categories: give it numbers only")
    width = int(fields["_n_features"])
    nodes = [_boosted(record.fields["nodes"]) for (record,) in fields["_predictors"]]
    first = float(np.asarray(fields["_baseline_prediction"]).reshape(()))
    trees = _laid_out(nodes, width, DOUBLE)
    return Forest(trees, first, expit, width=width, is_exact=False)


def _of_isolation_forest(fields: dict[str, Any]) -> Forest:
    width = int(fields["n_features_in_"])
    nodes = [
        _isolating(record, np.asarray(features), depths, lengths)
        for record, features, depths, lengths in zip(
            fields["estimators_"],
            fields["estimators_features_"],
            fields["_decision_path_lengths"],
            fields["_average_path_length_per_tree"],
            strict=True,
        )
    ]
    longest = len(nodes) * _average_path_length(int(fields["_max_samples"]))

    def outlyingness(margins: Floats) -> Floats:
        ways = np.divide(margins, longest, out=np.ones_like(margins), where=longest != 0)
        result: Floats = 2 ** (-ways)
        return result

    trees = _laid_out(nodes, width, SINGLE)
    return Forest(trees, 0.0, outlyingness, width=width, is_exact=False)


_MAKERS: dict[str, Callable[[dict[str, Any]], Forest]] = {
    FOREST: _of_classifier,
    EXTRA_TREES: _of_classifier,
    BOOSTING: _of_boosting,
    ISOLATION_FOREST: _of_isolation_forest,
}


def _check_two_classes(classes: NDArray[Any]) -> None:
    if classes.tolist() != [False, True]:
        raise ModelRefused(f"classes {classes.tolist()}: genuine (0) and fraud (1) are wanted")


def _nodes(record: EstimatorRecord, width: int, classes: int) -> Nodes:
    """Return a tree of scikit-learn's `Tree`, which says its last class's share."""
    tree = record.fields["tree_"].fields
    nodes, values = tree["nodes"], tree["values"]
    if values.shape != (len(nodes), 1, classes) or tree["node_count"] != len(nodes):
        raise ModelRefused("a tree's arrays do not belong together")
    inputs, counts, outputs = tree["args"]
    if (inputs, np.asarray(counts).tolist(), outputs) != (width, [classes], 1):
        raise ModelRefused("a tree of other features or classes than the forest's")
    return Nodes(
        left=nodes["left_child"].astype(np.int64),
        right=nodes["right_child"].astype(np.int64),
        feature=nodes["feature"].astype(np.int64),
        threshold=nodes["threshold"].astype(np.float64),
        values=values[:, 0, -1].astype(np.float64),
        weights=nodes["weighted_n_node_samples"].astype(np.float64),
        depth=int(tree["max_depth"]),
    )


def _boosted(nodes: NDArray[Any]) -> Nodes:
    if nodes["is_categorical"].any():
        raise ModelRefused("boosting with categories: give it numbers only")
    is_leaf = nodes["is_leaf"].astype(bool)
    return Nodes(
        left=np.where(is_leaf, -1, nodes["left"].astype(np.int64)),
        right=np.where(is_leaf, -1, nodes["right"].astype(np.int64)),
        feature=nodes["feature_idx"].astype(np.int64),
        threshold=nodes["num_threshold"].astype(np.float64),
        values=nodes["value"].astype(np.float64),
        weights=nodes["count"].astype(np.float64),
        depth=-1,
    )


def _isolating(
    record: EstimatorRecord, features: NDArray[Any], depths: NDArray[Any], lengths: NDArray[Any]
) -> Nodes:
    """Return a tree whose leaves say how long the way to isolation is."""
    nodes = _nodes(record, len(features), classes=1)
    if not len(depths) == len(lengths) == len(nodes.left):
        raise ModelRefused("a tree's path lengths do not belong to it")
    is_leaf = nodes.left < 0
    # a tree may have been given some of the features only
    columns = np.where(is_leaf, 0, nodes.feature)
    if ((columns < 0) | (columns >= len(features))).any():
        raise ModelRefused("a tree leads out of its arrays")
    return nodes._replace(feature=features[columns].astype(np.int64), values=depths + lengths - 1.0)


def _average_path_length(samples: int) -> float:
    """Return c(n) of Liu et al. 2008, "Isolation forest", as scikit-learn rounds it."""
    if samples <= 2:
        return float(max(0, samples - 1))
    n = np.array([samples])
    length = 2.0 * (np.log(n - 1.0) + np.euler_gamma) - 2.0 * (n - 1.0) / n
    return float(length[0])


def _laid_out(forest: Sequence[Nodes], width: int, precision: np.dtype[np.void]) -> Trees:
    """Return the trees in one array; ModelRefused where a node leads out of it."""
    sizes = np.array([len(tree.left) for tree in forest], np.int64)
    if not len(sizes) or sizes.min() < 1 or sizes.max() > MOST_NODES:
        raise ModelRefused("a forest without trees, or a tree with more nodes than it may have")
    if not 1 <= width <= MOST_FEATURES:
        raise ModelRefused(f"a forest of {width} features: 1 to {MOST_FEATURES} may be")
    trees, largest = empty_trees(sizes, precision), int(sizes.max())
    stack, weights = np.empty((3, largest), np.int64), np.empty(largest)
    for tree, size, start in zip(forest, sizes.tolist(), trees.roots.tolist(), strict=True):
        asked = questions(tree.threshold, precision)
        laid, _ = lay_out(tree, asked, width, start, trees, stack, weights)
        if laid != size:
            raise ModelRefused("a tree leads out of its arrays, or in circles")
    if not np.isfinite(trees.values).all():
        raise ModelRefused("a tree says something that is no number")
    return trees
