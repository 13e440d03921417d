"""The oddities of OpenAI-like answers, and what becomes of each: rules over parsed messages and choices.

Hosts that call themselves compatible differ in small things that break strict clients: a finish reason in
their own words or none at all, tool calls that all have the index 0, thoughts under `reasoning`. Shapes:
OpenAI's API reference, "The chat completion object"; the deviations are named where they are handled.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from ...plugins import Call, ErrorKind, Json, UpstreamError

FINISH_REASONS: Mapping[str, str] = {
    native: reason
    for reason, words in {
        "stop": "normal end_turn stop_sequence STOP COMPLETE eos end EOS_TOKEN done",
        "length": "max_tokens MAX_TOKENS model_length model_context_window_exceeded",
        "tool_calls": "tool_use TOOL_CALL FUNCTION_CALL",
        "content_filter": "sensitive SAFETY RECITATION BLOCKLIST PROHIBITED_CONTENT refusal",
    }.items()
    for native in words.split()
}
"""Finish reasons of hosts in OpenAI's words. Together: `eos`; Mistral: `model_length`; Hunyuan and Zhipu:
`sensitive`; the rest comes through hosts that resell Anthropic, Gemini and Cohere."""

FAILED: Mapping[str, ErrorKind] = {
    "error": ErrorKind.FAULT,  # OpenRouter, page "Errors"
    "network_error": ErrorKind.FAULT,  # Zhipu, page "Chat completion"
    "insufficient_system_resource": ErrorKind.BUSY,  # DeepSeek, page "Create chat completion"
}
"""Finish reasons by which a host says that it failed."""


@dataclass(slots=True)
class ToolCall:
    """A tool call under way, as the client knows it."""

    index: int
    id: str


@dataclass(slots=True)
class ChoiceState:
    """What is known of a choice so far. `at` finds a tool call by the index its host gives it."""

    finish: str | None = None
    calls: list[ToolCall] = field(default_factory=list)
    at: dict[int, ToolCall] = field(default_factory=dict)


def tidy_answer(call: Call, body: bytes) -> bytes:
    """Return a whole chat or completion answer tidied: the same bytes if nothing was odd.

    Raises UpstreamError for a finish reason that is a failure.
    """
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        return body
    choices = answer.get("choices") if isinstance(answer, dict) else None
    if not isinstance(choices, list):
        return body
    changes = [_tidy_whole(choice, call) for choice in choices if isinstance(choice, dict)]
    return orjson.dumps(answer) if any(changes) else body


def tidy_message(message: Json) -> bool:
    """Put a message or a delta right, return whether it changed.

    Thoughts are under `reasoning` at OpenRouter, Groq, Cerebras, Ollama and newer vLLM. Mistral's thinking
    models send a list of parts as content.
    """
    changed = False
    content = message.get("content")
    if isinstance(content, list):
        message["content"] = _joined(content, "text")
        if thoughts := _joined(content, "thinking"):
            message["reasoning_content"] = thoughts
        changed = True
    thought = message.get("reasoning")
    if isinstance(thought, str) and thought and not message.get("reasoning_content"):
        message["reasoning_content"] = message.pop("reasoning")
        changed = True
    return changed


def _joined(parts: list[Any], kind: str) -> str:
    """Join the texts of the parts of this type; a thinking part holds parts of its own."""
    texts: list[str] = []
    for part in parts:
        if isinstance(part, dict) and part.get("type") == kind:
            said = part.get(kind)
            texts.append(_joined(said, "text") if isinstance(said, list) else str(said or ""))
    return "".join(texts)


def _tidy_whole(choice: Json, call: Call) -> bool:
    state = ChoiceState()
    changed = False
    message = choice.get("message")
    if isinstance(message, dict):
        changed = tidy_message(message) | tidy_calls(message, state, call, whole=True)
    elif call.endpoint == "chat/completions":  # Azure, when its filter took the answer
        choice["message"] = {"role": "assistant", "content": ""}
        changed = True
    if not choice.get("finish_reason"):  # Spark
        choice["finish_reason"] = "stop"
        changed = True
    return tidy_finish(choice, state) or changed


def tidy_finish(choice: Json, state: ChoiceState) -> bool:
    """Put a finish reason into OpenAI's words; the first one that a choice gets stays."""
    native = choice.get("finish_reason")
    if not isinstance(native, str):
        return False
    if native in FAILED:
        raise UpstreamError(FAILED[native], f"the provider ended its answer with {native!r}")
    reason: str | None = FINISH_REASONS.get(native, native)
    if native in ("", "null"):
        reason = None
    elif state.finish is not None:
        reason = state.finish
    elif reason == "stop" and state.calls:
        reason = "tool_calls"
    state.finish = reason or state.finish
    choice["finish_reason"] = reason
    return reason != native


def tidy_calls(message: Json, state: ChoiceState, call: Call, *, whole: bool = False) -> bool:
    """Number tool calls and give them ids. A whole answer's calls have no index, so none is put there."""
    calls = message.get("tool_calls")
    if not isinstance(calls, list):
        return False
    changes = [_tidy_call(said, state, call, whole) for said in calls if isinstance(said, dict)]
    return any(changes)


def _tidy_call(said: Json, state: ChoiceState, call: Call, whole: bool) -> bool:
    before = dict(said)
    function = said.get("function")
    function = function if isinstance(function, dict) else {}
    if isinstance(arguments := function.get("arguments"), (dict, list)):
        said["function"] = {**function, "arguments": orjson.dumps(arguments).decode()}
    known = None if whole else _known_call(said, function, state)
    if known is None:
        known = _new_call(said, state, call)
        said["id"] = known.id
    elif said.get("id") == "":  # DashScope: the same call; a client that believes it loses the id
        del said["id"]
    if not whole:
        said["index"] = known.index
    return said != before


def _new_call(said: Json, state: ChoiceState, call: Call) -> ToolCall:
    """Note a new call. It keeps the index its host gives it if no other call has that one."""
    used = {one.index for one in state.calls}
    stated = said.get("index")
    index = stated if isinstance(stated, int) and stated not in used else max(used, default=-1) + 1
    made = ToolCall(index, said.get("id") or f"call_{call.request_id}_{index}")
    state.calls.append(made)
    state.at[stated if isinstance(stated, int) else index] = made
    return made


def _known_call(said: Json, function: Json, state: ChoiceState) -> ToolCall | None:
    """Find the call that a delta goes on with. Another id is another call, whatever the index says."""
    index = said.get("index")
    id = said.get("id")
    if isinstance(index, int):
        known = state.at.get(index)
    elif id or function.get("name"):
        known = next((one for one in state.calls if id and one.id == id), None)
    else:
        known = state.calls[-1] if state.calls else None
    return None if known is not None and id and id != known.id else known


def index_of(choice: Json) -> int:
    """Return a choice's number; 0 where it states none."""
    index = choice.get("index")
    return index if isinstance(index, int) else 0
