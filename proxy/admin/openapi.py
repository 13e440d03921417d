"""The admin API's description as an OpenAPI 3.1 document, made from its operations."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from ... import __version__
from .fields import Shown
from .glossary import PATHS, meaning
from .operations import PREFIX, Operation
from .sessions import COOKIE
from .streams import ARCHIVE, EVENTS, LINES, TABLE

_REF = "#/components/schemas/{name}"
_JSON = "application/json"
_SCHEMES = {
    "key": {
        "type": "http", "scheme": "bearer",
        "description": "The admin key, or a user's access token; `Bearer` may be left out.",
    },
    "session": {"type": "apiKey", "in": "cookie", "name": COOKIE, "description": "Made by login."},
}  # fmt: skip


class Problem(Shown, frozen=True, kw_only=True):
    """What went wrong. `param` names the field at fault, `code` is for programs."""

    message: str
    type: str
    param: str | None
    code: str | None


class Failed(Shown, frozen=True, kw_only=True):
    """An answer other than success."""

    error: Problem


def document(operations: Iterable[Operation]) -> dict[str, Any]:
    """Return the document."""
    operations = list(operations)
    kinds = list(_kinds(operations))
    schemas, components = msgspec.json.schema_components(kinds, ref_template=_REF)
    found = dict(zip(map(str, kinds), schemas, strict=True))
    for struct, schema in components.items():
        for name, one in schema.get("properties", {}).items():
            one["description"] = meaning(struct, name)
    paths: dict[str, Any] = {}
    for operation in operations:
        item = paths.setdefault(f"{PREFIX}{operation.path}", {})
        item[operation.method.lower()] = _operation(operation, found, components)
    given = {name for operation in operations if operation.query for name in [operation.query.__name__]}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "canalgate admin API",
            "version": __version__,
            "description": "Money is whole quota: 500,000 is 1 US dollar. Times are unix seconds.",
        },
        "paths": paths,
        "components": {
            "schemas": {name: schema for name, schema in components.items() if name not in given},
            "securitySchemes": _SCHEMES,
        },
        "security": [{"key": []}, {"session": []}],
    }


def _kinds(operations: Iterable[Operation]) -> Iterator[Any]:
    yield Failed
    for operation in operations:
        yield from (kind for kind in (operation.query, operation.body, operation.answer) if kind is not None)
        yield from operation.takes.values()


def _operation(operation: Operation, found: dict[str, Any], components: dict[str, Any]) -> dict[str, Any]:
    first, _, rest = operation.text.partition("\n\n")
    parts: dict[str, Any] = {
        "operationId": operation.name,
        "tags": [operation.area],
        "summary": first.rstrip("."),
        "description": f"{rest}\n\nLeast role: {operation.least}.".strip(),
        "parameters": list(_parameters(operation, found, components)),
        "responses": _responses(operation, found),
    }
    if operation.body is not None:
        schema = found[str(operation.body)]
        parts["requestBody"] = {"required": True, "content": {_JSON: {"schema": schema}}}
    if operation.least == "public":
        parts["security"] = []
    return parts


def _parameters(
    operation: Operation, found: dict[str, Any], components: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    for name, kind in operation.takes.items():
        text = PATHS[name]
        yield {"name": name, "in": "path", "required": True, "description": text, "schema": found[str(kind)]}
    if operation.query is not None:
        query = components[re.sub(r".*/", "", found[str(operation.query)]["$ref"])]
        for name, schema in query["properties"].items():
            is_required = name in query.get("required", ())
            sent = _sent(schema)
            text = sent.pop("description")
            yield {"name": name, "in": "query", "required": is_required, "description": text, "schema": sent}
    if operation.once:
        yield _header("Idempotency-Key", _ONCE[operation.once], 191)
    if operation.is_matched:
        yield _header("If-Match", "The ETag of what is to be changed; 412 if it has changed since.")


_ONCE = {
    "kept": "With the same key again in a day nothing is made twice: the first answer is given again.",
    "passed": "With the same key again in a day nothing is added twice; the answer is as things are then.",
}


def _sent(schema: dict[str, Any]) -> dict[str, Any]:
    """A parameter that is not sent is null; nothing that is sent is."""
    kept = [part for part in schema.get("anyOf", ()) if part != {"type": "null"}]
    schema = {name: value for name, value in schema.items() if name not in ("anyOf", "default")}
    return {**schema, **(kept[0] if len(kept) == 1 else {"anyOf": kept} if kept else {})}


def _header(name: str, text: str, most: int = 1000) -> dict[str, Any]:
    schema = {"type": "string", "minLength": 1, "maxLength": most, "pattern": "^[!-~]+$"}
    return {"name": name, "in": "header", "required": False, "description": text, "schema": schema}


_PIECES = {
    LINES: "Lines of JSON as they come, like `x-itemSchema`; the last one is an error if it fails midway.",
    EVENTS: "Server-sent events, whose data are JSON like `x-itemSchema`; an event `error` says it fails.",
    TABLE: "A table whose first line has the names of the columns, those of `x-itemSchema`.",
}


def _content(operation: Operation, schema: dict[str, Any]) -> dict[str, Any]:
    """Say of what an answer is; of a stream, of what its pieces are."""
    if operation.media == (ARCHIVE,):
        return {ARCHIVE: {"schema": {"type": "string", "contentMediaType": ARCHIVE}}}
    return {
        media: {"schema": schema}
        if media == _JSON
        else {"schema": {"type": "string", "description": _PIECES[media]}, "x-itemSchema": schema}
        for media in operation.media
    }


def _responses(operation: Operation, found: dict[str, Any]) -> dict[str, Any]:
    success: dict[str, Any] = {"description": "Done."}
    if operation.answer is not None:
        success["content"] = _content(operation, found[str(operation.answer)])
    if operation.is_tagged:
        text = "Tag of the state that is shown."
        success["headers"] = {"ETag": {"description": text, "schema": {"type": "string"}}}
    failed = {"description": "Not done.", "content": {_JSON: {"schema": found[str(Failed)]}}}
    return {str(operation.status): success, "default": failed}
