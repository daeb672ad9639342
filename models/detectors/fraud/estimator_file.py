"""An estimator of scikit-learn as a file: skops' format, the same bytes for the same estimator.

For scoring the file is only read, as plain records of numbers: nothing of scikit-learn is made,
or even imported. Whoever wants the estimator itself gets it from `load`.
"""

import io
import json
import zipfile
from collections.abc import Callable, Mapping
from functools import cache
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eddy.models.artefact import MAX_ARTEFACT_BYTES, digest
from eddy.models.detectors.fraud.estimator_types import NEEDING_TRUST, check_node
from eddy.models.detectors.fraud.forest import Forest
from eddy.models.detectors.fraud.records import EstimatorRecord
from eddy.schemas.errors import DamagedModel, EddyError, ModelRefused

Node = Mapping[str, Any]

ESTIMATOR_FILE = "model.skops"
MAX_UNPACKED_BYTES = 512 * 1024 * 1024

_SCHEMA = "schema.json"
_PROTOCOL = 2  # of skops
_LONG_AGO = (1980, 1, 1, 0, 0, 0)
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def dump(estimator: Any) -> bytes:
    """Return the estimator as a file that `skops.io.load` can read, too.

    Equal estimators give equal bytes: without the ids of objects and the times that skops writes.

    Raises
    ------
    ModelRefused
        It holds what `read` would refuse.
    """
    from skops import io as skops_io  # noqa: PLC0415 # imports all of scikit-learn

    try:
        written = skops_io.dumps(estimator)
    except (TypeError, ValueError) as error:
        raise ModelRefused(f"{type(estimator).__name__} cannot be written: {error}") from error
    content = _canonical(written)
    read(content)
    return content


def read(content: bytes) -> EstimatorRecord:
    """Return the estimator in a file as plain records; lists for tuples.

    Raises
    ------
    DamagedModel
        The bytes are not such a file, or more than may be unpacked.
    ModelRefused
        It holds a type that may not be loaded, or was written by another scikit-learn.
    """
    if len(content) > MAX_ARTEFACT_BYTES:
        raise DamagedModel(f"{ESTIMATOR_FILE} is larger than {MAX_ARTEFACT_BYTES} bytes")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            _check_members(archive)
            return _Reader(archive).estimator()
    except EddyError:
        raise
    except Exception as error:  # bytes of anybody's making: zipfile, json and numpy raise anything
        raise DamagedModel(f"{ESTIMATOR_FILE} cannot be read: {error!r}") from error


def load(content: bytes) -> Any:
    """Return the estimator itself, checked as for scoring before anything is made of it.

    Raises
    ------
    DamagedModel, ModelRefused
        As `read`; or its trees lead out of their arrays.
    """
    from skops import io as skops_io  # noqa: PLC0415 # imports all of scikit-learn

    Forest.of(read(content))
    try:
        # without ids, by which it would take one node for another that was checked
        return skops_io.loads(_canonical(content), trusted=NEEDING_TRUST)
    except Exception as error:  # whatever its own checks raise
        raise ModelRefused(f"{ESTIMATOR_FILE}: {error}") from error


def _check_members(archive: zipfile.ZipFile) -> None:
    members = archive.infolist()
    if sum(member.file_size for member in members) > MAX_UNPACKED_BYTES:
        raise DamagedModel(f"{ESTIMATOR_FILE} unpacks to more than {MAX_UNPACKED_BYTES} bytes")
    if any(member.compress_type not in _METHODS for member in members):
        raise DamagedModel(f"{ESTIMATOR_FILE} is compressed in a way that is not read")


