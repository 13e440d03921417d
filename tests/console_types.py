"""The shapes of the admin API as TypeScript: console/src/lib/openapi.ts, made by `make references`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from canalgate.proxy.admin.openapi import document
from canalgate.proxy.admin.resources import OPERATIONS

HEAD = (
    "// What the admin API takes and answers. Made by `make references` from the program; not to be edited.\n"
)


def types() -> str:
    """Return the file: a type for each shape of the document but pages, which are generic."""
    schemas = document(OPERATIONS)["components"]["schemas"]
    shapes = [_shape(name, schema) for name, schema in schemas.items() if not name.startswith("Page_")]
    page = "export type Page<T> = { data: T[]; next: string | null };\n"
    return "\n".join([HEAD, page, *shapes])


def _shape(name: str, schema: Mapping[str, Any]) -> str:
    lines = [
        f"  {key}{_mark(key, schema)}: {_type(one)};" for key, one in schema.get("properties", {}).items()
    ]
    return "\n".join([f"export type {name} = {{", *lines, "};", ""])


def _mark(key: str, schema: Mapping[str, Any]) -> str:
    return "" if key in schema.get("required", ()) else "?"


def _type(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    if "anyOf" in schema:
        return " | ".join(dict.fromkeys(_type(one) for one in schema["anyOf"]))
    if "enum" in schema:
        return " | ".join(json.dumps(one) for one in schema["enum"])
    match schema.get("type"):
        case "array":
            return f"{_bracketed(_type(schema['items']))}[]"
        case "object":
            return f"Record<string, {_type(schema.get('additionalProperties') or {})}>"
        case kind:
            return _PLAIN.get(str(kind), "unknown")


def _bracketed(text: str) -> str:
    return f"({text})" if " | " in text else text


_PLAIN = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null"}
