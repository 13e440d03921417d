"""OpenAI's chat requests in the shape of Baidu's legacy ERNIE API.

That API is strict about turns: an odd number of messages, of which the first, third and so on are the
user's or a function's result and the others the assistant's; the first is not a function's. So runs of one
role are joined, and where a turn is missing a short one is put in. Source: Baidu's WENXINWORKSHOP pages
"ERNIE-4.0-8K" and "ERNIE-3.5-8K" (request parameters) and "Messages rules".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from ...plugins import BodyError, Call, Json
from ..chat import data_url, functions_of, messages_of, parts_of, text_of
from ..fields import CHAT_FIELDS, others
from .models import Service

_HANDLED = frozenset(
    {"model", "messages", "stream", "stream_options", "system", "user", "n", "stop", "temperature", "top_p"}
    | {"max_tokens", "max_completion_tokens", "response_format"}
    | {"tools", "functions", "tool_choice", "function_call"}
)

_NEEDS = {
    "max_tokens": "M",
    "max_completion_tokens": "M",
    "response_format": "R",
    "tools": "FT",
    "functions": "FT",
    "tool_choice": "C",
    "function_call": "C",
    "frequency_penalty": "P",
    "presence_penalty": "P",
}
"""What a service must take, one of these letters, for a field of OpenAI's to have a place."""

_SHORT_TURN = {"user": "继续", "assistant": "好的"}
"""What stands in for a missing turn: "go on" and "all right"."""


def chat_body(call: Call, service: Service) -> tuple[Json, tuple[str, ...]]:
    """Return the body for a chat service, and the names of the fields that had to be left out.

    Raises BodyError for what cannot be said to it: several choices, images where it takes none, a tool call
    without its result.
    """
    assert call.body is not None
    tree = call.body.tree
    if isinstance(tree.get("n"), int) and tree["n"] > 1:
        raise BodyError("this provider gives one choice: 'n' must be 1", "n")
    unsupported = _unsupported(tree, service)
    rest, dropped = others(call, _HANDLED - unsupported, unsupported)
    system, turns = _conversation(messages_of(call), "V" in service.takes)
    system = [tree["system"], *system] if isinstance(tree.get("system"), str) else system
    if system and "Y" not in service.takes:
        turns[0]["content"] = _joined("\n".join(system), turns[0]["content"])
        system = []
    body: Json = {"messages": turns, **rest, **_settings(call, service, unsupported)}
    if system:
        body["system"] = "\n".join(system)
    return body, dropped


def image_question(call: Call) -> tuple[Json, tuple[str, ...]]:
    """Return the body for a service that answers a question about one picture (image2text).

    Raises BodyError where there is no picture, or only its address: the service takes its bytes.
    """
    parts = [part for message in messages_of(call) for part in parts_of(message.get("content"))]
    pictures = [found for part in parts if (found := data_url(_address(part)))]
    if not pictures:
        raise BodyError("this model answers about a picture, given as a data URL", "messages")
    assert call.body is not None
    texts = [part["text"] for part in parts if isinstance(part.get("text"), str)]
    service = Service("", "")
    unsupported = _unsupported(call.body.tree, service)
    rest, dropped = others(call, _HANDLED - unsupported, unsupported)
    body = {"prompt": "\n".join(texts), "image": pictures[-1][1], **rest}
    return {**body, **_settings(call, service, unsupported)}, dropped


# Settings.


def _unsupported(tree: Json, service: Service) -> frozenset[str]:
    """The fields of this request that the service has no place for."""
    lacking = {name for name, letters in _NEEDS.items() if not set(letters) & set(service.takes)}
    for name in ("tool_choice", "function_call"):
        if tree.get(name) in ("auto", "none", None):
            lacking.discard(name)  # nothing to say, or said by leaving the functions out
        elif tree.get(name) == "required":
            lacking.add(name)
    if _format(tree) not in ("text", "json_object", None):
        lacking.add("response_format")
    penalties = {"frequency_penalty", "presence_penalty"} - lacking
    return frozenset(CHAT_FIELDS - _HANDLED - penalties | lacking)


def _settings(call: Call, service: Service, unsupported: frozenset[str]) -> Json:
    """What OpenAI's fields are here."""
    assert call.body is not None
    tree = call.body.tree
    made: Json = {
        "stream": True if call.stream else None,
        "temperature": _within(tree.get("temperature"), 0.01, 1.0),
        "top_p": _within(tree.get("top_p"), 0.0, 1.0),
        "stop": [tree["stop"]] if isinstance(tree.get("stop"), str) else tree.get("stop"),
        "user_id": tree.get("user"),
    }
    limit = next((tree[name] for name in ("max_completion_tokens", "max_tokens") if tree.get(name)), None)
    if "max_tokens" not in unsupported:
        made["max_output_tokens"] = _within(limit, 2, service.max_output)
    if "response_format" not in unsupported:
        made["response_format"] = _format(tree)
    if "tools" not in unsupported:
        made |= _functions(call, service, unsupported)
    return {name: value for name, value in made.items() if value is not None}


def _within(value: Any, low: float, high: float | None) -> Any:
    """The number moved into a range. Anything else is returned as it is, for the provider to refuse."""
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return value
    value = max(low, value)
    return value if high is None else min(high, value)


def _format(tree: Json) -> Any:
    given = tree.get("response_format")
    return given.get("type") if isinstance(given, dict) else given


def _functions(call: Call, service: Service, unsupported: frozenset[str]) -> Json:
    assert call.body is not None
    choice = call.body.tree.get("tool_choice") or call.body.tree.get("function_call")
    functions = [] if choice == "none" else functions_of(call)
    if not functions:
        return {}
    if "F" in service.takes:
        made: Json = {"functions": [_function(function) for function in functions]}
    else:
        made = {"tools": [{"type": "function", "function": _function(function)} for function in functions]}
    if isinstance(choice, dict) and not {"tool_choice", "function_call"} & unsupported:
        named = choice.get("function") or {"name": choice.get("name")}
        made["tool_choice"] = {"type": "function", "function": named}
    return made


