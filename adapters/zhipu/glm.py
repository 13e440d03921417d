"""Zhipu GLM, version 4: OpenAI's shapes with ranges, finish reasons and error codes of their own.

Wire: docs.bigmodel.cn and docs.z.ai (the same interface), pages "Chat Completion", "Text Embedding",
"Generate Image", "Error codes".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from urllib.parse import urlsplit

import msgspec
import orjson

from ...plugins import (
    Call,
    Channel,
    Credential,
    ErrorKind,
    Headers,
    Json,
    JsonBody,
    Reply,
    StreamTranslator,
    UpstreamError,
    UpstreamRequest,
    UpstreamResponse,
)
from .. import chat, failures, fields
from ..openai import ASK_USAGE, OpenAIAdapter, trim_base_url
from ..parts.rewrite import ChunkRewriter, by_table, rewritten
from ..parts.usage import last_usage
from . import bigmodel

_PLAIN = "plain"

_FINISH = by_table(
    {
        "sensitive": "content_filter",
        "model_context_window_exceeded": "length",
        "network_error": ErrorKind.FAULT,
        "": None,
    }
)
"""Finish reasons that are not OpenAI's. Source: docs.bigmodel.cn, "Chat Completion", response."""

_OPEN = {"temperature": (0.01, 0.99), "top_p": (0.01, 0.99)}
_CLOSED = {"temperature": (0.0, 1.0), "top_p": (0.01, 1.0)}
_CLOSED_MODELS = re.compile(r"glm-(4\.[5-9]|[5-9]|z)", re.IGNORECASE)
"""Models whose temperature may be 0 and 1: from GLM-4.5 on. Source: docs.z.ai, "Chat Completion"."""

_BARE_IMAGES = re.compile(r"glm-4v(-plus)?\Z", re.IGNORECASE)
"""Models that take a picture's base64 text without `data:...;base64,` before it."""


class ZhipuAdapter(OpenAIAdapter):
    """Zhipu's GLM models, at home and as Z.ai."""

    name = "zhipu"
    title = "Zhipu GLM"
    base_url = "https://open.bigmodel.cn/api/paas/v4"
    endpoints = frozenset(
        {
            *("chat/completions", "embeddings", "images/generations", "rerank", "responses"),
            *("audio/speech", "audio/transcriptions"),
        }
    )
    key_help = "API key of the form id.secret"
    options = (bigmodel.signing(_PLAIN), fields.UNSUPPORTED, ASK_USAGE)
    models = (
        "glm-4.7", "glm-4.6", "glm-4.5", "glm-4.5-air", "glm-4.5-flash", "glm-4.5v", "glm-4-plus",
        "glm-4-flash", "embedding-3", "cogview-4", "rerank",
    )  # fmt: skip

    def check(self, channel: Channel) -> None:
        super().check(channel)
        bigmodel.check_key(channel, _PLAIN)

    def credential(self, channel: Channel, response: UpstreamResponse | None, now: float) -> Credential:
        if bigmodel.is_signed(channel, _PLAIN):
            return bigmodel.signed_token(channel.key, now)
        return Credential(channel.key)

    def url(self, call: Call) -> str:
        base = trim_base_url(call.channel.base_url or self.base_url)
        if not urlsplit(base).path:
            base += urlsplit(self.base_url).path
        if call.endpoint == "responses":  # lives beside the rest: docs.bigmodel.cn, "Responses API"
            base = re.sub(r"/paas/v4\Z", "/v1", base)
        return f"{base}/{call.endpoint}"

    def request(self, call: Call) -> UpstreamRequest:
        if call.body is None:
            return super().request(call)
        body, dropped = _translated(call, call.body)
        request = super().request(msgspec.structs.replace(call, body=body))
        return msgspec.structs.replace(request, dropped=dropped) if dropped else request

    def reply(self, call: Call, response: UpstreamResponse) -> Reply:
        reply = super().reply(call, response)
        if reply.usage is None:  # search results may stand behind it
            reply = msgspec.structs.replace(reply, usage=last_usage(response.body))
        return rewritten(reply, _FINISH) if call.endpoint == "chat/completions" else reply

    def stream(self, call: Call, response: UpstreamResponse) -> StreamTranslator | None:
        is_events = response.headers.get("content-type", "").lower().startswith("text/event-stream")
        if call.endpoint != "chat/completions" or not is_events:
            return super().stream(call, response)
        failure = partial(self.failure_in, call, headers=response.headers)
        return ChunkRewriter(_FINISH, failure, super().stream(call, response))

    def failed(self, call: Call, failure: failures.Failure, status: int, headers: Headers) -> UpstreamError:
        signed = bigmodel.is_signed(call.channel, _PLAIN)
        return bigmodel.classify(failure, status, headers, call.now, signed=signed)

    def failure_in(self, call: Call, value: object, headers: Headers) -> UpstreamError | None:
        found = bigmodel.failure_in(value) if isinstance(value, dict) else None
        if found is not None:
            return self.failed(call, found, 200, headers)
        return super().failure_in(call, value, headers)


