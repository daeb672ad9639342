"""Pages of docs/reference that are made from the code: ``python -m tests.support.reference``.

`tests/architecture/test_reference.py` compares the committed pages with these.
"""

import asyncio
import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
from cyclopts import App
from prometheus_client import CollectorRegistry

from eddy.app import help as help_text
from eddy.app.command_line import build as build_commands
from eddy.app.commands.table import SECTIONS
from eddy.app.settings import reference as settings
from eddy.lake.compaction.metrics import CompactionMetrics
from eddy.lake.sink.metrics import WatchMetrics
from eddy.schemas.json_schema import published
from eddy.serving.app import build as build_service
from eddy.serving.config import ServingConfig
from eddy.serving.metrics import ServingMetrics
from eddy.streams.learning_metrics import LearningMetrics
from eddy.streams.metrics import Metrics

FOLDER = Path(__file__).parents[2] / "docs" / "reference"
TOPICS = {
    "ride": "`events.rides`",
    "payment": "`events.tpv`",
    "transaction": "`events.transactions`",
    "label": "`labels`",
    "anomaly": "`anomalies.<domain>`",
    "forecast": "`forecasts.tpv`",
    "scored": "`scored.<domain>`, off by default",
    "rejection-headers": "`rejections.<domain>`: the headers; the value is the rejected record",
}
_ATTRIBUTE = re.compile(r"^(\w[\w, ]*) : (.+)\n((?:(?: {4}.*)?(?:\n|$))+)", re.MULTILINE)


def records() -> str:
    """Return the page of published records."""
    parts = [
        "# Records",
        "Every record is one JSON object in UTF-8. Unknown fields are ignored, so fields may be "
        "added; a test holds each version compatible with the last release. The JSON Schemas are "
        "the interface; this page is made from them.",
    ]
    for name, schema in published().items():
        parts.append(f"## {name.replace('-', ' ').capitalize()}")
        parts.append(f"Topic: {TOPICS[name]}. [JSON Schema]({name}.schema.json)")
        main = resolved(schema, schema)
        parts += record(main, schema)
        for other in schema.get("$defs", {}).values():
            if other is not main and other.get("properties"):
                parts += [f"### {other['title']} in {name}", *record(other, schema)]
    return "\n\n".join(parts) + "\n"


def record(schema: dict[str, Any], document: dict[str, Any]) -> Iterator[str]:
    """Yield the description and the table of one object's fields."""
    text = schema.get("description", "")
    yield plain(re.split(r"\n(?:Attributes|Examples)\n-+\n", text)[0].strip())
    meanings = attributes(text)
    rows = ["| field | type | required | meaning |", "|---|---|---|---|"]
    for name, field in schema["properties"].items():
        required = "yes" if name in schema.get("required", ()) else ""
        meaning = plain(meanings.get(name, field.get("description", "")))
        rows.append(f"| `{name}` | {kind(field, document)} | {required} | {cell(meaning)} |")
    yield "\n".join(rows)


def attributes(text: str) -> dict[str, str]:
    """Return what a docstring says of its attributes, by name."""
    return {
        name.strip(): " ".join(meaning.split())
        for names, _kind, meaning in _ATTRIBUTE.findall(text + "\n")
        for name in names.split(",")
    }


def kind(field: dict[str, Any], document: dict[str, Any]) -> str:
    """Return a field's type in words."""
    if "anyOf" in field:
        return " or ".join(dict.fromkeys(kind(one, document) for one in field["anyOf"]))
    if "$ref" in field:
        target = resolved(field, document)
        return target["title"] if target.get("properties") else kind(target, document)
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    if field.get("type") == "array":
        return f"list of {kind(field.get('items', {}), document)}"
    if field.get("format") == "date-time":
        return "time (RFC 3339)"
    bounds = [str(field[key]) for key in ("minLength", "maxLength") if key in field]
    if len(bounds) == 2:
        return f"string, {bounds[0]} to {bounds[1]} characters"
    return str(field.get("type", "any"))


