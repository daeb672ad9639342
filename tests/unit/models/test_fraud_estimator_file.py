"""Files of estimators: the same bytes every time, and nothing in them is believed."""

import io
import json
import pickle
import zipfile
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import numpy as np
import pytest
from skops import io as skops_io
from threadpoolctl import threadpool_limits

from eddy.models.detectors.fraud import estimator_file
from eddy.models.detectors.fraud.estimator_file import ESTIMATOR_FILE, array_of, dump, load, read
from eddy.models.detectors.fraud.estimator_types import NEEDING_TRUST
from eddy.models.detectors.fraud.forest import Forest
from eddy.schemas.errors import DamagedModel, ModelRefused
from tests.support.fraud_estimators import (
    TREES,
    altered,
    array_file,
    fitted,
    outputs,
    packaged,
    rows,
)

Schema = dict[str, Any]


def content(kind: str = "forest") -> bytes:
    return packaged(kind)[1][ESTIMATOR_FILE]


def opened(data: bytes) -> Forest:
    return Forest.of(read(data))


@pytest.mark.parametrize("kind", TREES)
def test_equal_estimators_give_equal_bytes(kind: str) -> None:
    once = dump(fitted(kind))
    with threadpool_limits(1):
        again = dump(deepcopy(fitted(kind)).fit(*rows()))
    assert once == again
    assert dump(load(once)) == once


@pytest.mark.parametrize("kind", TREES)
def test_skops_itself_reads_what_is_written(kind: str) -> None:
    X = rows(50, seed=9)[0]
    written = dump(fitted(kind))
    assert set(skops_io.get_untrusted_types(data=written)) <= set(NEEDING_TRUST)
    plain = skops_io.loads(written, trusted=list(NEEDING_TRUST))
    for estimator in (plain, load(written)):
        assert type(estimator) is type(fitted(kind))
        assert outputs(estimator, X).tobytes() == outputs(fitted(kind), X).tobytes()


def test_files_as_skops_writes_them_are_read_too() -> None:
    written = skops_io.dumps(fitted("forest"))
    assert (
        outputs(load(written), rows(9)[0]).tobytes()
        == outputs(fitted("forest"), rows(9)[0]).tobytes()
    )


def first(node: Any, loader: str) -> Schema:
    """The first node of a kind."""
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    if isinstance(node, dict) and node.get("__loader__") == loader:
        return node
    for child in children:
        if found := first(child, loader):
            return found
    return {}


def function(module: str, name: str) -> Schema:
    return {"__class__": name, "__module__": module, "__loader__": "FunctionNode"}


PLAIN = {"__class__": "str", "__module__": "builtins", "__loader__": "JsonNode", "content": '"id"'}
ARGUMENTS = {
    "__class__": "tuple",
    "__module__": "builtins",
    "__loader__": "TupleNode",
    "content": [PLAIN],
}


@pytest.mark.parametrize(
    ("node", "named"),
    [
        (function("os", "system"), "os.system"),
        (function("builtins", "eval"), "builtins.eval"),
        (function("numpy", "add"), "numpy.add"),  # skops' own list has it; ours has not
        (
            {
                "__class__": "Popen",
                "__module__": "subprocess",
                "__loader__": "ConstructorFromReduceNode",
                "content": ARGUMENTS,
            },
            "subprocess.Popen",
        ),
        (
            {
                "__class__": "partial",
                "__module__": "functools",
                "__loader__": "PartialNode",
                "content": {"func": function("os", "system"), "args": ARGUMENTS},
            },
            "functools.partial",
        ),
        (
            {
                "__class__": "methodcaller",
                "__module__": "operator",
                "__loader__": "OperatorFuncNode",
                "attrs": ARGUMENTS,
            },
            "operator.methodcaller",
        ),
        (
            {"__class__": "Path", "__module__": "pathlib", "__loader__": "ObjectNode"},
            "pathlib.Path",
        ),
        # the loader of harmless values with a type of its own choosing, and the other way round
        ({"__class__": "eval", "__module__": "builtins", "__loader__": "TypeNode"}, "builtins.ev"),
        (
            {
                "__class__": "system",
                "__module__": "os",
                "__loader__": "ListNode",
                "content": [PLAIN],
            },
            "os.system",
        ),
        (
            {
                "__class__": "Pipeline",
                "__module__": "sklearn.pipeline",
                "__loader__": "ObjectNode",
            },
            "sklearn.pipeline.Pipeline",
        ),
        (
            {"__class__": "dict", "__module__": "builtins", "__loader__": "CachedNode"},
            "CachedNode",
        ),
    ],
)
def test_types_that_are_not_allowed_are_named(node: Schema, named: str) -> None:
    def hide(schema: Schema) -> None:
        schema["content"]["content"]["warm_start"] = node

    for use in (read, load):
        with pytest.raises(ModelRefused, match=named):
            use(altered(content(), schema=hide))


