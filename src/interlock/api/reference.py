"""The reference for people: one plain page made from the OpenAPI document, with nothing fetched from elsewhere."""

from __future__ import annotations

from html import escape
from typing import Any

import msgspec

from interlock.api.schemas import all_problems
from interlock.domain.errors import Problem

Json = dict[str, Any]

_STYLE = """
:root{color-scheme:light dark;font:15px/1.5 system-ui,sans-serif}
body{max-width:60rem;margin:0 auto;padding:1rem}
code,pre{font:13px/1.45 ui-monospace,monospace}
pre{overflow:auto;padding:.6rem;border:1px solid #8885;border-radius:.3rem}
h3 code{font-size:1em}
.m{display:inline-block;min-width:3.6rem;font-weight:600}
table{border-collapse:collapse;width:100%}
td,th{text-align:left;vertical-align:top;padding:.2rem .6rem .2rem 0;border-bottom:1px solid #8883}
nav ul{columns:3 14rem;padding-left:1rem}
details{margin:.4rem 0}summary{cursor:pointer}
"""


def page(document: Json) -> bytes:
    """The whole page."""
    groups: dict[str, list[str]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            whole = _resolved(operation, document["components"]["responses"])
            groups.setdefault(operation["tags"][0], []).append(_operation(path, method, whole))
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width,initial-scale=1">',
        f"<title>Interlock API</title><style>{_STYLE}</style></head><body>",
        "<h1>Interlock API</h1>",
        "<p>Flat JSON in, <a href='https://jsonapi.org/format/1.1/'>JSON:API</a> documents out.</p>",
        "<p>The same in full for programs: <a href='/openapi.json'>/openapi.json</a>.</p>",
        "<nav><ul>",
        *(f"<li><a href='#{_anchor(tag)}'>{escape(tag)}</a></li>" for tag in groups),
        "<li><a href='#errors'>errors</a></li></ul></nav>",
    ]
    for tag, told in groups.items():
        parts += [f"<h2 id='{_anchor(tag)}'>{escape(tag)}</h2>", *told]
    parts += [_errors(), "</body></html>"]
    return "".join(parts).encode()


def _resolved(operation: Json, known: Json) -> Json:
    """An operation with its error answers in place."""
    answers = operation["responses"].items()
    return {**operation, "responses": {s: known[r["$ref"].rsplit("/", 1)[1]] if "$ref" in r else r for s, r in answers}}


def _anchor(text: str) -> str:
    return text.replace(" ", "-")


def _operation(path: str, method: str, operation: Json) -> str:
    out = [
        f"<h3 id='{operation['operationId']}'><code><span class=m>{method.upper()}</span> {escape(path)}</code></h3>",
        f"<p>{escape(operation['summary'])} {escape(operation.get('description', ''))}</p>",
    ]
    if operation.get("x-roles"):
        out.append(f"<p>Roles, any one: {', '.join(f'<code>{r}</code>' for r in operation['x-roles'])}</p>")
    if operation["parameters"]:
        rows = "".join(_parameter(p) for p in operation["parameters"])
        out.append(f"<details><summary>Parameters</summary><table>{rows}</table></details>")
    if "requestBody" in operation:
        out.append(_body(next(iter(operation["requestBody"]["content"].values()))))
    rows = "".join(
        f"<tr><td>{code}</td><td>{escape(r['description'])}</td></tr>" for code, r in operation["responses"].items()
    )
    return "".join([*out, f"<details><summary>Answers</summary><table>{rows}</table></details>"])


def _parameter(p: Json) -> str:
    need = "needed" if p["required"] else ""
    about = p.get("description", "") or _said(p["schema"])
    return (
        f"<tr><td><code>{escape(p['name'])}</code></td><td>{p['in']}</td><td>{need}</td><td>{escape(about)}</td></tr>"
    )


def _said(schema: Json) -> str:
    if "enum" in schema:
        return " | ".join(str(v) for v in schema["enum"])
    return str(schema.get("type", ""))


def _body(media: Json) -> str:
    name = media["schema"]["$ref"].rsplit("/", 1)[1]
    example = media.get("example")
    shown = msgspec.json.format(msgspec.json.encode(example), indent=2).decode() if example is not None else ""
    return f"<details open><summary>Body: <code>{name}</code></summary><pre>{escape(shown)}</pre></details>"


def _errors() -> str:
    rows = "".join(_error(p()) for p in all_problems())
    return f"<h2 id='errors'>Errors</h2><table><tr><th>status</th><th>code</th><th>meaning</th></tr>{rows}</table>"


def _error(p: Problem) -> str:
    anchor = p.code.lower().replace("_", "-")
    return f"<tr id='error-{anchor}'><td>{p.STATUS}</td><td><code>{p.code}</code></td><td>{escape(p.title)}</td></tr>"
