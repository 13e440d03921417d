"""Ollama's own interface: chat as line-wise JSON, embeddings, the list of pulled models.

Wire: docs.ollama.com/api, pages "Chat", "Embed", "List models", "Errors", "Thinking", "Tool calling" and
"Structured outputs". Beside OpenAI's fields a request may hold Ollama's `options`, `keep_alive`, `think`
and `format`. Images go as bare base64: the server fetches none.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..plugins import (
    BodyError,
    Call,
    Channel,
    Credential,
    Json,
    Reply,
    StreamTranslator,
    UpstreamRequest,
    UpstreamResponse,
    Usage,
    hookimpl,
)
from .chat import (
    arguments_of,
    completion,
    data_url,
    embeddings,
    functions_of,
    inputs_of,
    message,
    messages_of,
    parts_of,
    text_of,
    tool_call,
)
from .fields import CHAT_FIELDS, EMBEDDING_FIELDS, others
from .foreign import ForeignAdapter, JsonStream, at, is_document, json_object, objects, text
from .ndjson import LineDecoder
from .parts.usage import read_renamed

FINISH_REASONS: Mapping[str, str] = {"stop": "stop", "length": "length", "load": "stop", "unload": "stop"}
"""Source: "Chat", `done_reason`, which old servers leave out."""

OPTIONS: Mapping[str, str] = {
    "max_tokens": "num_predict",
    "max_completion_tokens": "num_predict",
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "min_p": "min_p",
    "seed": "seed",
    "stop": "stop",
    "presence_penalty": "presence_penalty",
    "frequency_penalty": "frequency_penalty",
    "repeat_penalty": "repeat_penalty",
    "num_ctx": "num_ctx",
}
"""Fields that stand in `options` here. Source: "Modelfile reference", valid parameters."""

EFFORTS: Mapping[str, bool | str] = {"none": False, "minimal": "low", "xhigh": "high"}
"""Efforts that `think` does not know by their name. Source: "Thinking"."""

_HANDLED = frozenset(
    {
        *OPTIONS,
        *("model", "messages", "stream", "stream_options", "options", "response_format", "format"),
        *("tools", "tool_choice", "functions", "function_call", "reasoning_effort", "enable_thinking"),
        "think",
    }
)


class OllamaAdapter(ForeignAdapter):
    """Ollama, native."""

    name = "ollama-native"
    title = "Ollama (native)"
    base_url = "http://127.0.0.1:11434"
    endpoints = frozenset({"chat/completions", "embeddings"})
    key_help = "none for a server of your own, an API key for ollama.com"

    def root(self, channel: Channel) -> str:
        root = super().root(channel)
        return root.removesuffix("/v1").removesuffix("/api")

    def models_request(self, channel: Channel, credential: Credential, now: float) -> UpstreamRequest | None:
        return UpstreamRequest(f"{self.root(channel)}/api/tags", self.auth(credential), method="GET")

    def model_names(self, response: UpstreamResponse) -> tuple[str, ...]:
        found = (text(model.get("name")) for model in objects(json_object(response).get("models")))
        return tuple(name for name in found if name)

    def request(self, call: Call) -> UpstreamRequest:
        root = self.root(call.channel)
        if call.endpoint == "embeddings":
            return self.post(call, f"{root}/api/embed", *_embed_request(call))
        return self.post(call, f"{root}/api/chat", *_chat_request(call))

    def reply(self, call: Call, response: UpstreamResponse) -> Reply:
        value = self.document(call, response)
        if call.endpoint == "embeddings":
            return embeddings(call, value.get("embeddings") or [], _usage(value))
        given = value.get("message")
        calls = [_made_call(call, place, item) for place, item in enumerate(objects(at(given, "tool_calls")))]
        thought = text(at(given, "thinking"))
        made = message(text(at(given, "content")), reasoning=thought, tool_calls=calls)
        return completion(call, made, _finish(value), _usage(value))

    def stream(self, call: Call, response: UpstreamResponse) -> StreamTranslator | None:
        return None if is_document(call, response) else OllamaStream(self, call, response)


class OllamaStream(JsonStream):
    """Ollama's lines. A tool call comes whole in one of them."""

    def __init__(self, adapter: OllamaAdapter, call: Call, response: UpstreamResponse) -> None:
        super().__init__(adapter, call, response, LineDecoder())
        self._calls = 0

    def event(self, name: bytes, value: Json) -> bytes:
        given = value.get("message")
        made = self.out.reasoning(text(at(given, "thinking"))) + self.out.text(text(at(given, "content")))
        for item in objects(at(given, "tool_calls")):
            function = _made_call(self.call, self._calls, item)
            called = function["function"]
            made += self.out.tool_call(
                self._calls, id=function["id"], name=called["name"], arguments=called["arguments"]
            )
            self._calls += 1
        if value.get("done") is True:
            self.ended = True
            self.usage = _usage(value)
            made += self.out.finish(_finish(value))
        return made


