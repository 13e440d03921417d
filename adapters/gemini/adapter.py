"""Google Gemini: generateContent and its stream, embeddings, with a key of Google AI Studio.

Wire: ai.google.dev, API reference, "Generating content", "Embeddings", "Models"; "Troubleshooting guide"
for errors. The key goes into a header: in the URL it would end up in logs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote

import orjson

from ...plugins import (
    Call,
    Channel,
    Credential,
    ErrorKind,
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
from ..chat import completions, embeddings, message, tool_call
from ..fields import UNSUPPORTED
from ..foreign import (
    EventsOrDocument,
    ForeignAdapter,
    JsonStream,
    at,
    count,
    is_document,
    json_object,
    objects,
    text,
)
from ..parts.usage import CountReader, latest
from ..sse import Event
from .errors import error_in, failure
from .request import embed_request, generate_request, model_path

_COUNTS: Final = (
    *("promptTokenCount", "toolUsePromptTokenCount", "thoughtsTokenCount", "candidatesTokenCount"),
    *("totalTokenCount", "cachedContentTokenCount"),
)

FINISH_REASONS: Final[Mapping[str, str]] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
    "LANGUAGE": "content_filter",
    "IMAGE_SAFETY": "content_filter",
    "IMAGE_PROHIBITED_CONTENT": "content_filter",
    "IMAGE_RECITATION": "content_filter",
    "MALFORMED_FUNCTION_CALL": "stop",
    "UNEXPECTED_TOOL_CALL": "stop",
    "TOO_MANY_TOOL_CALLS": "stop",
    "MISSING_THOUGHT_SIGNATURE": "stop",
    "MALFORMED_RESPONSE": "stop",
    "NO_IMAGE": "stop",
    "IMAGE_OTHER": "stop",
    "OTHER": "stop",
    "FINISH_REASON_UNSPECIFIED": "stop",
}
"""API reference, "Generating content", FinishReason."""

SAFETY = Option(
    "safety",
    "Block harmful content",
    help="threshold for all harms where the client sets none; empty: the provider's own",
    choices=("", "OFF", "BLOCK_NONE", "BLOCK_ONLY_HIGH", "BLOCK_MEDIUM_AND_ABOVE", "BLOCK_LOW_AND_ABOVE"),
)

_SERVING: Final = frozenset({"generateContent", "embedContent", "batchEmbedContents"})


class GeminiAdapter(ForeignAdapter):
    """Google's models by the Gemini API."""

    name = "gemini"
    title = "Google Gemini"
    base_url = "https://generativelanguage.googleapis.com/v1beta"
    endpoints = frozenset({"chat/completions", "embeddings"})
    key_help = "API key of Google AI Studio"
    options = (SAFETY, UNSUPPORTED)
    models = ("gemini-3-pro-preview", "gemini-2.5-pro", "gemini-2.5-flash", "gemini-embedding-001")

    def root(self, channel: Channel) -> str:
        """The address before `/models`. The version may be left out of it, as for Google's clients."""
        base = super().root(channel).removesuffix("/models")
        return base if re.search(r"/v\d+\w*$", base) else f"{base}/v1beta"

    def auth(self, credential: Credential) -> dict[str, str]:
        return {"x-goog-api-key": credential.value} if credential.value else {}

    def request(self, call: Call) -> UpstreamRequest:
        if call.endpoint == "embeddings":
            method, body, dropped = embed_request(call)
        else:
            body, dropped = generate_request(call, call.channel.options.get(SAFETY.name, ""))
            method = "streamGenerateContent?alt=sse" if call.stream else "generateContent"
        path = quote(model_path(call.upstream_model), safe="/")
        return self.post(call, f"{self.root(call.channel)}/{path}:{method}", body, dropped)

    def reply(self, call: Call, response: UpstreamResponse) -> Reply:
        if call.endpoint == "embeddings":
            return _embeddings(call, self.document(call, response))
        if not response.body.lstrip().startswith(b"["):
            return _answer(call, [self.document(call, response)])
        values = objects(json_object(_wrapped(response))["values"])
        for value in values:
            self.refuse(call, value, response)
        return _answer(call, values)

    def stream(self, call: Call, response: UpstreamResponse) -> StreamTranslator | None:
        return None if is_document(call, response) else GenerateStream(self, call, response)

    def error(self, call: Call, response: UpstreamResponse) -> UpstreamError:
        return failure(response, call.now)

    def refuse(self, call: Call, value: Json, response: UpstreamResponse) -> None:
        if value.get("error"):
            raise error_in(value, call.now, response.headers)

    def models_request(self, channel: Channel, credential: Credential, now: float) -> UpstreamRequest | None:
        url = f"{self.root(channel)}/models?pageSize=1000"
        return UpstreamRequest(url, self.auth(credential), method="GET")

    def model_names(self, response: UpstreamResponse) -> tuple[str, ...]:
        models = objects(json_object(response).get("models"))
        serving = (model for model in models if _serves(model.get("supportedGenerationMethods")))
        names = (text(model.get("name")).removeprefix("models/") for model in serving)
        return tuple(name for name in names if name)