def _translated(call: Call, body: JsonBody) -> tuple[JsonBody, tuple[str, ...]]:
    """The request's body as Zhipu takes it, the same object where it does; and what was dropped."""
    edits, removed, instead = _changes(call, body)
    if not removed and not instead:
        return (JsonBody(body.spliced(edits)) if edits else body), ()
    rest, dropped = fields.others(call, {*edits, *removed}, instead)
    kept = {name: instead[name] for name in dropped if instead[name] is not None}
    return JsonBody(orjson.dumps({**rest, **edits, **kept})), dropped


def _changes(call: Call, body: JsonBody) -> tuple[Json, set[str], Json]:
    """What has to differ in a request: fields to set, fields to leave out, fields the provider cannot take.

    Of the last, the value is what may be sent where the field is dropped, None for nothing.
    """
    if call.endpoint == "chat/completions":
        return _chat_changes(call, body)
    instead: Json = {}
    if call.endpoint == "images/generations":
        if (body.get("n", int) or 1) > 1:
            instead["n"] = None
        if body.get("response_format", str) == "b64_json":  # the answer has an address, never the picture
            instead["response_format"] = None
    return {}, set(), instead


def _chat_changes(call: Call, body: JsonBody) -> tuple[Json, set[str], Json]:
    edits = _clamped(call, body)
    removed: set[str] = set()
    instead: Json = {}
    limit = body.get("max_completion_tokens", int)
    if limit is not None:
        removed.add("max_completion_tokens")
        edits["max_tokens"] = limit
    stop = body.get("stop", object)
    if isinstance(stop, str):
        edits["stop"] = [stop]
    elif isinstance(stop, list) and len(stop) > 1:
        instead["stop"] = stop[:1]
    choice = body.get("tool_choice", object)
    if choice == "none":
        removed |= {"tool_choice", "tools"}
    elif choice not in (None, "auto"):
        instead["tool_choice"] = None
    if (body.get("n", int) or 1) > 1:
        instead["n"] = None
    messages = _messages(call, body)
    if messages is not None:
        edits["messages"] = messages
    return edits, removed, instead


def _clamped(call: Call, body: JsonBody) -> Json:
    """Sampling parameters that are out of the model's range, put to its end."""
    ranges: Mapping[str, tuple[float, float]] = (
        _CLOSED if _CLOSED_MODELS.match(call.upstream_model) else _OPEN
    )
    edits: Json = {}
    for name, (low, high) in ranges.items():
        value = body.get(name, float)
        if value is not None and not low <= value <= high:
            edits[name] = min(max(value, low), high)
    return edits


def _messages(call: Call, body: JsonBody) -> list[Json] | None:
    """The messages as this model takes them; None where they need no change."""
    developer = b'"developer"' in body.raw
    bare = bool(_BARE_IMAGES.match(call.upstream_model)) and b";base64," in body.raw
    if not developer and not bare:
        return None
    return [_message(message, bare) for message in chat.messages_of(call)]


def _message(message: Json, bare: bool) -> Json:
    if message.get("role") == "developer":
        message = {**message, "role": "system"}
    if bare and isinstance(message.get("content"), list):
        message = {**message, "content": [_part(part) for part in chat.parts_of(message["content"])]}
    return message


def _part(part: Json) -> Json:
    image = part.get("image_url")
    url = image.get("url") if isinstance(image, dict) else None
    split = chat.data_url(url) if isinstance(url, str) else None
    return {**part, "image_url": {**image, "url": split[1]}} if image and split else part