# Requests.


def _chat_request(call: Call) -> tuple[Json, tuple[str, ...]]:
    assert call.body is not None
    tree = call.body.tree
    handled = _HANDLED - {"tool_choice"} if tree.get("tool_choice") == "required" else _HANDLED
    rest, dropped = others(call, handled, CHAT_FIELDS)
    body: Json = {
        "model": call.upstream_model,
        "messages": _messages(messages_of(call)),
        "stream": call.stream,
    }
    options = {OPTIONS[name]: value for name, value in tree.items() if name in OPTIONS and value is not None}
    options.update(call.body.get("options", dict) or {})
    made = {"options": options, "format": _format(tree), "think": _think(tree), "tools": _tools(call, tree)}
    body.update((name, value) for name, value in made.items() if value not in (None, {}, []))
    return {**body, **rest}, dropped


def _messages(given: list[Json]) -> list[Json]:
    """A tool's answer names the tool, which in OpenAI's shape only the call before it does."""
    names: dict[object, str] = {}
    made: list[Json] = []
    for item in given:
        for call in objects(item.get("tool_calls")):
            names[call.get("id")] = text(at(call, "function", "name"))
        made.append(_message(item, names))
    return made


def _message(given: Json, names: Mapping[object, str]) -> Json:
    role = text(given.get("role"))
    made: Json = {"role": "system" if role == "developer" else role, "content": text_of(given.get("content"))}
    if images := [_image(part) for part in parts_of(given.get("content")) if part.get("type") != "text"]:
        made["images"] = images
    if thought := text(given.get("reasoning_content")):
        made["thinking"] = thought
    if calls := objects(given.get("tool_calls")):
        made["tool_calls"] = [_given_call(place, item) for place, item in enumerate(calls)]
    if role == "tool":
        made["tool_call_id"] = given.get("tool_call_id")
        made["tool_name"] = names.get(given.get("tool_call_id")) or text(given.get("name"))
    return made


def _image(part: Json) -> str:
    kind = part.get("type")
    if kind != "image_url":
        raise BodyError(f"this provider takes no {kind!r} parts", "messages")
    split = data_url(text(at(part, "image_url", "url")))
    if split is None:
        raise BodyError("this provider fetches no images: send them as data: URLs", "messages")
    return split[1]


def _given_call(place: int, item: Json) -> Json:
    name = text(at(item, "function", "name"))
    return {"id": item.get("id"), "function": {"index": place, "name": name, "arguments": arguments_of(item)}}


def _format(tree: Json) -> object:
    if tree.get("format"):
        return tree["format"]
    wanted = tree.get("response_format")
    schema = at(wanted, "json_schema", "schema")
    return schema if schema is not None else "json" if at(wanted, "type") == "json_object" else None


def _think(tree: Json) -> object:
    for name in ("think", "enable_thinking"):
        if tree.get(name) is not None:
            return tree[name]
    effort = tree.get("reasoning_effort")
    return EFFORTS.get(effort, effort) if isinstance(effort, str) else None


def _tools(call: Call, tree: Json) -> list[Json]:
    """There is no choice of tools: none is made by offering none, one by offering no other."""
    choice = tree.get("tool_choice") or tree.get("function_call")
    name = at(choice, "function", "name") or at(choice, "name")
    return [
        {"type": "function", "function": function}
        for function in functions_of(call)
        if choice != "none" and name in (None, function.get("name"))
    ]


def _embed_request(call: Call) -> tuple[Json, tuple[str, ...]]:
    rest, dropped = others(call, {"model", "input", "dimensions", "encoding_format"}, EMBEDDING_FIELDS)
    body: Json = {"model": call.upstream_model, "input": inputs_of(call)}
    if call.body is not None and (dimensions := call.body.get("dimensions", int)):
        body["dimensions"] = dimensions
    return {**body, **rest}, dropped


# Answers.


def _made_call(call: Call, place: int, item: Json) -> Json:
    """Old servers give calls no id; the one we make must differ from those of earlier turns."""
    function = item.get("function")
    id = text(item.get("id")) or f"call_{call.request_id}_{place}"
    return tool_call(place, text(at(function, "name")), at(function, "arguments") or {}, id)


def _finish(value: Json) -> str:
    return FINISH_REASONS.get(text(value.get("done_reason")), "stop")


def _usage(value: Json) -> Usage | None:
    """The prompt's count is left out where all of it was in the cache."""
    return read_renamed(value, {"prompt_tokens": "prompt_eval_count", "completion_tokens": "eval_count"})


@hookimpl
def register_adapters(register):  # type: ignore[no-untyped-def]  # the hookspec gives the types
    register(OllamaAdapter())
