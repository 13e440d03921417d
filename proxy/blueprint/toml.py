"""Write TOML: the tables, lists and values that an installation's file is made of. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def written(document: Mapping[str, object]) -> str:
    """Return a document as text: values first, then a table for each in a list or table of tables."""
    tops = [
        f"{_name(name)} = {_value(value)}" for name, value in document.items() if not _tables(name, value)
    ]
    parts = ["\n".join(tops)] if tops else []
    for name, value in document.items():
        for head, table in _tables(name, value):
            parts.append("\n".join([head, *(f"{_name(key)} = {_value(one)}" for key, one in table.items())]))
    return "\n\n".join(parts) + "\n"


def _tables(name: str, value: object) -> list[tuple[str, Mapping[str, object]]]:
    """Return the tables that a value is written as, none for what stands in a line."""
    if isinstance(value, (list, tuple)) and value and all(isinstance(one, Mapping) for one in value):
        return [(f"[[{_name(name)}]]", one) for one in value]
    if isinstance(value, Mapping) and value:
        if all(isinstance(one, Mapping) for one in value.values()):
            return [(f"[{_name(name)}.{_name(key)}]", one) for key, one in value.items()]
        return [(f"[{_name(name)}]", value)]
    return []


def _value(value: object) -> str:
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat() + "Z"
    if isinstance(value, Mapping):
        pairs = (f"{_name(name)} = {_value(one)}" for name, one in value.items())
        return f"{{ {', '.join(pairs)} }}" if value else "{}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_value, value))}]"
    raise TypeError(f"no TOML for {type(value).__name__}")


def _name(name: str) -> str:
    return name if _BARE.fullmatch(name) else _value(name)
