"""JSON Schema of what goes in and out, and what a new version may not change.

``python -m eddy.schemas.json_schema`` writes the schemas to docs/reference. The copies in
docs/reference/baseline are those of the last release; they are replaced by hand when one is made.
"""

import inspect
import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from eddy.schemas.anomalies import Anomaly
from eddy.schemas.forecasts import Forecast
from eddy.schemas.labels import Label
from eddy.schemas.payments import Payment
from eddy.schemas.rejections import Rejection
from eddy.schemas.rides import Ride
from eddy.schemas.scored import Scored
from eddy.schemas.transactions import Transaction

Schema = Mapping[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
FOLDER = Path(__file__).resolve().parents[1] / "docs" / "reference"

_ANYTHING = ("array", "boolean", "integer", "null", "number", "object", "string")
_AT_LEAST = ("minLength", "minItems", "minProperties")
_AT_MOST = ("maxLength", "maxItems", "maxProperties")
_RULES = ("pattern", "format", "multipleOf", "contentEncoding")


def published() -> dict[str, dict[str, Any]]:
    """Return every published schema by its file's stem."""
    return {
        "ride": _of(Ride),
        "payment": _of(Payment),
        "transaction": _of(Transaction),
        "label": _of(Label),
        "anomaly": _of(Anomaly),
        "forecast": _of(Forecast),
        "scored": _of(Scored),
        "rejection-headers": _rejection_headers(),
    }


def write(folder: Path = FOLDER) -> list[Path]:
    """Write the schemas as files, the same bytes on every run, and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, schema in published().items():
        path = folder / f"{name}.schema.json"
        path.write_text(rendered(schema), encoding="utf-8")
        paths.append(path)
    return paths


def rendered(schema: Schema) -> str:
    """Return a schema as the text of its file."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _of(record: type[msgspec.Struct]) -> dict[str, Any]:
    return {"$schema": DIALECT, **_dedented(msgspec.json.schema(record))}


def _dedented(schema: Any) -> Any:
    """Return a schema whose descriptions, which are docstrings, have lost their indentation."""
    if isinstance(schema, list):
        return [_dedented(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    cleaned = {name: _dedented(inner) for name, inner in schema.items()}
    if isinstance(schema.get("description"), str):
        cleaned["description"] = inspect.cleandoc(schema["description"])
    return cleaned


def _rejection_headers() -> dict[str, Any]:
    """Describe the headers as a map of text, which is what Kafka's headers are."""
    fields = msgspec.json.schema(Rejection)["$defs"]["Rejection"]["properties"]
    headers = {
        name: {"type": "string", "pattern": "^-?[0-9]+$"} if field == {"type": "integer"} else field
        for name, field in fields.items()
        if name not in ("key", "payload")
    }
    return {
        "$schema": DIALECT,
        "title": "Rejection headers",
        "description": "Headers of a record on rejections.<domain>, each UTF-8 text. "
        "Key and value are those of the rejected record, byte for byte, but for what looks like a "
        "card number, of which only the last four digits are left.",
        "type": "object",
        "properties": headers,
        "required": list(headers),
    }


def incompatibilities(old: Schema, new: Schema, *, is_output: bool = False) -> list[str]:
    """Say what a new version of a schema breaks; an empty list means nothing.

    Every record that fitted the old schema must fit the new one: producers are not asked to change,
    and records written once are read for as long as they are kept. Of an output, `is_output`, the
    reverse must hold too, so that its readers need not change: no property goes away, none becomes
    optional, nothing appears that the old schema did not allow. (A new optional property is fine
    both ways, as unknown ones are ignored; that old records never used its name is assumed.)

    Parameters
    ----------
    old, new : mapping
        JSON Schemas as `published` returns them.
    is_output : bool
        Whether others read these records.

    Returns
    -------
    list of str
        One sentence for each break, naming where.
    """
    forward, reverse = _Comparison(old, new), _Comparison(new, old)
    broken = [f"{where}: old records: {what}" for where, what in forward.lost(old, new, "$")]
    if is_output:
        broken += [f"{where}: old readers: {what}" for where, what in reverse.lost(new, old, "$")]
        broken += [f"{where}: is gone" for where in forward.dropped(old, new, "$")]
    return broken


class _Comparison:
    """Finds what a schema in one document lets through and one in another does not."""

    def __init__(self, wide_document: Schema, narrow_document: Schema) -> None:
        self._wide = wide_document
        self._narrow = narrow_document

    def lost(self, wide: Schema, narrow: Schema, where: str) -> Iterator[tuple[str, str]]:
        """Yield where `narrow` refuses something that `wide` accepts, and what."""
        candidates = _alternatives(narrow, self._narrow)
        for kind, alternative in _alternatives(wide, self._wide):
            fitting = [other for name, other in candidates if _holds(name, kind)]
            if not fitting:
                yield where, f"{kind} is not accepted"
                continue
            losses = [list(self._lost_in(alternative, other, where)) for other in fitting]
            yield from min(losses, key=len)

    def _lost_in(self, wide: Schema, narrow: Schema, where: str) -> Iterator[tuple[str, str]]:
        yield from ((where, what) for what in _lost_values(wide, narrow))
        gone = [name for name in narrow.get("required", ()) if name not in wide.get("required", ())]
        yield from ((f"{where}.{name}", "is required") for name in gone)
        for name, inner in wide.get("properties", {}).items():
            if name in narrow.get("properties", {}):
                yield from self.lost(inner, narrow["properties"][name], f"{where}.{name}")
        yield from self._lost_parts(wide, narrow, "items", f"{where}[]")
        yield from self._lost_parts(wide, narrow, "additionalProperties", f"{where}.*")

    def _lost_parts(
        self, wide: Schema, narrow: Schema, part: str, where: str
    ) -> Iterator[tuple[str, str]]:
        before, after = wide.get(part, {}), narrow.get(part, {})
        if before is False or after in ({}, True):
            return
        if after is False:
            yield where, "is not accepted"
        else:
            yield from self.lost({} if before is True else before, after, where)

    def dropped(self, wide: Schema, narrow: Schema, where: str) -> Iterator[str]:
        """Yield the properties of `wide` that `narrow` does not name, at any depth."""
        others = dict(_alternatives(narrow, self._narrow))
        for kind, alternative in _alternatives(wide, self._wide):
            other = others.get(kind, {})
            for name, inner in alternative.get("properties", {}).items():
                if name not in other.get("properties", {}):
                    yield f"{where}.{name}"
                else:
                    yield from self.dropped(inner, other["properties"][name], f"{where}.{name}")
            for part, mark in (("items", "[]"), ("additionalProperties", ".*")):
                if isinstance(alternative.get(part), dict) and isinstance(other.get(part), dict):
                    yield from self.dropped(alternative[part], other[part], f"{where}{mark}")


def _alternatives(schema: Schema, document: Schema) -> list[tuple[str, Schema]]:
    """Return the types a schema accepts, each with the part of the schema that speaks of it."""
    if "$ref" in schema:
        return _alternatives(document["$defs"][schema["$ref"].rpartition("/")[2]], document)
    if "anyOf" in schema:
        return [pair for part in schema["anyOf"] for pair in _alternatives(part, document)]
    kinds = schema.get("type", _kinds_of_values(schema))
    return [(kind, schema) for kind in ([kinds] if isinstance(kinds, str) else kinds)]


def _kinds_of_values(schema: Schema) -> tuple[str, ...]:
    names = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null"}
    values = schema.get("enum", [schema["const"]] if "const" in schema else ())
    return tuple(dict.fromkeys(names[type(value)] for value in values)) or _ANYTHING


def _holds(accepting: str, kind: str) -> bool:
    return accepting == kind or (accepting == "number" and kind == "integer")


def _lost_values(wide: Schema, narrow: Schema) -> Iterator[str]:
    """Yield how the limits of one type are narrower in `narrow`."""
    after = narrow.get("enum", [narrow["const"]] if "const" in narrow else None)
    before = wide.get("enum", [wide["const"]] if "const" in wide else None)
    if after is not None and before is None:
        yield f"only {after} are accepted"
    elif after is not None and before is not None:
        yield from (f"{value!r} is not accepted" for value in before if value not in after)
    if _floor(narrow) > _floor(wide):
        yield f"lower bound {_floor(narrow)[0]} instead of {_floor(wide)[0]}"
    if _ceiling(narrow) < _ceiling(wide):
        yield f"upper bound {_ceiling(narrow)[0]} instead of {_ceiling(wide)[0]}"
    for name in _AT_LEAST:
        if narrow.get(name, 0) > wide.get(name, 0):
            yield f"{name} {narrow[name]} instead of {wide.get(name, 0)}"
    for name in _AT_MOST:
        if narrow.get(name, math.inf) < wide.get(name, math.inf):
            yield f"{name} {narrow[name]} instead of {wide.get(name, 'none')}"
    for name in _RULES:
        if name in narrow and narrow[name] != wide.get(name):
            yield f"{name} {narrow[name]!r} instead of {wide.get(name)!r}"


def _floor(schema: Schema) -> tuple[float, int]:
    """Return the lower bound of a number; an exclusive one is higher than the same inclusive."""
    bounds = [(-math.inf, 0)]
    bounds += [(schema["minimum"], 0)] if "minimum" in schema else []
    bounds += [(schema["exclusiveMinimum"], 1)] if "exclusiveMinimum" in schema else []
    return max(bounds)


def _ceiling(schema: Schema) -> tuple[float, int]:
    bounds = [(math.inf, 0)]
    bounds += [(schema["maximum"], 0)] if "maximum" in schema else []
    bounds += [(schema["exclusiveMaximum"], -1)] if "exclusiveMaximum" in schema else []
    return min(bounds)


if __name__ == "__main__":
    write()