class _Events:
    """Decodes the stream. Some proxies leave out the blank lines: then each line is an event."""

    def __init__(self) -> None:
        self._events = EventsOrDocument()

    def feed(self, data: bytes) -> list[Event]:
        return self._one_by_one(self._events.feed(data))

    def flush(self) -> list[Event]:
        return self._one_by_one(self._events.flush())

    def _one_by_one(self, events: list[Event]) -> list[Event]:
        if not any(b"\n" in event.data for event in events):
            return events
        return [Event(data, event.name) for event in events for data in _documents(event.data)]


def _documents(data: bytes) -> list[bytes]:
    """The data itself if it is one document, else its lines."""
    try:
        orjson.loads(data)
    except orjson.JSONDecodeError:
        return data.split(b"\n")
    return [data]


@dataclass(slots=True)
class _Choice:
    """What one candidate has come to."""

    texts: list[str] = field(default_factory=list)
    thoughts: list[str] = field(default_factory=list)
    calls: list[Json] = field(default_factory=list)
    signature: str = ""
    finish: str = ""


class GenerateStream(JsonStream):
    """Gemini's stream to OpenAI's. It has no mark for its end: each candidate ends with its finish reason."""

    def __init__(self, adapter: ForeignAdapter, call: Call, response: UpstreamResponse) -> None:
        super().__init__(adapter, call, response, _Events())
        self._calls: dict[int, int] = {}
        self._open: set[int] = set()
        self._finished: set[int] = set()

    def event(self, name: bytes, value: Json) -> bytes:
        self.usage = latest(self.usage, _usage(value))
        candidates = objects(value.get("candidates"))
        if not candidates and at(value, "promptFeedback", "blockReason"):
            made = self._finish(0, "SAFETY")
        else:
            made = b"".join([self._candidate(candidate) for candidate in candidates])
        self.ended = bool(self._finished) and not self._open
        return made

    def _candidate(self, candidate: Json) -> bytes:
        index = count(candidate.get("index"))
        if index not in self._finished:
            self._open.add(index)
        made = [self._part(part, index) for part in objects(at(candidate, "content", "parts"))]
        if reason := text(candidate.get("finishReason")):
            made.append(self._finish(index, reason))
        return b"".join(made)

    def _part(self, part: Json, index: int) -> bytes:
        if call := part.get("functionCall"):
            position = self._calls.get(index, 0)
            self._calls[index] = position + 1
            made = {"index": position, **_tool_call(self.call, call, part, index, position)}
            return self.out.delta({"tool_calls": [made]}, index)
        said = text(part.get("text"))
        if part.get("thought") is True:
            return self.out.reasoning(said, index)
        sent = self.out.text(said or _picture(part), index)
        if signature := text(part.get("thoughtSignature")):
            sent += self.out.delta(_signed(signature), index)
        return sent

    def _finish(self, index: int, reason: str) -> bytes:
        if index in self._finished:
            return b""
        self._open.discard(index)
        self._finished.add(index)
        finish = "tool_calls" if self._calls.get(index) else FINISH_REASONS.get(reason, "stop")
        return self.out.finish(finish, index)


def _wrapped(response: UpstreamResponse) -> UpstreamResponse:
    """The answer with its list put into an object: a stream without events comes as one list."""
    return UpstreamResponse(response.status, response.headers, b'{"values":' + response.body + b"}")


