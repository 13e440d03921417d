"""Cohere's own interface, version 2: chat, its stream, embeddings and rerank.

Wire: docs.cohere.com/reference, pages "Chat", "Chat with Streaming", "Embed", "Rerank", "List Models" and
"Errors". The plan that a model makes before it calls tools (`tool_plan`) is shown as reasoning.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ..plugins import (
    BodyError,
    Call,
    Channel,
    Credential,
    ErrorKind,
    Headers,
    Json,
    Option,
    Reply,
    StreamTranslator,
    UpstreamError,
    UpstreamRequest,
    UpstreamResponse,
    Usage,
    hookimpl,
)
from .chat import (
    completion,
    embeddings,
    functions_of,
    inputs_of,
    message,
    messages_of,
    parts_of,
    text_of,
    tool_call,
)
from .failures import CONTENT_FILTER, CONTEXT_LENGTH, Failure, Verdict
from .fields import CHAT_FIELDS, EMBEDDING_FIELDS, UNSUPPORTED, clamped, others
from .foreign import ForeignAdapter, JsonStream, at, is_document, json_object, objects, text
from .parts import rerank
from .parts.usage import read_usage

FINISH_REASONS: Mapping[str, str] = {
    "COMPLETE": "stop",
    "STOP_SEQUENCE": "stop",
    "MAX_TOKENS": "length",
    "TOOL_CALL": "tool_calls",
    "ERROR_TOXIC": "content_filter",
    "ERROR_LIMIT": "length",
    "USER_CANCEL": "stop",
}
"""Source: "Chat", response field `finish_reason`; the last three are of version 1."""

FAILED = frozenset({"ERROR", "TIMEOUT"})
"""Reasons that are failures of the provider and no end of an answer. Same source."""

CODES: Mapping[str, Verdict] = {
    "TOO_MANY_TOKENS": (ErrorKind.REQUEST, CONTEXT_LENGTH),
    "too many tokens": (ErrorKind.REQUEST, CONTEXT_LENGTH),
    "blocked output": (ErrorKind.REQUEST, CONTENT_FILTER),
    "498": (ErrorKind.CREDENTIAL, ""),
    "499": (ErrorKind.FAULT, ""),
    "501": (ErrorKind.MODEL, ""),
}
"""What errors mean: by `error_type`, which few have, by how the message begins, by status.

