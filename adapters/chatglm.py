"""ChatGLM, Zhipu's interface of version 3: `invoke`, `sse-invoke` and one embedding model.

Wire: docs.bigmodel.cn (before 2024: open.bigmodel.cn/dev/api), pages "ChatGLM-Turbo" and its sisters. The
model is part of the path, the conversation is `prompt`, and a stream's data is text, not JSON.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote, urlsplit

import orjson

from ..plugins import (
    Adapter,
    BodyError,
    Call,
    Channel,
    Credential,
    ErrorKind,
    Json,
    Reply,
    StreamTranslator,
    UpstreamError,
    UpstreamRequest,
    UpstreamResponse,
    Usage,
    hookimpl,
)
from . import bigmodel, chat, failures, fields
from .openai import trim_base_url
from .sse import Event, SSEDecoder
from .usage import read_usage

_SIGNED = "signed"

_HANDLED = frozenset(
    {
        *("model", "messages", "input", "stream", "stream_options", "temperature", "top_p", "tools"),
        *("functions", "encoding_format", "prompt", "incremental"),
    }
)
_UNSUPPORTED = frozenset(
    {
        *("audio", "dimensions", "frequency_penalty", "function_call", "logit_bias", "logprobs"),
        *("max_completion_tokens", "max_tokens", "metadata", "modalities", "n", "parallel_tool_calls"),
        *("prediction", "presence_penalty", "reasoning_effort", "response_format", "seed", "service_tier"),
        *("stop", "store", "tool_choice", "top_logprobs", "user", "verbosity", "web_search_options"),
    }
)
"""OpenAI's fields that version 3 has no place for. Source: docs.bigmodel.cn, "ChatGLM-Turbo", request."""

_LOW, _HIGH = 0.01, 0.99
"""The ends of the open interval from 0 to 1 that temperature and top_p must be in."""


class ChatGLMAdapter(Adapter):
    """Zhipu's models of 2023 under their first interface."""

    name = "chatglm"
    title = "ChatGLM (Zhipu v3)"
    base_url = "https://open.bigmodel.cn/api/paas/v3/model-api"
    endpoints = frozenset({"chat/completions", "embeddings"})
    key_help = "API key of the form id.secret"
    options = (bigmodel.signing(_SIGNED), fields.UNSUPPORTED)
    models = (
        "chatglm_turbo", "chatglm_pro", "chatglm_std", "chatglm_lite", "chatglm_lite_32k",
        "characterglm", "text_embedding",
    )  # fmt: skip

    def check(self, channel: Channel) -> None:
        trim_base_url(channel.base_url or self.base_url)
        bigmodel.check_key(channel, _SIGNED)

    def credential(self, channel: Channel, response: UpstreamResponse | None, now: float) -> Credential:
        if bigmodel.is_signed(channel, _SIGNED):
            return bigmodel.signed_token(channel.key, now)
        return Credential(channel.key)

    def request(self, call: Call) -> UpstreamRequest:
        made = _embedding(call) if call.endpoint == "embeddings" else _prompt(call)
        rest, dropped = fields.others(call, _HANDLED, _UNSUPPORTED)
        # The key or the token stands in the header by itself, without the word Bearer.
        headers = {"content-type": "application/json", "authorization": call.credential.value}
        return UpstreamRequest(self._url(call), headers, orjson.dumps({**rest, **made}), dropped=dropped)

    def reply(self, call: Call, response: UpstreamResponse) -> Reply:
        answer = _parsed(response.body)
        data = answer.get("data")
        if answer.get("success") is False or not isinstance(data, dict):
            failure = bigmodel.failure_in(answer) or failures.Failure("the provider's answer has no data")
            raise self._failed(call, failure, response)
        usage = read_usage(data.get("usage"))
        id = str(data.get("task_id") or "")
        if call.endpoint == "embeddings":
            return chat.embeddings(call, [_vector(data)], usage)
        choices = [(chat.message(_text(call, choice)), "stop") for choice in _choices(data)]
        return chat.completions(call, choices, usage, id=id)

    def stream(self, call: Call, response: UpstreamResponse) -> StreamTranslator | None:
        if "json" in response.headers.get("content-type", ""):
            return None  # errors come as JSON also where a stream was asked for
        return ChatGLMStream(call, lambda failure: self._failed(call, failure, response))

    def error(self, call: Call, response: UpstreamResponse) -> UpstreamError:
        return self._failed(call, failures.read_failure(response.body), response)

    def _url(self, call: Call) -> str:
        base = trim_base_url(call.channel.base_url or self.base_url)
        if not urlsplit(base).path:
            base += urlsplit(self.base_url).path
        base, root, _ = base.partition("/model-api")
        way = "sse-invoke" if call.stream and call.endpoint == "chat/completions" else "invoke"
        return f"{base}{root}/{quote(call.upstream_model, safe='')}/{way}"

    def _failed(self, call: Call, failure: failures.Failure, response: UpstreamResponse) -> UpstreamError:
        signed = bigmodel.is_signed(call.channel, _SIGNED)
        return bigmodel.classify(failure, response.status, response.headers, call.now, signed=signed)


