"""The pages that describe the admin API: the OpenAPI document, and the same for people, without scripts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from html import escape
from itertools import groupby
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from .openapi import document
from .operations import PREFIX, Operation

Json = dict[str, Any]

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'"
_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60em;margin:2em auto;padding:0 1em}"
    "code,pre{font-size:.9em}section{border-top:1px solid #8888;margin-top:1em}pre{overflow:auto}"
    "@media(prefers-color-scheme:dark){body{background:#111;color:#ddd}a{color:#8bf}}"
)


def add_description(site: web.Application, operations: Sequence[Operation]) -> None:
    """Serve the document and the page; both are made once."""
    described = document(operations)
    pages = {
        "openapi.json": (json.dumps(described).encode(), "application/json"),
        "docs": (_page(operations, described).encode(), "text/html"),
    }
    for name, (body, kind) in pages.items():
        for form in (f"{PREFIX}/{name}", f"{PREFIX}/{name}/"):
            site.router.add_get(form, _sends(body, kind))


def _sends(body: bytes, kind: str) -> Handler:
    async def send(_: web.Request) -> web.StreamResponse:
        response = web.Response(body=body, content_type=kind, charset="utf-8")
        response.headers["content-security-policy"] = _POLICY
        return response

    return send


def _page(operations: Iterable[Operation], described: Json) -> str:
    schemas = described["components"]["schemas"]
    parts = [
        f"<!doctype html><html lang=en><meta charset=utf-8><title>canalgate admin API</title>"
        f"<style>{_STYLE}</style><h1>canalgate admin API</h1><p>{escape(_INTRODUCTION)}</p>"
        f'<p><a href="{PREFIX}/openapi.json">openapi.json</a></p>'
    ]
    for area, members in groupby(operations, lambda operation: operation.area):
        parts.append(f"<h2>{escape(area)}</h2>")
        parts += [_section(operation, described) for operation in members]
    parts.append("<h2>shapes</h2>")
    for name, schema in sorted(schemas.items()):
        parts.append(f'<section id="{escape(name)}"><h3>{escape(name)}</h3>{_code(schema)}</section>')
    return "".join(parts)


_INTRODUCTION = (
    "Send the admin key or an access token as Authorization: Bearer, or log in and keep the cookie. Bodies"
    " are JSON. Money is whole quota, 500,000 is 1 US dollar; times are unix seconds. Lists go on with"
    " after=next."
)


def _section(operation: Operation, described: Json) -> str:
    told = described["paths"][f"{PREFIX}{operation.path}"][operation.method.lower()]
    title = f"{operation.method} {PREFIX}{operation.path}"
    text = f"{told['summary']}. {told['description']}"
    shown = {name: told[name] for name in ("parameters", "requestBody", "responses") if told.get(name)}
    details = f"<details><summary>details</summary>{_code(shown)}</details>"
    return f"<section><h3><code>{escape(title)}</code></h3><p>{escape(text)}</p>{details}</section>"


def _code(value: object) -> str:
    return f"<pre>{escape(json.dumps(value, indent=1, ensure_ascii=False))}</pre>"
