"""OpenAI's chat shapes for translators: the chunks of a stream, whole completions, parts of messages.

What a translator reads of a request and what it writes of an answer, so that each of them holds only its
provider's side. Shapes: OpenAI's API reference, "Chat", "The chat completion object" and "chunk object".
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Mapping
from struct import pack
from typing import Any

import orjson

from ..plugins import BodyError, Call, Json, Reply, Usage
from .sse import DONE


class ChunkWriter:
    """Writes the chunks of one streamed answer. Each method returns event-stream bytes for the client.

    The frame around a delta is encoded once; a delta costs one encode of its own few values.
    """

    __slots__ = ("_begun", "_called", "_frame", "_wants_usage")

    def __init__(self, call: Call, id: str = "") -> None:
        frame = {
            "id": id or f"chatcmpl-{call.request_id}",
            "object": "chat.completion.chunk",
            "created": int(call.now),
            "model": call.model,
        }
        self._frame = b"data: " + orjson.dumps(frame)[:-1] + b',"choices":['
        self._begun: set[int] = set()
        self._called: set[int] = set()
        self._wants_usage = wants_usage(call)

    def delta(self, delta: Json, index: int = 0, finish: str | None = None) -> bytes:
        """Return a chunk with this delta; the first one of a choice also states the role."""
        if index not in self._begun:
            self._begun.add(index)
            delta = {"role": "assistant", **delta}
        choice = {"index": index, "delta": delta, "finish_reason": finish}
        return self._frame + orjson.dumps(choice) + b"]}\n\n"

    def text(self, text: str, index: int = 0) -> bytes:
        """Return a chunk with a piece of the answer, or nothing for no text."""
        return self.delta({"content": text}, index) if text else b""

    def reasoning(self, text: str, index: int = 0) -> bytes:
        """Return a chunk with a piece of the model's thinking, or nothing for no text."""
        return self.delta({"reasoning_content": text}, index) if text else b""

    def tool_call(
        self, position: int, *, id: str = "", name: str = "", arguments: str = "", index: int = 0
    ) -> bytes:
        """Return a chunk of a tool call: `id` and `name` in its first chunk, then pieces of `arguments`."""
        self._called.add(index)
        function = {"name": name, "arguments": arguments} if name else {"arguments": arguments}
        call: Json = {"index": position, "function": function}
        if name:
            call = {
                "index": position,
                "id": id or f"call_{position}",
                "type": "function",
                "function": function,
            }
        return self.delta({"tool_calls": [call]}, index)

    def finish(self, reason: str, index: int = 0) -> bytes:
        """Return the last chunk of a choice. After a tool call its reason is never a plain stop."""
        return self.delta({}, index, finish_after(reason, index in self._called))

    def end(self, usage: Usage | None) -> bytes:
        """Return the end of the stream: the usage, if the client asked for it and it is known, and DONE."""
        if usage is None or not self._wants_usage:
            return DONE
        return self._frame + b'],"usage":' + orjson.dumps(usage_object(usage)) + b"}\n\n" + DONE


def finish_after(reason: str, called: bool) -> str:
    """Return the reason of a finished choice; some providers say a plain stop after tool calls."""
    return "tool_calls" if called and reason == "stop" else reason


def wants_usage(call: Call) -> bool:
    """Whether the client asked for a usage chunk at the end of its stream."""
    options = call.body.get("stream_options", dict) if call.body is not None else None
    return options is not None and options.get("include_usage") is True


def usage_object(usage: Usage) -> Json:
    """Return OpenAI's usage object."""
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }


def message(text: str | None, *, reasoning: str = "", tool_calls: Iterable[Json] = ()) -> Json:
    """Return the message of a whole answer; the content is null where there are only tool calls."""
    calls = list(tool_calls)
    made: Json = {"role": "assistant", "content": text or (None if calls else "")}
    if reasoning:
        made["reasoning_content"] = reasoning
    if calls:
        made["tool_calls"] = calls
    return made


def tool_call(position: int, name: str, arguments: str | Mapping[str, Any], id: str = "") -> Json:
    """Return a tool call of a whole answer; arguments given as an object are encoded."""
    text = arguments if isinstance(arguments, str) else orjson.dumps(arguments).decode()
    return {
        "id": id or f"call_{position}",
        "type": "function",
        "function": {"name": name, "arguments": text},
    }