def _answer(call: Call, values: list[Json]) -> Reply:
    """OpenAI's whole answer, of one object or of all objects of a stream."""
    choices: dict[int, _Choice] = {}
    usage: Usage | None = None
    for value in values:
        usage = _usage(value) or usage
        for candidate in objects(value.get("candidates")):
            index = count(candidate.get("index"))
            _take(call, choices.setdefault(index, _Choice()), candidate, index)
        if not choices and at(value, "promptFeedback", "blockReason"):
            choices[0] = _Choice(finish="SAFETY")
    if not choices:
        raise UpstreamError(ErrorKind.FAULT, "the provider's answer has no candidates")
    return completions(call, [_message(choice) for _, choice in sorted(choices.items())], usage)


def _take(call: Call, choice: _Choice, candidate: Json, index: int) -> None:
    for part in objects(at(candidate, "content", "parts")):
        if function := part.get("functionCall"):
            choice.calls.append(_tool_call(call, function, part, index, len(choice.calls)))
        elif part.get("thought") is True:
            choice.thoughts.append(text(part.get("text")))
        else:
            choice.texts.append(text(part.get("text")) or _picture(part))
            choice.signature = text(part.get("thoughtSignature")) or choice.signature
    choice.finish = text(candidate.get("finishReason")) or choice.finish


def _message(choice: _Choice) -> tuple[Json, str]:
    made = message("".join(choice.texts), reasoning="".join(choice.thoughts), tool_calls=choice.calls)
    if choice.signature:
        made.update(_signed(choice.signature))
    return made, "tool_calls" if choice.calls else FINISH_REASONS.get(choice.finish, "stop")


def _tool_call(call: Call, function: object, part: Json, index: int, position: int) -> Json:
    """OpenAI's tool call. Where Gemini gives no id, one is made that no other answer has."""
    id = text(at(function, "id")) or f"call_{call.request_id[-24:]}_{index}_{position}"
    made = tool_call(position, text(at(function, "name")), at(function, "args") or {}, id)
    signature = text(part.get("thoughtSignature"))
    return {**made, **_signed(signature)} if signature else made


def _signed(signature: str) -> Json:
    """A thought signature where Google's own OpenAI surface has it: "Thought signatures"."""
    return {"extra_content": {"google": {"thought_signature": signature}}}


def _picture(part: Json) -> str:
    """A picture the model drew, as Markdown: OpenAI's chat has no place for one."""
    data = part.get("inlineData")
    return f"![image](data:{text(at(data, 'mimeType'))};base64,{text(at(data, 'data'))})" if data else ""


def _usage(value: Json) -> Usage | None:
    """Usage as we count it: thoughts and what only the total has are completion."""
    counts = value.get("usageMetadata")
    if not isinstance(counts, dict):
        return None
    read = CountReader()
    prompt, tools, reasoning, said, total, cached = (read.count(counts, name) or 0 for name in _COUNTS)
    prompt += tools
    asked = _by_kind(read, counts.get("promptTokensDetails"))
    made = _by_kind(read, counts.get("candidatesTokensDetails"))
    return read.usage(
        prompt,
        max(said + reasoning, total - prompt),
        cached=cached,
        reasoning=reasoning,
        audio_prompt=asked.get("AUDIO", 0),
        image_prompt=asked.get("IMAGE", 0),
        audio_completion=made.get("AUDIO", 0),
        image_completion=made.get("IMAGE", 0),
    )


def _by_kind(read: CountReader, details: object) -> dict[str, int]:
    """How a count divides, by modality."""
    return {text(one.get("modality")): read.count(one, "tokenCount") or 0 for one in objects(details)}


def _embeddings(call: Call, value: Json) -> Reply:
    found = objects(value.get("embeddings")) or objects([value.get("embedding")])
    vectors = [vector for each in found if isinstance(vector := each.get("values"), list)]
    if not vectors:
        raise UpstreamError(ErrorKind.FAULT, "the provider's answer has no embeddings")
    return embeddings(call, vectors, _usage(value))


def _serves(methods: object) -> bool:
    return isinstance(methods, list) and not _SERVING.isdisjoint(map(str, methods))


@hookimpl
def register_adapters(register):  # type: ignore[no-untyped-def]  # the hookspec gives the types
    register(GeminiAdapter())