def test_nothing_is_called_on_the_way_to_the_refusal(tmp_path: Any) -> None:
    witness = tmp_path / "called"

    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return open, (str(witness), "w")

    def pickled(members: dict[str, bytes]) -> None:
        evil = np.array([Evil()], dtype=object)
        name = next(name for name in members if name.endswith(".npy"))
        members[name] = array_file(evil, allow_pickle=True)

    for use in (read, load):
        with pytest.raises(ModelRefused, match="Python objects"):
            use(altered(content(), members=pickled))
        with pytest.raises(DamagedModel):
            use(pickle.dumps(Evil()))
    assert not witness.exists()


def test_arrays_of_objects_are_refused() -> None:
    from sklearn.ensemble import RandomForestClassifier

    X, y = rows()
    named = RandomForestClassifier(2, max_depth=2).fit(X, y)
    named.feature_names_in_ = np.array(["a"] * X.shape[1], dtype=object)
    with pytest.raises(ModelRefused, match="fit on arrays"):
        dump(named)
    seeded = RandomForestClassifier(2, max_depth=2, random_state=np.random.RandomState(0))
    with pytest.raises(ModelRefused, match=r"RandomState.*seeds"):
        dump(seeded.fit(X, y))


def test_other_estimators_are_refused() -> None:
    from sklearn.neighbors import KNeighborsClassifier

    with pytest.raises(ModelRefused, match="KNeighborsClassifier"):
        dump(KNeighborsClassifier().fit(*rows()))
    with pytest.raises(ModelRefused, match="DecisionTreeClassifier cannot score"):
        opened(dump(fitted("forest").estimators_[0]))
    with pytest.raises(ModelRefused):
        dump({"a": print})
    with pytest.raises(ModelRefused, match="no estimator"):
        dump([1, 2])


def test_another_scikit_learn_is_refused() -> None:
    def skew(schema: Schema) -> None:
        schema["content"]["content"]["_sklearn_version"]["content"] = '"0.24.2"'

    with pytest.raises(ModelRefused, match=r"0\.24\.2.*train it again"):
        read(altered(content(), schema=skew))


def test_bombs_do_not_go_off(monkeypatch: pytest.MonkeyPatch) -> None:
    def bomb(members: dict[str, bytes]) -> None:
        members["more.npy"] = bytes(3_000_000)

    packed = altered(content(), members=bomb)
    assert len(packed) < 1_000_000
    opened(packed)
    monkeypatch.setattr(estimator_file, "MAX_UNPACKED_BYTES", 3_000_000)
    with pytest.raises(DamagedModel, match="unpacks to more"):
        read(packed)
    monkeypatch.setattr(estimator_file, "MAX_ARTEFACT_BYTES", 1_000)
    with pytest.raises(DamagedModel, match="larger than 1000"):
        read(packed)


