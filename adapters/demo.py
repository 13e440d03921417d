"""The demo channel: answers by itself, always the same for the same request, without any provider.

It stands in until a real channel exists, so that a first `curl` streams, and it serves as a load
target. It thinks aloud when the request asks for reasoning, calls the first tool when there are tools,
and counts a word as a model token.
"""

from __future__ import annotations

import base64
import hashlib
import struct
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from ..plugins import (
    Adapter,
    BodyError,
    Call,
    ErrorKind,
    Json,
    LocalAnswer,
    Reply,
    UpstreamError,
    UpstreamRequest,
    UpstreamResponse,
    Usage,
    hookimpl,
)
from .parts.usage import last_usage
from .sse import DONE, encode

_JSON = {"content-type": "application/json"}
_EVENTS = {"content-type": "text/event-stream"}

_GREETING = "This is canalgate's demo channel. Add a real channel to talk to a model. You said: "
_THOUGHT = "The user wants to see a stream, so I think in a few words and then answer."
_PAUSE_S = 0.02
_MAX_DIMENSIONS = 4096


class DemoAdapter(Adapter):
    """A provider made of nothing."""

    name = "demo"
    title = "Demo"
    endpoints = frozenset({"chat/completions", "completions", "embeddings", "moderations", "rerank"})
    models = ("demo", "demo-reasoning", "demo-embedding")

    def answer(self, call: Call) -> LocalAnswer:
        if call.body is None:
            raise BodyError("the demo channel takes JSON, not a form")
        request = call.body.tree
        if call.endpoint == "chat/completions":
            return _Chat(call, request).answer()
        if call.endpoint == "completions":
            return _completion(call, request)
        if call.endpoint == "embeddings":
            return _whole(_embeddings(call, request))
        if call.endpoint == "moderations":
            return _whole(_moderations(call, request))
        return _whole(_rerank(call, request))

    def request(self, call: Call) -> UpstreamRequest:
        raise UpstreamError(ErrorKind.FAULT, "the demo channel has no provider")

    def reply(self, call: Call, response: UpstreamResponse) -> Reply:
        return Reply(response.body, last_usage(response.body[-8192:]))

    def usage(self, call: Call, tail: bytes) -> Usage | None:
        return last_usage(tail)

    def error(self, call: Call, response: UpstreamResponse) -> UpstreamError:
        return UpstreamError(ErrorKind.FAULT, "the demo channel failed")


