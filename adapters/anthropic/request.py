"""OpenAI's chat request as a request to Anthropic's Messages API.

Wire: platform.claude.com, API reference, "Create a Message"; "Effort"; "Structured outputs".
"""

from __future__ import annotations

from typing import Final

from ...plugins import Call, Json
from ..fields import CHAT_FIELDS, others
from ..parts.blocks import Conversation, conversation
from ..parts.claude import Thinking, asked, traits
from ..parts.settings import format_of, max_tokens_of, number_of, stop_of
from ..parts.tools import CHOICE_FIELDS, Tools, parameters_of, tools_of

_HANDLED: Final = frozenset(
    {
        *("model", "messages", "stream", "stream_options", "max_tokens", "max_completion_tokens", "stop"),
        *("temperature", "top_p", "reasoning_effort", "response_format", "user"),
        *CHOICE_FIELDS,
    }
)
_UNSUPPORTED: Final = CHAT_FIELDS - _HANDLED
"""What the Messages API has no place for, or has another meaning for, as `metadata` and `service_tier`."""

_CHOICES: Final = {"auto": "auto", "none": "none", "required": "any"}


def messages_request(call: Call, max_tokens: int) -> tuple[Json, tuple[str, ...]]:
    """Return the body for the Messages API, and the names of the client's fields that were left out.

    `max_tokens` is what the channel says where the client names no limit, which the API demands.
    """
    talk, tools = conversation(call), tools_of(call)
    thinking, impossible = asked(call, proven=talk.proven, forced=tools.mode == "required")
    kind, schema = format_of(call)
    if kind == "json_object" or (kind == "json_schema" and not traits(call.upstream_model).takes_schema):
        impossible |= {"response_format"}
    rest, dropped = others(call, _HANDLED - impossible, _UNSUPPORTED | impossible)
    made: Json = {
        "model": call.upstream_model,
        "max_tokens": max_tokens_of(call) or max_tokens + thinking.budget,
        "messages": talk.turns,
        **_settings(call, talk, impossible),
        **_tools(tools),
        **thinking.fields,
    }
    if call.stream:
        made["stream"] = True
    if output := _output(thinking, rest, {} if "response_format" in impossible else schema):
        made["output_config"] = output
    return {**rest, **made}, dropped


def _settings(call: Call, talk: Conversation, impossible: frozenset[str]) -> Json:
    assert call.body is not None
    made: Json = {}
    if talk.system:
        made["system"] = talk.system
    for name in ("temperature", "top_p"):
        value = None if name in impossible else number_of(call, name, 0, 1)
        if value is not None:
            made[name] = value
    if stops := stop_of(call):
        made["stop_sequences"] = stops
    if user := call.body.tree.get("user"):
        made["metadata"] = {"user_id": user}
    return made


def _tools(tools: Tools) -> Json:
    if not tools.functions and not tools.own:
        return {}
    made: Json = {"tools": [*map(_tool, tools.functions), *tools.own]}
    choice: Json = {"type": "tool", "name": tools.only} if tools.only else {}
    if not choice and (tools.mode or not tools.parallel):
        choice = {"type": _CHOICES[tools.mode or "auto"]}
    if not tools.parallel and choice["type"] != "none":
        choice["disable_parallel_tool_use"] = True
    return {**made, "tool_choice": choice} if choice else made


def _tool(function: Json) -> Json:
    made: Json = {"name": function["name"], "input_schema": parameters_of(function)}
    for name in ("description", "cache_control"):
        if function.get(name):
            made[name] = function[name]
    return made


def _output(thinking: Thinking, rest: Json, schema: Json) -> Json:
    """`output_config`: what the client says itself, the effort, the schema."""
    given = rest.get("output_config")
    made: Json = {**(given if isinstance(given, dict) else {}), **thinking.fields.get("output_config", {})}
    if schema:
        made["format"] = {"type": "json_schema", "schema": schema["schema"]}
    return made
