"""The page of ``/docs``: the OpenAPI document as plain HTML, which needs no script and no network.

Swagger UI, FastAPI's own page, would load 1.5 MB of scripts from elsewhere.
"""

from collections.abc import Iterator
from html import escape
from typing import Any

import orjson

CONTENT_SECURITY_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_STYLE = (
    "body{font:16px/1.5 sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "pre{background:#8881;padding:.5rem;overflow-x:auto}code{font-weight:bold}"
)


def page(document: dict[str, Any], address: str) -> str:
    """Return the page of an OpenAPI document.

    Parameters
    ----------
    document : dict
    address : str
        Where the document itself is.
    """
    information = document["info"]
    title = escape(information["title"])
    return "\n".join(
        [
            "<!doctype html>",
            f'<html lang="en"><meta charset="utf-8"><title>{title}</title>',
            f"<style>{_STYLE}</style><h1>{title}</h1>",
            f"<p>{escape(information['description'])} Schemas of requests and answers are in",
            f'<a href="{escape(address)}">{escape(address)}</a>.</p>',
            *_routes(document["paths"]),
            "</html>",
        ]
    )


def _routes(paths: dict[str, Any]) -> Iterator[str]:
    for path, methods in paths.items():
        for method, operation in methods.items():
            yield f"<h2><code>{method.upper()} {escape(path)}</code></h2>"
            yield f"<p>{escape(operation['summary'])}.</p>"
            for parameter in operation.get("parameters", ()):
                names = ", ".join(parameter["schema"].get("enum", ()))
                text = f"{parameter['description']} ({names})"
                yield f"<p>?<code>{escape(parameter['name'])}</code> {escape(text)}</p>"
            if request := operation.get("requestBody"):
                yield from _example("The body, for example:", request)
            for status, answer in operation["responses"].items():
                yield from _example(f"{status} {answer['description']}:", answer)


def _example(heading: str, described: dict[str, Any]) -> Iterator[str]:
    for media_type, content in described["content"].items():
        if "example" in content:
            example = content["example"]
            text = example if isinstance(example, str) else _json(example)
            yield f"<p>{escape(heading)} {escape(media_type)}</p><pre>{escape(text)}</pre>"


def _json(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z).decode()