class _Chat:
    """One chat answer: what it says, and how it is sent."""

    def __init__(self, call: Call, request: Json) -> None:
        messages = request.get("messages")
        if not isinstance(messages, list) or not messages:
            raise BodyError("'messages' must be a list with at least one message", "messages")
        self._call = call
        self._request = request
        self._reasoning = _THOUGHT if "reasoning" in call.model or request.get("reasoning_effort") else ""
        self._tool = _first_tool(request, messages)
        self._text = "" if self._tool else _GREETING + _text_of(messages[-1])
        self._finish = "tool_calls" if self._tool else "stop"
        said = len((self._reasoning + self._text).split()) + (1 if self._tool else 0)
        self._usage = _usage(" ".join(map(_text_of, messages)), said, len(self._reasoning.split()))

    def answer(self) -> LocalAnswer:
        if self._call.stream:
            return LocalAnswer(_EVENTS, self._events(), pause_s=_PAUSE_S)
        message: Json = {"role": "assistant", "content": self._text or None}
        if self._reasoning:
            message["reasoning_content"] = self._reasoning
        if self._tool:
            message["tool_calls"] = [self._tool]
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": self._finish}
        return _whole({**_frame(self._call, "chat.completion"), "choices": [choice], "usage": self._usage})

    def _events(self) -> Iterator[bytes]:
        yield self._chunk({"role": "assistant", "content": ""})
        for word in _words(self._reasoning):
            yield self._chunk({"reasoning_content": word})
        for word in _words(self._text):
            yield self._chunk({"content": word})
        if self._tool:
            function = self._tool["function"]
            opened = {"index": 0, **self._tool, "function": {**function, "arguments": ""}}
            yield self._chunk({"tool_calls": [opened]})
            rest = {"index": 0, "function": {"arguments": function["arguments"]}}
            yield self._chunk({"tool_calls": [rest]})
        yield self._chunk({}, self._finish)
        if _wants_usage(self._request):
            frame = _frame(self._call, "chat.completion.chunk")
            yield encode({**frame, "choices": [], "usage": self._usage})
        yield DONE

    def _chunk(self, delta: Json, finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return encode({**_frame(self._call, "chat.completion.chunk"), "choices": [choice]})


def _completion(call: Call, request: Json) -> LocalAnswer:
    prompt = request.get("prompt")
    if not isinstance(prompt, str):
        raise BodyError("'prompt' must be a text", "prompt")
    text = _GREETING + prompt
    usage = _usage(prompt, len(text.split()))
    frame = _frame(call, "text_completion")
    if not call.stream:
        choice = {"index": 0, "text": text, "logprobs": None, "finish_reason": "stop"}
        return _whole({**frame, "choices": [choice], "usage": usage})

    def events() -> Iterator[bytes]:
        for word in _words(text):
            yield encode({**frame, "choices": [{"index": 0, "text": word, "finish_reason": None}]})
        yield encode({**frame, "choices": [{"index": 0, "text": "", "finish_reason": "stop"}]})
        if _wants_usage(request):
            yield encode({**frame, "choices": [], "usage": usage})
        yield DONE

    return LocalAnswer(_EVENTS, events(), pause_s=_PAUSE_S)


def _embeddings(call: Call, request: Json) -> Json:
    given = request.get("input")
    inputs = given if isinstance(given, list) and not all(isinstance(i, int) for i in given) else [given]
    if given in (None, "", []):
        raise BodyError("'input' must not be empty", "input")
    dimensions = request.get("dimensions")
    dimensions = 256 if dimensions is None else dimensions
    if type(dimensions) is not int or not 1 <= dimensions <= _MAX_DIMENSIONS:
        raise BodyError(f"'dimensions' must be a number from 1 to {_MAX_DIMENSIONS}", "dimensions")
    as_base64 = request.get("encoding_format") == "base64"
    rows = []
    for index, item in enumerate(inputs):
        vector = _vector(orjson.dumps(item), dimensions)
        value = base64.b64encode(struct.pack(f"<{dimensions}f", *vector)).decode() if as_base64 else vector
        rows.append({"object": "embedding", "index": index, "embedding": value})
    words = sum(len(str(item).split()) for item in inputs)
    usage = {"prompt_tokens": words, "total_tokens": words}
    return {"object": "list", "data": rows, "model": call.model, "usage": usage}


def _vector(data: bytes, dimensions: int) -> list[float]:
    """A direction that depends on nothing but the input, of length one."""
    raw = hashlib.shake_128(data).digest(2 * dimensions)
    values = [value / 32768 for value in struct.unpack(f"<{dimensions}h", raw)]
    norm = sum(value * value for value in values) ** 0.5 or 1.0
    return [value / norm for value in values]


def _moderations(call: Call, request: Json) -> Json:
    given = request.get("input")
    if not given:
        raise BodyError("'input' must not be empty", "input")
    count = len(given) if isinstance(given, list) else 1
    result = {"flagged": False, "categories": {}, "category_scores": {}}
    return {"id": f"modr-{call.request_id}", "model": call.model, "results": [result] * count}


def _rerank(call: Call, request: Json) -> Json:
    query, documents = request.get("query"), request.get("documents")
    if not isinstance(query, str) or not isinstance(documents, list) or not documents:
        raise BodyError("'query' must be a text and 'documents' a list", "documents")
    wanted = set(query.lower().split())
    scores = [len(wanted & set(str(text).lower().split())) / max(1, len(wanted)) for text in documents]
    order = sorted(range(len(documents)), key=lambda index: -scores[index])
    results = [{"index": index, "relevance_score": scores[index]} for index in order]
    words = len(query.split()) + sum(len(str(text).split()) for text in documents)
    meta = {"tokens": {"input_tokens": words}}
    usage = {"prompt_tokens": words, "total_tokens": words}
    return {"id": f"rerank-{call.request_id}", "results": results, "meta": meta, "usage": usage}


def _whole(value: Json) -> LocalAnswer:
    return LocalAnswer(_JSON, (orjson.dumps(value),))


def _frame(call: Call, kind: str) -> Json:
    return {
        "id": f"chatcmpl-{call.request_id}",
        "object": kind,
        "created": int(call.now),
        "model": call.model,
        "system_fingerprint": "fp_demo",
    }


def _usage(prompt: str, completion_tokens: int, reasoning_tokens: int = 0) -> Json:
    prompt_tokens = len(prompt.split())
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
        "completion_tokens_details": {"reasoning_tokens": reasoning_tokens},
    }


def _wants_usage(request: Json) -> bool:
    options = request.get("stream_options")
    return isinstance(options, dict) and options.get("include_usage") is True


def _first_tool(request: Json, messages: list[Any]) -> Json | None:
    """A call of the first tool, unless tools are off or its result is what came last."""
    tools = request.get("tools")
    last = messages[-1]
    answered = isinstance(last, Mapping) and last.get("role") == "tool"
    if not isinstance(tools, list) or not tools or request.get("tool_choice") == "none" or answered:
        return None
    try:
        name = tools[0]["function"]["name"]
        properties = tools[0]["function"].get("parameters", {}).get("properties", {})
        arguments = {key: "demo" for key in properties}
    except (KeyError, TypeError, AttributeError) as exc:
        raise BodyError("'tools' must be a list of functions", "tools") from exc
    function = {"name": name, "arguments": orjson.dumps(arguments).decode()}
    return {"id": "call_demo", "type": "function", "function": function}


def _text_of(message: object) -> str:
    content = message.get("content") if isinstance(message, Mapping) else message
    if isinstance(content, list):
        parts = (part.get("text") for part in content if isinstance(part, Mapping))
        return " ".join(part for part in parts if isinstance(part, str))
    return content if isinstance(content, str) else ""


def _words(text: str) -> list[str]:
    """Words with the space before them, as models say them."""
    words = text.split(" ")
    return [words[0], *(" " + word for word in words[1:])] if text else []


@hookimpl
def register_adapters(register):  # type: ignore[no-untyped-def]  # the hookspec gives the types
    register(DemoAdapter())