Source: "Errors" with its examples; statuses that mean what they commonly do are left out.
"""

_TAKEN = frozenset({"temperature", "seed"})
_HANDLED = frozenset(
    {
        *("model", "messages", "stream", "stream_options", "max_tokens", "max_completion_tokens", "top_p"),
        *("top_k", "stop", "frequency_penalty", "presence_penalty", "response_format", "tools"),
        *("tool_choice", "functions", "function_call", "reasoning_effort"),
    }
)
_PARTS = frozenset({"text", "image_url"})
_TOOL_CHOICES = {"none": "NONE", "required": "REQUIRED"}

INPUT_TYPE = Option(
    "input_type",
    "What embeddings are for",
    default="search_document",
    choices=("search_document", "search_query", "classification", "clustering"),
    help="a request may say it by itself in a field of the same name",
)


class CohereAdapter(ForeignAdapter):
    """Cohere."""

    name = "cohere"
    title = "Cohere"
    base_url = "https://api.cohere.com"
    endpoints = frozenset({"chat/completions", "embeddings", "rerank"})
    embedding_inputs = 96
    options = (UNSUPPORTED, INPUT_TYPE)
    models = ("command-a-03-2025", "command-r7b-12-2024", "embed-v4.0", "rerank-v3.5")
    codes = CODES

    def root(self, channel: Channel) -> str:
        return super().root(channel).removesuffix("/v2").removesuffix("/v1")

    def models_request(self, channel: Channel, credential: Credential, now: float) -> UpstreamRequest | None:
        url = f"{self.root(channel)}/v1/models?page_size=1000"
        return UpstreamRequest(url, self.auth(credential), method="GET")

    def model_names(self, response: UpstreamResponse) -> tuple[str, ...]:
        found = (text(model.get("name")) for model in objects(json_object(response).get("models")))
        return tuple(name for name in found if name)

    def request(self, call: Call) -> UpstreamRequest:
        if call.endpoint == "embeddings":
            body, dropped = _embed_request(call)
            return self.post(call, f"{self.root(call.channel)}/v2/embed", body, dropped)
        if call.endpoint == "rerank":
            body, dropped = _rerank_request(call)
            return self.post(call, f"{self.root(call.channel)}/v2/rerank", body, dropped)
        body, dropped = _chat_request(call)
        return self.post(call, f"{self.root(call.channel)}/v2/chat", body, dropped)

    def reply(self, call: Call, response: UpstreamResponse) -> Reply:
        value = self.document(call, response)
        if call.endpoint == "embeddings":
            return embeddings(call, at(value, "embeddings", "float") or [], _billed(value))
        if call.endpoint == "rerank":
            found = objects(value.get("results"))
            return rerank.ranked(call, found, None, id=text(value.get("id")), meta=value.get("meta"))
        return _chat_reply(call, value)

    def stream(self, call: Call, response: UpstreamResponse) -> StreamTranslator | None:
        return None if is_document(call, response) else CohereStream(self, call, response)

    def failed(self, failure: Failure, status: int, headers: Headers, now: float) -> UpstreamError:
        begun = (start for start in CODES if failure.message.startswith(start))
        code = failure.code or next(begun, str(status))
        return super().failed(replace(failure, code=code if code in CODES else ""), status, headers, now)


class CohereStream(JsonStream):
    """Cohere's events. What one is stands in its JSON (`type`) as well as in its name."""

    _position = -1

    def event(self, name: bytes, value: Json) -> bytes:
        kind = value.get("type")
        if kind == "content-delta" or kind == "content-start":
            content = at(value, "delta", "message", "content")
            return self.out.reasoning(text(at(content, "thinking"))) + self.out.text(
                text(at(content, "text"))
            )
        if kind == "tool-plan-delta":
            return self.out.reasoning(text(at(value, "delta", "message", "tool_plan")))
        if kind == "tool-call-start" or kind == "tool-call-delta":
            return self._tool_call(at(value, "delta", "message", "tool_calls"))
        if kind == "message-end":
            return self._end(value)
        return b""

    def _tool_call(self, part: object) -> bytes:
        name, arguments = text(at(part, "function", "name")), text(at(part, "function", "arguments"))
        if not name:
            return self.out.tool_call(max(self._position, 0), arguments=arguments) if arguments else b""
        self._position += 1
        return self.out.tool_call(self._position, id=text(at(part, "id")), name=name, arguments=arguments)

    def _end(self, value: Json) -> bytes:
        self.usage = _usage(at(value, "delta", "usage"))
        reason = _finish(at(value, "delta", "finish_reason"), text(at(value, "delta", "error")))
        self.ended = True
        return self.out.finish(reason)


# Requests.


def _chat_request(call: Call) -> tuple[Json, tuple[str, ...]]:
    assert call.body is not None
    tree = call.body.tree
    rest, dropped = others(call, _HANDLED, CHAT_FIELDS - _TAKEN)
    body: Json = {
        "model": call.upstream_model,
        "messages": [_message(item) for item in messages_of(call)],
        "stream": call.stream,
    }
    limit = tree.get("max_completion_tokens") or tree.get("max_tokens")
    renamed = {
        "max_tokens": limit,
        "p": clamped(tree.get("top_p"), 0.01, 0.99),
        "k": tree.get("top_k"),
        "stop_sequences": [tree["stop"]] if isinstance(tree.get("stop"), str) else tree.get("stop"),
        "frequency_penalty": clamped(tree.get("frequency_penalty"), 0.0, 1.0),
        "presence_penalty": clamped(tree.get("presence_penalty"), 0.0, 1.0),
        "response_format": _format(tree.get("response_format")),
        "thinking": _thinking(tree.get("reasoning_effort")),
    }
    body.update((name, value) for name, value in renamed.items() if value is not None)
    body.update(_tools(call))
    return {**body, **rest}, dropped


def _message(given: Json) -> Json:
    role, content = given.get("role"), given.get("content")
    if role == "tool":
        return {"role": "tool", "tool_call_id": given.get("tool_call_id"), "content": text_of(content)}
    if role == "assistant":
        return _assistant(given)
    if role in ("system", "developer"):
        return {"role": "system", "content": text_of(content)}
    parts = parts_of(content)
    if unknown := {str(part.get("type")) for part in parts} - _PARTS:
        raise BodyError(f"this provider takes no {min(unknown)!r} parts", "messages")
    return {"role": "user", "content": content if isinstance(content, str) else parts}


