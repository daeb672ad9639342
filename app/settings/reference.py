"""What each setting means: a JSON Schema for editors, and pages made from it.

Descriptions are those of the docstrings, ranges and defaults those of the types.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from eddy.app.domains import BUILT_IN, domain_row, domain_rows
from eddy.app.domains.row import DomainRow
from eddy.app.settings.model import Settings
from eddy.app.settings.sources import variable
from eddy.serving.config import LEAST as SERVING_LEAST
from eddy.streams.config import LEAST as ENGINE_LEAST

_BOUNDS: Mapping[str, Mapping[str, Mapping[str, float]]] = {
    "EngineConfig": {"minimum": ENGINE_LEAST, "maximum": {"fuse_ratio": 1.0}},
    "ServingConfig": {"minimum": SERVING_LEAST, "maximum": {"port": 65_535}},
}
_REFERENCE = "#/$defs/"
_ATTRIBUTES = re.compile(r"\n\s*Attributes\s*\n\s*-+\n")
_SECTION = re.compile(r"\n\s*\w[\w ]*\n\s*-{3,}\s*(\n|$)")
_ENABLED = {
    "type": "boolean",
    "default": True,
    "description": "Whether the domain runs; rides do where nothing is said.",
}

Schema = dict[str, Any]


class Setting(NamedTuple):
    """One setting as it is described.

    Attributes
    ----------
    key : str
        Its dotted name.
    kind : str
        Its type in words, with its range.
    """

    key: str
    kind: str
    default: Any
    description: str


def schema() -> Schema:
    """Return the JSON Schema of ``eddy.toml``, with the domains that are installed."""
    return _schema(domain_rows())


def settings_of(names: Iterable[str]) -> Iterator[Setting]:
    """Yield every setting, with those of some domains."""
    tree = _schema([domain_row(name) for name in names])
    yield from _walk("", tree, tree["$defs"])


def markdown() -> str:
    """Return the page ``docs/reference/settings.md``."""
    parts = [
        "# Settings\n\nThis page is made from the code.\n\n`eddy.toml`, then variables of the "
        "environment, then flags: each overrides the one before. "
        "The variable of `kafka.bootstrap_servers` is "
        f"`{variable('kafka.bootstrap_servers')}`. An unknown key is an error that names the "
        "nearest one. `eddy config show --describe` shows what is in force, `eddy config schema` "
        "is a JSON Schema for editors.\n"
    ]
    section = None
    for setting in settings_of(BUILT_IN):
        head = _head(setting.key)
        if head != section:
            section = head
            title = f"## `[{head}]`" if head else "## At the top"
            parts.append(f"\n{title}\n\n| key | type | default | meaning |\n|---|---|---|---|\n")
        default = "" if setting.default in (None, "") else f"`{_text(setting.default)}`"
        cells = (f"`{setting.key}`", setting.kind, default, setting.description)
        parts.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n")
    return "".join(parts)


def _head(key: str) -> str:
    parts = key.split(".")
    return ".".join(parts[:2] if parts[0] == "domains" else parts[:-1][:1])


def _schema(rows: Iterable[DomainRow]) -> Schema:
    tree = Settings.model_json_schema()
    definitions: Schema = tree["$defs"]
    properties: Schema = {}
    for row in rows:
        (policy,), components = msgspec.json.schema_components(
            [row.domain.policy_type], ref_template=_REFERENCE + "{name}"
        )
        definitions.update(components)
        name = policy["$ref"].removeprefix(_REFERENCE)
        definitions[name]["properties"] = {"enabled": _ENABLED, **definitions[name]["properties"]}
        properties[row.name] = policy
    _describe(tree)
    for name, definition in definitions.items():
        _describe(definition)
        for word, bounds in _BOUNDS.get(name, {}).items():
            for key, bound in bounds.items():
                definition["properties"][key][word] = bound
    domains = tree["properties"]["domains"]
    tree["properties"]["domains"] = {
        "type": "object",
        "description": domains["description"],
        "properties": properties,
        "additionalProperties": False,
    }
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **tree, "title": "Eddy"}


def _describe(definition: Schema) -> None:
    """Hand the docstring's descriptions on to the properties they are of."""
    head, _, attributes = _split(definition.get("description", ""))
    definition["description"] = head
    definition.pop("title", None)
    descriptions = dict(_attributes(attributes))
    for name, prop in definition.get("properties", {}).items():
        prop.pop("title", None)
        prop["description"] = prop.get("description") or descriptions.get(name, "")


def _split(docstring: str) -> tuple[str, str, str]:
    match = _ATTRIBUTES.search(docstring)
    if match is None:
        return " ".join(docstring.split()), "", ""
    rest = docstring[match.end() :]
    if later := _SECTION.search(rest):
        rest = rest[: later.start()]
    return " ".join(docstring[: match.start()].split()), match[0], rest


def _attributes(text: str) -> Iterator[tuple[str, str]]:
    """Yield each name of a section ``Attributes`` with its description."""
    names: list[str] = []
    lines: list[str] = []
    indent = min(
        (len(line) - len(line.lstrip()) for line in text.splitlines() if line.strip()), default=0
    )
    for line in [*text.splitlines(), " " * indent + "end :"]:
        if not line.strip():
            continue
        if len(line) - len(line.lstrip()) > indent:
            lines.append(line.strip())
            continue
        yield from ((name, " ".join(lines)) for name in names)
        names, lines = [name.strip() for name in line.partition(":")[0].split(",")], []


def _walk(prefix: str, node: Schema, definitions: Schema) -> Iterator[Setting]:
    for name, prop in node["properties"].items():
        key = f"{prefix}{name}"
        inner = definitions.get(prop.get("$ref", "").removeprefix(_REFERENCE), prop)
        if "properties" in inner:
            yield from _walk(f"{key}.", inner, definitions)
        else:
            kind = _kind(prop, definitions)
            yield Setting(key, kind, prop.get("default"), prop.get("description", ""))


_WORDS = {
    "integer": "whole number",
    "number": "number",
    "string": "text",
    "boolean": "true or false",
}


def _kind(prop: Schema, definitions: Schema) -> str:
    """Return a type in words, with its range."""
    if "enum" in prop:
        return " or ".join(f"`{value}`" for value in prop["enum"])
    if "anyOf" in prop:
        kinds = [
            _kind(variant, definitions)
            for variant in prop["anyOf"]
            if variant.get("type") != "null"
        ]
        return " or ".join(dict.fromkeys(kinds))
    if "$ref" in prop:
        return _kind(definitions[prop["$ref"].removeprefix(_REFERENCE)], definitions)
    if prop.get("type") == "array":
        return f"list of {_kind(prop['items'], definitions) if 'items' in prop else 'values'}"
    if prop.get("type") == "object":
        return "table"
    kind = _WORDS.get(prop.get("type", ""), "value")
    bounds = [
        f"{word} {prop[key]:g}"
        for key, word in (
            ("minimum", "at least"),
            ("exclusiveMinimum", "more than"),
            ("maximum", "at most"),
            ("exclusiveMaximum", "less than"),
        )
        if key in prop
    ]
    return ", ".join([kind, *bounds])


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