def test_a_member_may_not_be_larger_than_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sizes that lie about themselves are found when the member is read."""
    data = bytearray(content())
    with zipfile.ZipFile(io.BytesIO(bytes(data))) as archive:
        size = archive.getinfo("schema.json").file_size
    at = data.rindex(size.to_bytes(4, "little"))  # in the directory at the end
    data[at : at + 4] = (100).to_bytes(4, "little")
    with pytest.raises(DamagedModel):
        read(bytes(data))


def test_an_array_is_as_large_as_it_says() -> None:
    honest = array_file(np.arange(6.0).reshape(2, 3))
    assert array_of(honest).tolist() == [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]
    columns = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    assert np.array_equal(array_of(array_file(columns)), columns)
    lying = honest.replace(b"(2, 3)", b"(9**9,")
    huge = honest.replace(b"(2, 3), }  ", b"(2, 99999),}")
    for name in (lying, huge, honest[:-1], honest[:40], b""):

        def swap(members: dict[str, bytes], bad: bytes = name) -> None:
            members[next(one for one in members if one.endswith(".npy"))] = bad

        with pytest.raises(DamagedModel):
            read(altered(content(), members=swap))


def changed_nodes(change: Callable[[np.ndarray], None]) -> bytes:
    """A forest whose first tree was worked on."""

    def work(members: dict[str, bytes]) -> None:
        tree = first(json.loads(members["schema.json"]), "TreeNode")
        name = tree["content"]["content"]["nodes"]["file"]
        nodes = array_of(members[name]).copy()
        change(nodes)
        members[name] = array_file(nodes)

    return altered(content(), members=work)


def put(field: str, value: float) -> Callable[[np.ndarray], None]:
    def change(nodes: np.ndarray) -> None:
        nodes[field][0] = value

    return change


@pytest.mark.parametrize(
    "change",
    [
        put("left_child", 10**6),
        put("right_child", 10**6),
        put("right_child", -7),
        put("right_child", 0),  # in circles
        put("left_child", 2),
        put("feature", 15),
        put("feature", -2),
        put("threshold", np.nan),
        put("left_child", -1),  # a leaf, and nobody's children behind it
    ],
    ids=lambda change: ", ".join(str(cell.cell_contents) for cell in change.__closure__),
)
def test_trees_that_lead_out_of_their_arrays_are_refused(
    change: Callable[[np.ndarray], None],
) -> None:
    with pytest.raises(ModelRefused, match="leads out"):
        opened(changed_nodes(change))
    with pytest.raises(ModelRefused, match="leads out"):
        load(changed_nodes(change))


@pytest.mark.parametrize(
    ("name", "value"),
    [("node_count", "99999"), ("max_depth", "1"), ("max_depth", "40")],
)
def test_a_tree_says_the_truth_about_its_size(name: str, value: str) -> None:
    def lie(schema: Schema) -> None:
        first(schema, "TreeNode")["content"]["content"][name]["content"] = value

    with pytest.raises(ModelRefused):
        load(altered(content(), schema=lie))


def test_ids_cannot_put_one_node_in_the_place_of_another() -> None:
    """skops takes the first node with an id for all of them; ours have none."""

    def claim(schema: Schema) -> None:
        fields = schema["content"]["content"]
        fields["n_outputs_"]["__id__"] = fields["n_features_in_"]["__id__"] = 7

    estimator = load(altered(content(), schema=claim))
    assert (estimator.n_outputs_, estimator.n_features_in_) == (1, 15)


def test_damage_anywhere_is_refused_and_never_crashes() -> None:
    whole = content("forest, best first")
    rng = np.random.default_rng(0)
    for _ in range(100):
        data = bytearray(whole)
        at = int(rng.integers(len(data)))
        if rng.random() < 0.3:
            data = data[:at]
        else:
            data[at] ^= int(rng.integers(1, 256))
        try:
            opened(bytes(data))
        except ModelRefused:  # or DamagedModel, which is one
            continue


def test_schemas_of_anybodys_making_are_refused() -> None:
    def deep(members: dict[str, bytes]) -> None:
        members["schema.json"] = b'{"content":' * 200_000

    with pytest.raises(DamagedModel, match="RecursionError"):
        read(altered(content(), members=deep))
    for damage in (
        lambda schema: schema.update(content=7),
        lambda schema: schema.pop("content"),
        lambda schema: schema["content"].pop("key_types"),
        lambda schema: schema.pop("protocol"),
        lambda schema: schema["content"]["content"].pop("classes_"),
        lambda schema: schema["content"]["content"]["estimators_"].update(content=[]),
        lambda schema: schema["content"]["content"].update(estimators_=PLAIN),
    ):
        with pytest.raises(ModelRefused):
            opened(altered(content(), schema=damage))
    with pytest.raises(ModelRefused, match="format"):
        read(altered(content(), schema=lambda schema: schema.update(protocol=1)))