def _assistant(given: Json) -> Json:
    """Beside tool calls the provider takes no content but a plan."""
    said, calls = text_of(given.get("content")), objects(given.get("tool_calls"))
    if not calls:
        return {"role": "assistant", "content": said}
    made: Json = {
        "role": "assistant",
        "tool_calls": [
            {"id": item.get("id"), "type": "function", "function": item.get("function")} for item in calls
        ],
    }
    if plan := text(given.get("reasoning_content")) or said:
        made["tool_plan"] = plan
    return made


def _tools(call: Call) -> Json:
    """A choice of one function is made by offering no other."""
    functions = functions_of(call)
    if not functions:
        return {}
    tree = call.body.tree if call.body is not None else {}
    choice = tree.get("tool_choice") or tree.get("function_call")
    name = at(choice, "function", "name") or at(choice, "name")
    if name:
        functions = [function for function in functions if function.get("name") == name]
        choice = "required"
    made: Json = {"tools": [{"type": "function", "function": _function(item)} for item in functions]}
    if isinstance(choice, str) and choice in _TOOL_CHOICES:
        made["tool_choice"] = _TOOL_CHOICES[choice]
    if any(function.get("strict") for function in functions):
        made["strict_tools"] = True
    return made


def _function(function: Json) -> Json:
    kept = {name: value for name, value in function.items() if name != "strict"}
    return {"parameters": {"type": "object", "properties": {}}, **kept}


def _format(given: object) -> Json | None:
    schema = at(given, "json_schema", "schema")
    if schema is not None:
        return {"type": "json_object", "json_schema": schema}
    return {"type": "json_object"} if at(given, "type") == "json_object" else None


def _thinking(effort: object) -> Json | None:
    if effort is None:
        return None
    return {"type": "disabled" if effort == "none" else "enabled"}


def _embed_request(call: Call) -> tuple[Json, tuple[str, ...]]:
    assert call.body is not None
    handled = {"model", "input", "dimensions", "encoding_format"}
    rest, dropped = others(call, handled, EMBEDDING_FIELDS)
    body: Json = {
        "model": call.upstream_model,
        "texts": inputs_of(call),
        "input_type": call.channel.options.get(INPUT_TYPE.name, INPUT_TYPE.default),
        "embedding_types": ["float"],
    }
    if dimensions := call.body.get("dimensions", int):
        body["output_dimension"] = dimensions
    return {**body, **rest}, dropped


def _rerank_request(call: Call) -> tuple[Json, tuple[str, ...]]:
    rest, dropped = others(call, rerank.HANDLED, ())
    documents = rerank.documents_of(call)
    body = {"model": call.upstream_model, "query": rerank.query_of(call), "documents": documents}
    return {**body, **rest}, dropped


# Answers.


def _chat_reply(call: Call, value: Json) -> Reply:
    given = value.get("message")
    parts = objects(at(given, "content"))
    thought = "".join(text(part.get("thinking")) for part in parts)
    calls = enumerate(objects(at(given, "tool_calls")))
    made = message(
        "".join(text(part.get("text")) for part in parts),
        reasoning=thought or text(at(given, "tool_plan")),
        tool_calls=[_tool_call(place, item) for place, item in calls],
    )
    reason = _finish(value.get("finish_reason"), "")
    return completion(call, made, reason, _usage(value.get("usage")), id=text(value.get("id")))


def _tool_call(place: int, given: Json) -> Json:
    name, arguments = at(given, "function", "name"), at(given, "function", "arguments")
    return tool_call(place, text(name), arguments or "", text(given.get("id")))


def _finish(native: object, said: str) -> str:
    if native in FAILED:
        raise UpstreamError(ErrorKind.FAULT, said or f"the provider gave up: {native}")
    return FINISH_REASONS.get(str(native), "stop")


def _usage(given: object) -> Usage | None:
    """`tokens` are counted by the model, `billed_units` leave out what the provider itself put in."""
    counts = at(given, "tokens") or at(given, "billed_units")
    if not isinstance(counts, dict):
        return None
    return read_usage({**counts, "cached_tokens": at(given, "cached_tokens")})


def _billed(value: Json) -> Usage | None:
    return read_usage(at(value, "meta", "billed_units"))


@hookimpl
def register_adapters(register):  # type: ignore[no-untyped-def]  # the hookspec gives the types
    register(CohereAdapter())
