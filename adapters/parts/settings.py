"""The plain settings of a chat request, checked and brought into the range a provider takes.

Shapes: OpenAI's API reference, "Create chat completion".
"""

from __future__ import annotations

from typing import Literal

from ...plugins import BodyError, Call, Json


def max_tokens_of(call: Call) -> int | None:
    """Return the client's limit of completion tokens, under its new name or its old one."""
    limit = _integer(call, "max_completion_tokens")
    return _integer(call, "max_tokens") if limit is None else limit


def number_of(call: Call, name: str, low: float, high: float) -> float | None:
    """Return a setting, moved into the provider's range; None if the client left it open."""
    value = _tree(call).get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise BodyError(f"{name!r} must be a number", name)
    return min(max(value, low), high)


def stop_of(call: Call) -> list[str]:
    """Return the texts at which to stop. Those of white space only are left out: providers refuse them."""
    given = _tree(call).get("stop")
    stops = [given] if isinstance(given, str) else given or []
    if not isinstance(stops, list) or not all(isinstance(stop, str) for stop in stops):
        raise BodyError("'stop' must be a text or a list of texts", "stop")
    return [stop for stop in stops if stop.strip()]


def choices_of(call: Call, most: int = 1) -> int:
    """Return how many choices are wanted. BodyError for more than the provider gives."""
    wanted = _integer(call, "n") or 1
    if wanted > most:
        raise BodyError(f"this provider takes an 'n' of at most {most}", "n")
    return wanted


Format = Literal["text", "json_object", "json_schema"]


def format_of(call: Call) -> tuple[Format, Json]:
    """Return the format an answer must have, and for `json_schema` what it says: name, schema and more."""
    wanted = _tree(call).get("response_format") or {"type": "text"}
    kind = wanted.get("type") if isinstance(wanted, dict) else None
    if kind == "text":
        return "text", {}
    if kind == "json_object":
        return "json_object", {}
    schema = wanted.get("json_schema") if kind == "json_schema" else None
    if not isinstance(schema, dict) or not isinstance(schema.get("schema"), dict):
        raise BodyError("'response_format' must be text, json_object or json_schema", "response_format")
    return "json_schema", schema


def _integer(call: Call, name: str) -> int | None:
    value = _tree(call).get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise BodyError(f"{name!r} must be a whole number from 1 on", name)
    return value


def _tree(call: Call) -> Json:
    assert call.body is not None
    return call.body.tree