def _function(function: Json) -> Json:
    """A function with all that is required here. `responses` and `examples` are Baidu's own and stay."""
    made = {name: value for name, value in function.items() if name != "strict" and value is not None}
    made["description"] = made.get("description") or made.get("name")
    made["parameters"] = made.get("parameters") or {"type": "object", "properties": {}}
    return made


# The conversation.


def _conversation(messages: list[Json], takes_images: bool) -> tuple[list[str], list[Json]]:
    """Return the texts for `system`, and the turns in their strict order."""
    system = [text_of(message.get("content")) for message in messages if _is_system(message)]
    system = [text for text in system if text]
    turns: list[Json] = []
    for turn in _turns([message for message in messages if not _is_system(message)], takes_images):
        _append(turns, turn)
    if not turns and system:
        return [], [{"role": "user", "content": "\n".join(system)}]
    if not turns:
        raise BodyError("the messages hold no text", "messages")
    if turns[-1]["role"] == "assistant":
        turns.append({"role": "user", "content": _SHORT_TURN["user"]})
    return system, turns


def _is_system(message: Json) -> bool:
    return message.get("role") in ("system", "developer")


def _append(turns: list[Json], turn: Json) -> None:
    """Put a turn behind the others: join it with one of its own role, or part the two by a short turn."""
    last = turns[-1] if turns else None
    if last and last["role"] == turn["role"] != "function" and "function_call" not in last:
        joined = _joined(last["content"], turn.get("content", ""))
        turns[-1] = {**last, **turn, "content": joined}
        return
    after_assistant = last is None or last["role"] == "assistant"
    if after_assistant and turn["role"] == "assistant":
        turns.append({"role": "user", "content": _SHORT_TURN["user"]})
    elif not after_assistant and turn["role"] != "assistant":
        turns.append({"role": "assistant", "content": _SHORT_TURN["assistant"]})
    turns.append(turn)


def _turns(messages: list[Json], takes_images: bool) -> Iterator[Json]:
    """Yield each message as one turn, or as several: the API knows one function call a turn."""
    at = 0
    while at < len(messages):
        message = messages[at]
        at += 1
        role = message.get("role")
        if role == "assistant" and (calls := _calls(message)):
            results = _results(messages[at:])
            at += len(results)
            yield from _call_turns(message, calls, results)
        elif role in ("user", "assistant"):
            if content := _content(message, takes_images and role == "user"):
                yield {"role": role, "content": content}
        elif role in ("tool", "function"):  # its call is not in the history: a client has cut that off
            if text := text_of(message.get("content")):
                yield {"role": "user", "content": text}
        else:
            raise BodyError(f"a message has the unknown role {role!r}", "messages")


def _calls(message: Json) -> list[tuple[str, Json]]:
    """The tool calls of an assistant's message: pairs of an id and a function."""
    given = message.get("tool_calls") or ()
    calls: list[tuple[str, Any]] = [
        (str(item.get("id") or ""), item.get("function")) for item in given if isinstance(item, dict)
    ]
    if not calls and message.get("function_call"):
        calls = [("", message["function_call"])]
    if not all(isinstance(function, dict) and function.get("name") for _, function in calls):
        raise BodyError("a tool call must name its function", "messages")
    return calls


def _results(messages: list[Json]) -> list[Json]:
    """The tools' results that these messages begin with."""
    ends = (at for at, message in enumerate(messages) if message.get("role") not in ("tool", "function"))
    return messages[: next(ends, len(messages))]


def _call_turns(message: Json, calls: list[tuple[str, Json]], results: list[Json]) -> Iterator[Json]:
    """Yield each call and its result in turn, whatever their order was."""
    if len(results) > len(calls):
        raise BodyError("there are more results than tool calls", "messages")
    by_id = {result.get("tool_call_id"): result for result in results}
    content = text_of(message.get("content"))
    for at, (id, function) in enumerate(calls):
        result = by_id.get(id) or (results[at] if at < len(results) else None)
        if result is None:
            raise BodyError(f"the call of {function['name']!r} has no result", "messages")
        arguments = function.get("arguments") or "{}"
        arguments = arguments if isinstance(arguments, str) else orjson.dumps(arguments).decode()
        yield {
            "role": "assistant",
            **({"content": content} if content and at == 0 else {}),
            "function_call": {**function, "arguments": arguments},
        }
        yield {"role": "function", "name": function["name"], "content": _as_json(result)}


def _as_json(result: Json) -> str:
    """A tool's result as JSON text, which some models insist on."""
    text = text_of(result.get("content"))
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return orjson.dumps({"result": text}).decode()
    return text


def _content(message: Json, takes_images: bool) -> str | list[Json]:
    """A message's content: its text, or its parts where it has a picture."""
    parts = parts_of(message.get("content"))
    kinds = {part.get("type") for part in parts}
    if kinds <= {"text"}:
        return text_of(parts)
    if kinds <= {"text", "image_url"} and takes_images:
        return parts
    raise BodyError(f"this model does not take {sorted(map(str, kinds - {'text'}))} in messages", "messages")


def _joined(first: str | list[Json], second: str | list[Json]) -> str | list[Json]:
    if isinstance(first, str) and isinstance(second, str):
        return "\n".join(filter(None, (first, second)))
    return [*parts_of(first), *parts_of(second)]


def _address(part: Json) -> str:
    image: Any = part.get("image_url")
    url = image.get("url") if isinstance(image, dict) else image
    return url if isinstance(url, str) else ""