class _Reader:
    """Reads nodes of one file."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._readers: dict[str, Callable[[Node], Any]] = {
            "JsonNode": lambda node: json.loads(node["content"]),
            "TypeNode": lambda _: None,
            "DictNode": self._fields,
            "ListNode": self._items,
            "TupleNode": self._items,
            "NdArrayNode": self._array,
            "ObjectNode": self._record,
            "TreeNode": self._tree,
            "LossNode": self._tree,
            "RandomGeneratorNode": self._generator,
        }

    def estimator(self) -> EstimatorRecord:
        """Return what the file is about."""
        schema = json.loads(self._archive.read(_SCHEMA))
        if schema["protocol"] != _PROTOCOL:
            raise ModelRefused(f"{ESTIMATOR_FILE}: not in skops' format {_PROTOCOL}")
        value = self._value(schema)
        if not isinstance(value, EstimatorRecord):
            raise ModelRefused(f"{ESTIMATOR_FILE} holds no estimator")
        return value

    def _value(self, node: Node) -> Any:
        check_node(node)
        return self._readers[node["__loader__"]](node)

    def _fields(self, node: Node) -> dict[str, Any]:
        self._value(node["key_types"])
        fields = {name: self._value(value) for name, value in node["content"].items()}
        _check_version(fields)
        return fields

    def _items(self, node: Node) -> list[Any]:
        return [self._value(item) for item in node["content"]]

    def _record(self, node: Node) -> EstimatorRecord:
        fields = self._value(node["content"])
        return EstimatorRecord(check_node(node), fields if isinstance(fields, dict) else {})

    def _tree(self, node: Node) -> EstimatorRecord:
        fields = self._value(node["content"])
        return EstimatorRecord(
            check_node(node), {**fields, "args": self._value(node["__reduce__"]["args"])}
        )

    def _generator(self, node: Node) -> None:
        parts = node["content"]
        if self._value(parts["bit_generator"])["bit_generator"] != "PCG64":
            raise ModelRefused(f"{ESTIMATOR_FILE}: random numbers of a generator that is not PCG64")
        self._value(parts["seed_seq"])

    def _array(self, node: Node) -> NDArray[Any]:
        return array_of(self._archive.read(node["file"]))


def array_of(content: bytes) -> NDArray[Any]:
    """Return the array in numpy's format; ModelRefused where it holds Python objects."""
    stream = io.BytesIO(content)
    readers = {(1, 0): np.lib.format.read_array_header_1_0}
    shape, is_fortran, dtype = readers[np.lib.format.read_magic(stream)](stream)
    if dtype.hasobject:
        raise ModelRefused(f"{ESTIMATOR_FILE} holds an array of Python objects")
    flat = np.frombuffer(content, dtype, offset=stream.tell())
    return flat.reshape(shape, order="F" if is_fortran else "C")


def _check_version(fields: Mapping[str, Any]) -> None:
    written, installed = fields.get("_sklearn_version"), _installed()
    if written is not None and _minor(str(written)) != _minor(installed):
        raise ModelRefused(
            f"the estimator was written by scikit-learn {written}, this is {installed}; train it "
            "again, or install that version"
        )


@cache
def _installed() -> str:
    return version("scikit-learn")


def _minor(number: str) -> list[str]:
    return number.split(".")[:2]


def _canonical(written: bytes) -> bytes:
    """Return a skops file without what differs from run to run."""
    with zipfile.ZipFile(io.BytesIO(written)) as archive:
        members: dict[str, bytes] = {}
        schema = _without_ids(json.loads(archive.read(_SCHEMA)), archive, members)
    members[_SCHEMA] = json.dumps(schema, separators=(",", ":")).encode()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in sorted(members):
            info = zipfile.ZipInfo(name, _LONG_AGO)
            info.compress_type, info.create_system = zipfile.ZIP_DEFLATED, 3
            archive.writestr(info, members[name], compresslevel=6)
    return out.getvalue()


def _without_ids(node: Any, archive: zipfile.ZipFile, members: dict[str, bytes]) -> Any:
    """Return a node without ids of objects, its arrays named by their content."""
    if isinstance(node, list):
        return [_without_ids(item, archive, members) for item in node]
    if not isinstance(node, dict):
        return node
    changed = {
        key: _without_ids(value, archive, members) for key, value in node.items() if key != "__id__"
    }
    if node.get("__loader__") == "NdArrayNode" and "file" in node:
        content = _without_padding(archive.read(node["file"]))
        changed["file"] = f"{digest(content)[:32]}.npy"
        members[changed["file"]] = content
    return changed


def _without_padding(content: bytes) -> bytes:
    """Return an array's file with nothing in the gaps between fields, which may hold anything."""
    array = array_of(content)
    if array.dtype.names is None:
        return content
    clean = np.zeros(array.shape, array.dtype)
    for name in array.dtype.names:
        clean[name] = array[name]
    stream = io.BytesIO()
    np.save(stream, clean, allow_pickle=False)
    return stream.getvalue()
