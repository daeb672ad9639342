"""What a file of an estimator may hold: everything else is refused before anything is made of it.

A skops file is a tree of nodes in JSON, each naming a loader and a type, beside arrays in numpy's
own format. Loaders that call or import something of the file's choosing (functions, methods,
partials, constructors) are not among these, nor is anything of pickle.
"""

from collections.abc import Mapping
from typing import Any

from eddy.schemas.errors import DamagedModel, ModelRefused

_BOOSTING = "sklearn.ensemble._hist_gradient_boosting"

FOREST = "sklearn.ensemble._forest.RandomForestClassifier"
EXTRA_TREES = "sklearn.ensemble._forest.ExtraTreesClassifier"
BOOSTING = f"{_BOOSTING}.gradient_boosting.HistGradientBoostingClassifier"
ISOLATION_FOREST = "sklearn.ensemble._iforest.IsolationForest"

TREE = "sklearn.tree._tree.Tree"
PREDICTOR = f"{_BOOSTING}.predictor.TreePredictor"

_PLAIN = frozenset(f"builtins.{name}" for name in ("str", "int", "float", "bool"))
_NUMBERS = frozenset(
    f"numpy.{name}"
    for name in ("bool", "int32", "int64", "uint8", "uint32", "uint64", "float32", "float64")
)

ALLOWED: Mapping[str, frozenset[str]] = {
    "JsonNode": _PLAIN,
    "TypeNode": _PLAIN,
    "DictNode": frozenset({"builtins.dict"}),
    "ListNode": frozenset({"builtins.list"}),
    "TupleNode": frozenset({"builtins.tuple"}),
    "NdArrayNode": frozenset({"numpy.ndarray"}) | _NUMBERS,
    "ObjectNode": frozenset(
        {
            FOREST,
            EXTRA_TREES,
            BOOSTING,
            ISOLATION_FOREST,
            PREDICTOR,
            "sklearn.tree._classes.DecisionTreeClassifier",
            "sklearn.tree._classes.ExtraTreeClassifier",
            "sklearn.tree._classes.ExtraTreeRegressor",
            f"{_BOOSTING}.binning._BinMapper",
            "sklearn.preprocessing._label.LabelEncoder",
            "sklearn._loss.loss.HalfBinomialLoss",
            "sklearn._loss.link.LogitLink",
            "sklearn._loss.link.Interval",
        }
    ),
    "TreeNode": frozenset({TREE}),
    "LossNode": frozenset({"sklearn._loss._loss.CyHalfBinomialLoss"}),
    "RandomGeneratorNode": frozenset({"numpy.random._generator.Generator"}),
}
"""Types by loader."""

NEEDING_TRUST = (TREE, PREDICTOR)
"""Types that skops loads only where told: it cannot tell whether their indices lie within bounds.
`eddy.models.detectors.fraud.forest` can."""


def check_node(node: Mapping[str, Any]) -> str:
    """Return the type of a node, ModelRefused where it may not be loaded.

    Raises
    ------
    DamagedModel
        It is not a node.
    """
    loader, module, name = (node.get(key) for key in ("__loader__", "__module__", "__class__"))
    if not (isinstance(loader, str) and isinstance(module, str) and isinstance(name, str)):
        raise DamagedModel("the estimator's file holds a node without a type")
    path = f"{module}.{name}"
    if path not in ALLOWED.get(loader, ()):
        raise ModelRefused(
            f"the estimator's file holds a {path} ({loader}), which is not among the types that "
            "may be loaded; forests, boosting and isolation forests of scikit-learn may, fitted on "
            "arrays and with whole numbers as seeds"
        )
    if loader == "NdArrayNode" and node.get("type") != "numpy":
        raise ModelRefused(
            "the estimator's file holds an array of Python objects; fit on arrays of numbers, not "
            "on tables with names"
        )
    return path