def resolved(schema: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    """Follow a reference within a document."""
    if "$ref" not in schema:
        return schema
    return resolved(document["$defs"][schema["$ref"].rpartition("/")[2]], document)


def plain(text: str) -> str:
    """Return a docstring's text without what only Sphinx understands."""
    return text.replace("``", "`").replace("`~", "`")


def cell(text: str) -> str:
    """Return text that may stand in a cell of a table."""
    return " ".join(text.replace("|", "\\|").split())


def commands() -> str:
    """Return the page of commands: what ``--help`` prints, 80 columns wide."""
    columns = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = "80"
    try:
        parts = [
            "# Commands",
            "What `--help` prints, made from the code. Exit codes are the same for all commands.",
            fenced(help_text.overview()),
        ]
        app = build_commands()
        for section, entries in SECTIONS.items():
            parts.append(f"## {section}")
            for entry in entries:
                _, apps, _ = app.parse_commands([entry.name])
                parts += helps([entry.name], apps[-1])
    finally:
        os.environ.pop("COLUMNS") if columns is None else os.environ.update(COLUMNS=columns)
    return "\n\n".join(parts) + "\n"


def helps(words: list[str], app: App) -> Iterator[str]:
    """Yield the heading and the help of a command and of those below it."""
    yield f"### eddy {' '.join(words)}"
    yield fenced(help_text.command_help(words, app))
    if app.default_command is None:
        for child in app.subapps:
            if child.show:
                yield from helps([*words, child.name[0]], child)


def fenced(text: str) -> str:
    """Return text as a block that is shown as it is."""
    return f"```text\n{text.rstrip()}\n```"


class NoModels:
    """A service's models while there are none yet."""

    names = ("transactions",)

    def served(self, _name: str) -> None:
        """Return the model of a name."""


def http() -> str:
    """Return the page of the HTTP interface, made from its OpenAPI document."""
    document = openapi()
    parts = [
        "# HTTP",
        f"{document['info']['description']} [How to run it](../how-to/serving.md). A running "
        "service answers on `/openapi.json` with this interface as narrow as its models are; this "
        "page is made from the same document.",
    ]
    rows = ["| route | does | answers | errors |", "|---|---|---|---|"]
    for path, item in document["paths"].items():
        for method, operation in item.items():
            codes = sorted(operation["responses"])
            errors = ", ".join(code for code in codes if code >= "400")
            answer = named(operation["responses"]["200"])
            rows.append(
                f"| `{method.upper()} {path}` | {operation['summary']} | {answer} | {errors} |"
            )
    parts += ["\n".join(rows), "Errors are problem details (RFC 9457), the schema `Problem`."]
    for name, schema in sorted(document["components"]["schemas"].items()):
        parts.append(f"## {name}")
        required = schema.get("required", ())
        fields = ["| field | type | required | meaning |", "|---|---|---|---|"]
        for field, inner in schema.get("properties", {}).items():
            mark = "yes" if field in required else ""
            meaning = cell(plain(inner.get("description", "")))
            fields.append(f"| `{field}` | {http_kind(inner)} | {mark} | {meaning} |")
        if text := plain(schema.get("description", "")):
            parts.append(text)
        parts.append("\n".join(fields))
    return "\n\n".join(parts) + "\n"


def named(response: dict[str, Any]) -> str:
    """Return the name of an answer's schema."""
    for media_type, content in response.get("content", {}).items():
        reference = content.get("schema", {}).get("$ref", "")
        return f"`{reference.rpartition('/')[2]}`" if reference else media_type
    return ""


def http_kind(field: dict[str, Any]) -> str:
    """Return a type of the OpenAPI document in words."""
    if "$ref" in field:
        return f"`{field['$ref'].rpartition('/')[2]}`"
    if "anyOf" in field:
        return " or ".join(dict.fromkeys(http_kind(one) for one in field["anyOf"]))
    kinds = field.get("type", "any")
    if kinds == "array":
        return f"list of {http_kind(field.get('items', {}))}"
    return kinds if isinstance(kinds, str) else " or ".join(kinds)


def openapi() -> dict[str, Any]:
    """Return the document of a service that has no model yet."""
    service = build_service(ServingConfig(), NoModels(), ServingMetrics())

    async def get() -> dict[str, Any]:
        transport = httpx.ASGITransport(app=service)
        async with httpx.AsyncClient(transport=transport, base_url="http://eddy") as client:
            return json.loads((await client.get("/openapi.json")).content)

    return asyncio.run(get())


def metrics() -> str:
    """Return the page of metrics: those of every kind of process."""
    parts = [
        "# Metrics",
        "Base units; `_total` is a counter. Counters count what this process did, including what a "
        "later abort undid; topics, not counters, are the books. This page is made from the code.",
    ]
    processes: dict[str, CollectorRegistry] = {
        "`eddy run`, on `/metrics` of the health port": Metrics().registry,
        "`eddy learn transactions`, on `/metrics` of its health port": LearningMetrics().registry,
        "`eddy lake watch`, on `/metrics` of its health port": WatchMetrics().registry,
        "`eddy lake compact --metrics-file FILE`, for the node exporter": (
            CompactionMetrics().registry
        ),
        "`eddy serve`, on `/metrics` of its own port": ServingMetrics().registry,
    }
    for process, registry in processes.items():
        parts.append(f"## {process}")
        rows = ["| metric | type | labels | meaning |", "|---|---|---|---|"]
        for collector in registry._collector_to_names:
            for family in collector.describe():
                name = family.name + ("_total" if family.type == "counter" else "")
                labels = ", ".join(collector._labelnames)
                meaning = cell(family.documentation)
                rows.append(f"| `{name}` | {family.type} | {labels} | {meaning} |")
        parts.append("\n".join(rows))
    return "\n\n".join(parts) + "\n"


PAGES: dict[str, Callable[[], str]] = {
    "records.md": records,
    "commands.md": commands,
    "http.md": http,
    "metrics.md": metrics,
    "settings.md": settings.markdown,
}

if __name__ == "__main__":
    for name, page in PAGES.items():
        (FOLDER / name).write_text(page(), encoding="utf-8")
