"""The tools a request offers and how the model may choose among them, from all forms that OpenAI has.

Shapes: OpenAI's API reference, "Create chat completion", `tools`, `tool_choice`, `parallel_tool_calls`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ...plugins import BodyError, Call, Json
from ..chat import functions_of

Mode = Literal["", "auto", "none", "required"]

_MODES: Mapping[str, Mode] = {"auto": "auto", "none": "none", "required": "required", "any": "required"}

CHOICE_FIELDS = ("tools", "tool_choice", "parallel_tool_calls", "functions", "function_call")
"""The fields of a request that `tools_of` reads."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What may be called. `mode` is empty where the client left it open.

    `own` are tools of the provider's, in its own shape. `only` is the one function that must be called.
    `parallel` is false where at most one call at a time is wanted.
    """

    functions: tuple[Json, ...] = ()
    own: tuple[Json, ...] = ()
    mode: Mode = ""
    only: str = ""
    parallel: bool = True


def tools_of(call: Call) -> Tools:
    """Read a request's tools. Raises BodyError for a function without a name and a choice without sense."""
    tree = call.body.tree if call.body is not None else {}
    functions = functions_of(call)
    for function in functions:
        if not isinstance(function.get("name"), str) or not function["name"]:
            raise BodyError("a function of 'tools' must have a name", "tools")
    given = tree.get("tools")
    tools = given if isinstance(given, list) else []
    own = [tool for tool in tools if isinstance(tool, dict) and "function" not in tool]
    mode, names, only = _choice(tree.get("tool_choice") or tree.get("function_call"))
    if names is not None:
        functions = [function for function in functions if function["name"] in names]
    if only and only not in {function["name"] for function in functions}:
        raise BodyError(f"'tool_choice' names {only!r}, which is not among the tools", "tool_choice")
    if mode == "required" and not functions and not own:
        raise BodyError("'tool_choice' wants a tool called, but there is none", "tool_choice")
    return Tools(tuple(functions), tuple(own), mode, only, tree.get("parallel_tool_calls") is not False)


def parameters_of(function: Json) -> Json:
    """Return the schema of a function's arguments, an empty object's where the client gave none."""
    given = function.get("parameters")
    if isinstance(given, dict) and given:
        return {"type": "object", **given}
    return {"type": "object", "properties": {}}


def _choice(choice: object) -> tuple[Mode, frozenset[str] | None, str]:
    """Mode, the names that may be called (None for all), the one name that must be."""
    if choice is None:
        return "", None, ""
    if isinstance(choice, str) and choice in _MODES:
        return _MODES[choice], None, ""
    if isinstance(choice, dict):
        if choice.get("type") == "allowed_tools":
            return _allowed(choice.get("allowed_tools"))
        name = _name(choice)
        if name:
            return "required", None, name
    raise BodyError("'tool_choice' must be none, auto, required or a function", "tool_choice")


def _allowed(allowed: object) -> tuple[Mode, frozenset[str] | None, str]:
    if isinstance(allowed, dict) and isinstance(allowed.get("tools"), list):
        names = frozenset(_name(tool) for tool in allowed["tools"] if isinstance(tool, dict))
        return _MODES.get(str(allowed.get("mode")), "auto"), names, ""
    raise BodyError("'tool_choice.allowed_tools' must have a mode and a list of tools", "tool_choice")


def _name(tool: Json) -> str:
    """The name in `{"type": "function", "function": {"name": ...}}`, or in the older `{"name": ...}`."""
    function = tool.get("function", tool)
    name = function.get("name") if isinstance(function, dict) else None
    return name if isinstance(name, str) else ""