def completion(call: Call, message: Json, finish: str, usage: Usage | None, *, id: str = "") -> Reply:
    """Return a whole chat answer with one choice."""
    return completions(call, [(message, finish)], usage, id=id)


def completions(
    call: Call, choices: Iterable[tuple[Json, str]], usage: Usage | None, *, id: str = ""
) -> Reply:
    """Return a whole chat answer; `choices` are messages with their finish reasons.

    A message with tool calls never has a plain stop as its reason.
    """
    body: Json = {
        "id": id or f"chatcmpl-{call.request_id}",
        "object": "chat.completion",
        "created": int(call.now),
        "model": call.model,
        "choices": [
            {
                "index": index,
                "message": message,
                "logprobs": None,
                "finish_reason": finish_after(finish, bool(message.get("tool_calls"))),
            }
            for index, (message, finish) in enumerate(choices)
        ],
    }
    if usage is not None:
        body["usage"] = usage_object(usage)
    return Reply(orjson.dumps(body), usage)


def embeddings(call: Call, vectors: Iterable[list[float]], usage: Usage | None) -> Reply:
    """Return an embeddings answer, in base64 if the client asked for it."""
    packed = call.body is not None and call.body.get("encoding_format", str) == "base64"
    body: Json = {
        "object": "list",
        "data": [
            {"object": "embedding", "index": index, "embedding": _packed(vector) if packed else vector}
            for index, vector in enumerate(vectors)
        ],
        "model": call.model,
    }
    if usage is not None:
        body["usage"] = {"prompt_tokens": usage.prompt_tokens, "total_tokens": usage.prompt_tokens}
    return Reply(orjson.dumps(body), usage)


def _packed(vector: list[float]) -> str:
    """The vector as OpenAI packs it: little-endian floats of 32 bits, in base64."""
    return b64encode(pack(f"<{len(vector)}f", *vector)).decode()


# What a request says.


def messages_of(call: Call) -> list[Json]:
    """Return the messages. Raises BodyError if they are no list of objects, or empty."""
    found = call.body.tree.get("messages") if call.body is not None else None
    if not isinstance(found, list) or not found or not all(isinstance(item, dict) for item in found):
        raise BodyError("'messages' must be a list with at least one message", "messages")
    return found


def inputs_of(call: Call) -> list[str]:
    """Return the texts to embed. Raises BodyError for none, and for inputs that are no text."""
    given = call.body.tree.get("input") if call.body is not None else None
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
        raise BodyError("'input' must be a text or a list of texts", "input")
    return texts


def parts_of(content: object) -> list[Json]:
    """Return a message's content as a list of parts, whichever of OpenAI's forms it has."""
    if content is None:
        return []
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    if isinstance(content, list) and all(isinstance(part, dict) for part in content):
        return content
    raise BodyError("a message's 'content' must be text or a list of parts", "messages")


def text_of(content: object) -> str:
    """Return the text of a message's content; parts that are no text are left out."""
    texts = (part.get("text") for part in parts_of(content) if part.get("type") == "text")
    return "\n".join(text for text in texts if isinstance(text, str))


def data_url(url: str) -> tuple[str, str] | None:
    """Split `data:TYPE;base64,DATA` into its media type and its base64 text; None for any other address."""
    head, comma, data = url.partition(",")
    if not comma or not head.startswith("data:") or not head.endswith(";base64"):
        return None
    return head[5:-7] or "application/octet-stream", data


def functions_of(call: Call) -> list[Json]:
    """Return the functions offered to the model, from `tools` or from the older `functions`."""
    tree = call.body.tree if call.body is not None else {}
    tools = tree.get("tools")
    if isinstance(tools, list):
        found = [tool.get("function") for tool in tools if isinstance(tool, dict)]
    else:
        found = tree.get("functions") or []
    if not isinstance(found, list):
        raise BodyError("'functions' must be a list", "functions")
    return [function for function in found if isinstance(function, dict)]


def arguments_of(tool_call: Json) -> Json:
    """Return the arguments of an assistant's tool call in a request, parsed; {} for none.

    Raises BodyError if they are no JSON object.
    """
    function = tool_call.get("function")
    text = function.get("arguments") if isinstance(function, dict) else None
    if not text:
        return {}
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as exc:
        raise BodyError("a tool call's arguments are not valid JSON", "messages") from exc
    if not isinstance(value, dict):
        raise BodyError("a tool call's arguments must be an object", "messages")
    return value