class ChatGLMStream(StreamTranslator):
    """Version 3's event stream to OpenAI's chunks. Wire: docs.bigmodel.cn, "ChatGLM-Turbo", SSE invoke.

    Events are `add`, and one of `finish`, `error` and `interrupted` at the end. What came before an error
    is returned first, and the next call raises, however the bytes were cut.
    """

    def __init__(self, call: Call, failed: Callable[[failures.Failure], UpstreamError]) -> None:
        self._events = _Decoder()
        self._chunks = chat.ChunkWriter(call)
        self._failed = failed
        self._ended = False
        self._error: UpstreamError | None = None

    def feed(self, data: bytes) -> bytes:
        return self._take(self._events.feed(data))

    def close(self) -> bytes:
        left = self._take(self._events.flush())
        if self._error is not None:
            raise self._error
        if not self._ended:
            raise UpstreamError(ErrorKind.FAULT, "the provider's stream ended without its finish event")
        return left

    def _take(self, events: list[Event]) -> bytes:
        sent: list[bytes] = []
        for event in events:
            if self._ended or self._error is not None:
                break
            sent.append(self._event(event))
        out = b"".join(sent)
        if self._error is not None and not out:
            raise self._error
        return out

    def _event(self, event: Event) -> bytes:
        if event.name == b"add":
            return self._chunks.text(event.data.decode("utf-8", "replace"))
        if event.name == b"finish":
            self.usage = _usage(self._events.meta)
            return self._chunks.text(event.data.decode("utf-8", "replace")) + self._end("stop")
        if event.name == b"interrupted":
            return self._end("content_filter")
        if event.name == b"error":
            self._error = self._failed(_failure(event.data))
        return b""

    def _end(self, reason: str) -> bytes:
        self._ended = True
        return self._chunks.finish(reason) + self._chunks.end(self.usage)


class _Decoder(SSEDecoder):
    """The event stream's dialect: a space after the colon is text, and `meta` is a field.

    A line of bare JSON is an error that came without its event.
    """

    __slots__ = ("meta",)

    def __init__(self) -> None:
        super().__init__()
        self.meta = b""

    def _line(self, line: bytes) -> Event | None:
        if not line:
            return self._event()
        field, _, value = line.partition(b":")
        if field == b"data":
            self._data.append(value)
        elif field == b"event":
            self._name = value.strip()
        elif field == b"meta":
            self.meta = value.strip()
        elif line.startswith(b"{"):
            return Event(line, b"error")
        return None

    def _event(self) -> Event | None:
        data, self._data = self._data, []
        name, self._name = self._name, b""
        return Event(b"\n".join(data), name) if data or name else None


def _prompt(call: Call) -> Json:
    """The body of a chat request, but for fields that pass."""
    assert call.body is not None
    tree = call.body.tree
    if tree.get("tool_choice") != "none" and (tree.get("tools") or tree.get("functions")):
        raise BodyError("this model takes no tools", "tools" if tree.get("tools") else "functions")
    made: Json = {"prompt": [turn for message in chat.messages_of(call) for turn in _turns(message)]}
    if call.stream:
        made["incremental"] = True
    for name in ("temperature", "top_p"):
        value = call.body.get(name, float)
        if value is not None:
            made[name] = min(max(value, _LOW), _HIGH)
    return made


def _turns(message: Json) -> list[Json]:
    """A message as turns of the prompt, which knows users and assistants only.

    What the system says becomes a user's turn that the assistant agrees to, so that turns alternate.
    """
    role = message.get("role")
    if role in ("tool", "function") or message.get("tool_calls") or message.get("function_call"):
        raise BodyError("this model knows no tools", "messages")
    parts = chat.parts_of(message.get("content"))
    if any(part.get("type") not in ("text", "refusal") for part in parts):
        raise BodyError("this model takes text only", "messages")
    text = chat.text_of(message.get("content"))
    if role in ("system", "developer"):
        return [{"role": "user", "content": text}, {"role": "assistant", "content": "Okay"}]
    return [{"role": "assistant" if role == "assistant" else "user", "content": text}]


def _embedding(call: Call) -> Json:
    """The body of an embedding request: one text a call."""
    assert call.body is not None
    given = call.body.tree.get("input")
    texts = given if isinstance(given, list) else [given]
    if len(texts) != 1 or not isinstance(texts[0], str) or not texts[0]:
        raise BodyError("this model embeds one text a call", "input")
    return {"prompt": texts[0]}


def _parsed(body: bytes) -> Json:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as exc:
        raise UpstreamError(ErrorKind.FAULT, "the provider's answer is not valid JSON") from exc
    if not isinstance(value, dict):
        raise UpstreamError(ErrorKind.FAULT, "the provider's answer is not a JSON object")
    return value


def _usage(meta: bytes) -> Usage | None:
    """The usage in a `meta` line; one that cannot be read costs no answer."""
    try:
        value = orjson.loads(meta)
    except orjson.JSONDecodeError:
        return None
    return read_usage(value.get("usage")) if isinstance(value, dict) else None


def _failure(data: bytes) -> failures.Failure:
    """What an `error` event says, which is JSON or plain text."""
    failure = failures.read_failure(data)
    return failure if failure.message or failure.code else failures.Failure("the provider reported an error")


def _choices(data: Json) -> list[Json]:
    found = data.get("choices")
    choices = [choice for choice in found if isinstance(choice, dict)] if isinstance(found, list) else []
    if not choices:
        raise UpstreamError(ErrorKind.FAULT, "the provider's answer has no choice")
    return choices


def _vector(data: Json) -> list[float]:
    vector = data.get("embedding")
    if not isinstance(vector, list):
        raise UpstreamError(ErrorKind.FAULT, "the provider's answer has no embedding")
    return vector


def _text(call: Call, choice: Json) -> str:
    """The text of a choice, which is a JSON string inside the string unless plain text was asked for."""
    content = choice.get("content")
    content = content if isinstance(content, str) else ""
    plain = call.body is not None and call.body.tree.get("return_type") == "text"
    if plain or not (content.startswith('"') and content.endswith('"')):
        return content
    try:
        inner = orjson.loads(content)
    except orjson.JSONDecodeError:
        return content
    return inner if isinstance(inner, str) else content


@hookimpl
def register_adapters(register):  # type: ignore[no-untyped-def]  # the hookspec gives the types
    register(ChatGLMAdapter())
