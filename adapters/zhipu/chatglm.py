"""ChatGLM, Zhipu's interface of version 3: `invoke`, `sse-invoke` and one embedding model.

Wire: docs.bigmodel.cn (before 2024: open.bigmodel.cn/dev/api), pages "ChatGLM-Turbo" and its sisters. The
model is part of the path, the conversation is `prompt`, and a stream's data is text, not JSON.
"""

from __future__ import annotations

from typing import ClassVar
from urllib.parse import quote, urlsplit

import orjson

from ...plugins import (
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
)
from .. import chat, failures, fields
from ..foreign import ForeignAdapter, at, is_document, objects, text
from ..parts.usage import read_usage
from ..sse import Event, SSEDecoder
from . import bigmodel

_SIGNED = "signed"

_HANDLED = frozenset(
    {
        *("model", "messages", "input", "stream", "stream_options", "temperature", "top_p", "tools"),
        *("functions", "encoding_format", "prompt", "incremental"),
    }
)
_UNSUPPORTED = (fields.CHAT_FIELDS | fields.EMBEDDING_FIELDS) - _HANDLED
"""OpenAI's fields that version 3 has no place for. Source: docs.bigmodel.cn, "ChatGLM-Turbo", request."""

_LOW, _HIGH = 0.01, 0.99
"""The ends of the open interval from 0 to 1 that temperature and top_p must be in."""


class ChatGLMAdapter(ForeignAdapter):
    """Zhipu's models of 2023 under their first interface."""

    name = "chatglm"
    title = "ChatGLM (Zhipu v3)"
    base_url = "https://open.bigmodel.cn/api/paas/v3/model-api"
    endpoints = frozenset({"chat/completions", "embeddings"})
    embedding_inputs = 1
    key_help = "API key of the form id.secret"
    options: ClassVar[tuple[Option, ...]] = (bigmodel.signing(_SIGNED), fields.UNSUPPORTED)
    models = (
        "chatglm_turbo", "chatglm_pro", "chatglm_std", "chatglm_lite", "chatglm_lite_32k",
        "characterglm", "text_embedding",
    )  # fmt: skip

    def check(self, channel: Channel) -> None:
        super().check(channel)
        bigmodel.check_key(channel, _SIGNED)

    def credential(self, channel: Channel, response: UpstreamResponse | None, now: float) -> Credential:
        if bigmodel.is_signed(channel, _SIGNED):
            return bigmodel.signed_token(channel.key, now)
        return Credential(channel.key)

    def auth(self, credential: Credential) -> dict[str, str]:
        return {"authorization": credential.value}  # by itself, without the word Bearer

    def request(self, call: Call) -> UpstreamRequest:
        made = _embedding(call) if call.endpoint == "embeddings" else _prompt(call)
        rest, dropped = fields.others(call, _HANDLED, _UNSUPPORTED)
        return self.post(call, self._url(call), {**rest, **made}, dropped)

    def reply(self, call: Call, response: UpstreamResponse) -> Reply:
        data = self.document(call, response).get("data")
        usage = read_usage(at(data, "usage"))
        if call.endpoint == "embeddings":
            return chat.embeddings(call, [_vector(data)], usage)
        choices = objects(at(data, "choices"))
        if not choices:
            raise UpstreamError(ErrorKind.FAULT, "the provider's answer has no choice")
        said = [(chat.message(_content(call, choice)), "stop") for choice in choices]
        return chat.completions(call, said, usage, id=text(at(data, "task_id")))

    def stream(self, call: Call, response: UpstreamResponse) -> StreamTranslator | None:
        # Errors come as JSON also where a stream was asked for.
        return None if is_document(call, response) else ChatGLMStream(self, call, response)

    def failed(self, failure: failures.Failure, status: int, headers: Headers, now: float) -> UpstreamError:
        return bigmodel.classify(failure, status, headers, now, signed=True)

    def failure(self, value: Json) -> failures.Failure | None:
        return bigmodel.failure_in(value)

    def _url(self, call: Call) -> str:
        base = self.root(call.channel)
        if not urlsplit(base).path:
            base += urlsplit(self.base_url).path
        base, root, _ = base.partition("/model-api")
        way = "sse-invoke" if call.stream and call.endpoint == "chat/completions" else "invoke"
        return f"{base}{root}/{quote(call.upstream_model, safe='')}/{way}"


class ChatGLMStream(StreamTranslator):
    """Version 3's event stream to OpenAI's chunks. Wire: docs.bigmodel.cn, "ChatGLM-Turbo", SSE invoke.

    Events are `add`, and one of `finish`, `error` and `interrupted` at the end. What came before an error
    is returned first, and the next call raises, however the bytes were cut.
    """

    needs_body = False

    def __init__(self, adapter: ChatGLMAdapter, call: Call, response: UpstreamResponse) -> None:
        self._adapter = adapter
        self._now = call.now
        self._response = response
        self._events = _Decoder()
        self._chunks = chat.ChunkWriter(call)
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
            failure = failures.read_failure(event.data)
            self._error = self._adapter.failed(failure, 200, self._response.headers, self._now)
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
    texts = chat.inputs_of(call)
    if len(texts) != 1 or not texts[0]:
        raise BodyError("this model embeds one text a call", "input")
    return {"prompt": texts[0]}


def _usage(meta: bytes) -> Usage | None:
    """The usage in a `meta` line; one that cannot be read costs no answer."""
    try:
        value = orjson.loads(meta)
    except orjson.JSONDecodeError:
        return None
    return read_usage(value.get("usage")) if isinstance(value, dict) else None


def _vector(data: object) -> list[float]:
    vector = at(data, "embedding")
    if not isinstance(vector, list):
        raise UpstreamError(ErrorKind.FAULT, "the provider's answer has no embedding")
    return vector


def _content(call: Call, choice: Json) -> str:
    """The text of a choice, which is a JSON string inside the string unless plain text was asked for."""
    content = text(choice.get("content"))
    plain = call.body is not None and call.body.tree.get("return_type") == "text"
    if plain or not (content.startswith('"') and content.endswith('"')):
        return content
    try:
        return text(orjson.loads(content)) or content
    except orjson.JSONDecodeError:
        return content
