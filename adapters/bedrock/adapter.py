"""Amazon Bedrock: Converse and its binary stream, with an API key or an access key of AWS.

Wire: docs.aws.amazon.com, Bedrock API reference, "Converse", "ConverseStream", "ListFoundationModels"; user
guide, "API keys".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Final
from urllib.parse import quote

import orjson

from ...plugins import (
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
from ..chat import completion, message, tool_call
from ..failures import (
    CONTEXT_LENGTH,
    MODEL_NOT_FOUND,
    Failure,
    Verdict,
    classify_coded,
    coded,
    read_failure,
)
from ..fields import UNSUPPORTED
from ..foreign import ForeignAdapter, JsonStream, at, count, is_document, json_object, objects, text
from ..openai import trim_base_url
from ..parts.eventstream import Frame, FrameDecoder
from ..parts.reasoning import sealed, signed
from ..parts.sigv4 import AccessKey, Scope
from ..parts.sigv4 import signed as with_signature
from ..parts.usage import CountReader, latest
from ..sse import Event
from .request import converse_request

FINISH_REASONS: Final[Mapping[str, str]] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
    "malformed_tool_use": "stop",
    "malformed_model_output": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
}
"""API reference, "Converse", stopReason."""

CODES: Final = coded(
    (ErrorKind.CREDENTIAL, "", "UnrecognizedClientException InvalidSignatureException ExpiredTokenException"),
    (ErrorKind.CREDENTIAL, "", "ExpiredToken InvalidClientTokenId InvalidAccessKeyId SignatureDoesNotMatch"),
    (ErrorKind.CREDENTIAL, "", "MissingAuthenticationTokenException MissingAuthenticationToken"),
    (ErrorKind.CREDENTIAL, "", "IncompleteSignatureException IncompleteSignature NotAuthorized"),
    (ErrorKind.MODEL, "", "AccessDeniedException AccessDenied OptInRequired UnknownOperationException"),
    (ErrorKind.MODEL, MODEL_NOT_FOUND, "ResourceNotFoundException"),
    (ErrorKind.REQUEST, "", "ValidationException ValidationError SerializationException"),
    (ErrorKind.RATE, "", "ThrottlingException Throttling TooManyRequestsException"),
    (ErrorKind.RATE, "", "ServiceQuotaExceededException"),
    (ErrorKind.BUSY, "", "ModelNotReadyException ServiceUnavailableException ServiceUnavailable"),
    (ErrorKind.FAULT, "", "ModelTimeoutException RequestTimeout ModelErrorException InternalFailure"),
    (ErrorKind.FAULT, "", "ModelStreamErrorException InternalServerException"),
)
"""Exceptions: API reference, "Converse", "ConverseStream" and "Common errors"."""

_MESSAGES: Final[tuple[tuple[re.Pattern[str], Verdict], ...]] = tuple(
    (re.compile(pattern, re.IGNORECASE), (kind, code))
    for pattern, kind, code in (
        (r"model identifier is invalid|on-demand throughput", ErrorKind.MODEL, MODEL_NOT_FOUND),
        (r"operation not allowed|use case details", ErrorKind.MODEL, ""),
        (r"api key is (in)?valid|authentication failed", ErrorKind.CREDENTIAL, ""),
        (r"(token|key)\b.{0,20}expired", ErrorKind.CREDENTIAL, ""),
        (r"too long|exceeds?\b.{0,40}(context|maximum)", ErrorKind.REQUEST, CONTEXT_LENGTH),
        (r"too many input tokens", ErrorKind.REQUEST, CONTEXT_LENGTH),
    )
)
"""What the words of an error say more precisely than its name."""

_VAGUE: Final = frozenset({ErrorKind.REQUEST, ErrorKind.MODEL})
"""Kinds that an error's words may change."""

_HOST: Final = re.compile(r"^https://bedrock-runtime(?:-fips)?\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?$")
_REGION: Final = re.compile(r"[a-z]{2,4}(-[a-z]+)+-\d+")

REGION = Option(
    "region", "Region", default="us-east-1", help="of AWS; one in the base URL of an endpoint of AWS wins"
)

_SIGNED_FOR_S: Final = 240.0
"""How long a credential may serve for the list of models, whose request knows no other clock: AWS takes
signatures of up to five minutes ago."""


class BedrockAdapter(ForeignAdapter):
    """Models of many makers at Amazon Bedrock."""

    name = "bedrock"
    title = "Amazon Bedrock"
    endpoints = frozenset({"chat/completions"})
    key_help = "Bedrock API key, or ACCESS_KEY_ID|SECRET_ACCESS_KEY, with |SESSION_TOKEN if there is one"
    options = (REGION, UNSUPPORTED)
    models = ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "us.amazon.nova-2-lite-v1:0")
    codes = CODES

    def check(self, channel: Channel) -> None:
        if not re.fullmatch(r"[\x21-\x7e]+", channel.key):
            raise ValueError("the key is empty or has a character in it that no key has")
        _access_key(channel.key)
        if not _REGION.fullmatch(_region(channel)):
            raise ValueError(f"region = {_region(channel)!r}: expected one such as us-east-1")
        self.root(channel)

    def root(self, channel: Channel) -> str:
        return trim_base_url(channel.base_url or f"https://bedrock-runtime.{_region(channel)}.amazonaws.com")

    def credential(self, channel: Channel, response: UpstreamResponse | None, now: float) -> Credential:
        is_signed = _access_key(channel.key) is not None
        return Credential(channel.key, now + _SIGNED_FOR_S if is_signed else inf)

    def request(self, call: Call) -> UpstreamRequest:
        body, dropped = converse_request(call)
        operation = "converse-stream" if call.stream else "converse"
        model = quote(call.upstream_model, safe="")
        made = UpstreamRequest(
            f"{self.root(call.channel)}/model/{model}/{operation}",
            {"content-type": "application/json"},
            orjson.dumps(body),
            dropped=dropped,
        )
        return _authorized(made, call.channel, call.credential, call.now)

    def reply(self, call: Call, response: UpstreamResponse) -> Reply:
        value = self.document(call, response)
        content = at(value, "output", "message", "content")
        if not isinstance(content, list):
            raise UpstreamError(ErrorKind.FAULT, "the provider's answer has no message")
        made, finish = _message(objects(content), text(value.get("stopReason")))
        return completion(call, made, finish, _usage(value.get("usage")))

    def stream(self, call: Call, response: UpstreamResponse) -> StreamTranslator | None:
        return None if is_document(call, response) else ConverseStream(self, call, response)

    def error(self, call: Call, response: UpstreamResponse) -> UpstreamError:
        return self.failed(_failure(response), response.status, response.headers, call.now)

    def failed(self, failure: Failure, status: int, headers: Headers, now: float) -> UpstreamError:
        verdict = self.codes.get(failure.code)
        if verdict is None or verdict[0] not in _VAGUE:
            return super().failed(failure, status, headers, now)
        found = (precise for pattern, precise in _MESSAGES if pattern.search(failure.message))
        return classify_coded({failure.code: next(found, verdict)}, failure, status, headers, now)

    def models_request(self, channel: Channel, credential: Credential, now: float) -> UpstreamRequest | None:
        root = self.root(channel)
        if not _HOST.match(root):
            return None
        url = root.replace("bedrock-runtime", "bedrock", 1) + "/foundation-models?byOutputModality=TEXT"
        made = UpstreamRequest(url, {}, method="GET")
        return _authorized(made, channel, credential, now)

    def model_names(self, response: UpstreamResponse) -> tuple[str, ...]:
        models = objects(json_object(response).get("modelSummaries"))
        return tuple(name for model in models if (name := text(model.get("modelId"))))


class _Events:
    """Decodes frames to events. The name of an exception is put behind the mark of one."""

    def __init__(self) -> None:
        self._frames = FrameDecoder()

    def feed(self, data: bytes) -> Iterator[Event]:
        return map(_event, self._frames.feed(data))

    def flush(self) -> Iterator[Event]:
        return map(_event, self._frames.flush())


_EXCEPTION: Final = b"exception:"


def _event(frame: Frame) -> Event:
    headers = frame.headers
    kind = headers.get(":message-type")
    if kind == "exception":
        return Event(frame.payload or b"{}", _EXCEPTION + headers.get(":exception-type", "").encode())
    if kind == "error":
        said = orjson.dumps({"message": headers.get(":error-message")})
        return Event(said, _EXCEPTION + headers.get(":error-code", "").encode())
    return Event(frame.payload, headers.get(":event-type", "").encode())


@dataclass(slots=True)
class _Block:
    """A content block under way. `position` is a tool call's place among the calls, -1 for other blocks."""

    position: int = -1
    signature: str = ""
    pieces: list[str] = field(default_factory=list)


class ConverseStream(JsonStream):
    """Bedrock's stream to OpenAI's. Wire: API reference, "ConverseStreamOutput"."""

    def __init__(self, adapter: ForeignAdapter, call: Call, response: UpstreamResponse) -> None:
        super().__init__(adapter, call, response, _Events())
        self._blocks: dict[int, _Block] = {}
        self._calls = 0
        self._thoughts = 0

    def event(self, name: bytes, value: Json) -> bytes:
        if name.startswith(_EXCEPTION):
            code = name.removeprefix(_EXCEPTION).decode()
            said = read_failure(orjson.dumps(value)).message
            failure = Failure(said, code=code[:1].upper() + code[1:])  # it begins small in a stream
            raise self.adapter.failed(failure, self.response.status, self.response.headers, self.call.now)
        take = _TAKERS.get(name)
        return take(self, value) if take else b""

    def _block_start(self, value: Json) -> bytes:
        use = at(value, "start", "toolUse")
        if not use:
            return b""
        block = self._blocks[count(value.get("contentBlockIndex"))] = _Block(self._calls)
        self._calls += 1
        return self.out.tool_call(block.position, id=text(at(use, "toolUseId")), name=text(at(use, "name")))

    def _block_delta(self, value: Json) -> bytes:
        delta = value.get("delta")
        if said := text(at(delta, "text")):
            return self.out.text(said)
        block = self._blocks.setdefault(count(value.get("contentBlockIndex")), _Block())
        if piece := text(at(delta, "toolUse", "input")):
            block.pieces.append(piece)
            return self.out.tool_call(block.position, arguments=piece) if block.position >= 0 else b""
        thought = at(delta, "reasoningContent")
        if data := text(at(thought, "redactedContent")):
            return self._detail(sealed(data, self._thoughts))
        block.signature += text(at(thought, "signature"))
        block.pieces.append(text(at(thought, "text")))
        return self.out.reasoning(block.pieces[-1])

    def _block_stop(self, value: Json) -> bytes:
        block = self._blocks.pop(count(value.get("contentBlockIndex")), None)
        if block is None:
            return b""
        said = "".join(block.pieces)
        if block.position >= 0:
            return b"" if said else self.out.tool_call(block.position, arguments="{}")
        return self._detail(signed(said, block.signature, self._thoughts)) if block.signature else b""

    def _stop(self, value: Json) -> bytes:
        if self.ended:
            return b""
        self.ended = True
        reason = FINISH_REASONS.get(text(value.get("stopReason")), "stop")
        return self.out.finish("tool_calls" if self._calls else reason)

    def _metadata(self, value: Json) -> bytes:
        self.usage = latest(self.usage, _usage(value.get("usage")))
        return b""

    def _detail(self, detail: Json) -> bytes:
        self._thoughts += 1
        return self.out.delta({"reasoning_details": [detail]})


_TAKERS: Final[Mapping[bytes, Callable[[ConverseStream, Json], bytes]]] = {
    b"contentBlockStart": ConverseStream._block_start,
    b"contentBlockDelta": ConverseStream._block_delta,
    b"contentBlockStop": ConverseStream._block_stop,
    b"messageStop": ConverseStream._stop,
    b"metadata": ConverseStream._metadata,
}


def _message(blocks: list[Json], reason: str) -> tuple[Json, str]:
    """OpenAI's message and finish reason for a whole answer's blocks."""
    uses = [use for block in blocks if isinstance(use := block.get("toolUse"), dict)]
    calls = [
        tool_call(position, text(use.get("name")), use.get("input") or {}, text(use.get("toolUseId")))
        for position, use in enumerate(uses)
    ]
    thoughts = [block.get("reasoningContent") for block in blocks]
    made = message(
        "".join(text(block.get("text")) for block in blocks),
        reasoning="".join(text(at(thought, "reasoningText", "text")) for thought in thoughts),
        tool_calls=calls,
    )
    if details := _details(thoughts):
        made["reasoning_details"] = details
    return made, "tool_calls" if calls else FINISH_REASONS.get(reason, "stop")


def _details(thoughts: list[object]) -> list[Json]:
    details: list[Json] = []
    for thought in thoughts:
        signature = text(at(thought, "reasoningText", "signature"))
        if signature:
            details.append(signed(text(at(thought, "reasoningText", "text")), signature, len(details)))
        elif data := text(at(thought, "redactedContent")):
            details.append(sealed(data, len(details)))
    return details


def _usage(counts: object) -> Usage | None:
    """Usage as we count it: what was read from the cache or written to it is outside `inputTokens`."""
    if not isinstance(counts, dict) or not counts:
        return None
    read = CountReader()
    cached = read.count(counts, "cacheReadInputTokens") or 0
    written = read.count(counts, "cacheWriteInputTokens") or 0
    fresh, completion = read.count(counts, "inputTokens"), read.count(counts, "outputTokens")
    return read.usage((fresh or 0) + cached + written, completion or 0, cached=cached, written=written)


def _failure(response: UpstreamResponse) -> Failure:
    """What an error says, and its name: from the header, or from the body where a proxy drops headers."""
    said = read_failure(response.body).message
    name = response.headers.get("x-amzn-errortype", "").partition(":")[0]
    try:
        value = orjson.loads(response.body)
    except orjson.JSONDecodeError:
        value = None
    said = said or text(at(value, "Message"))
    return Failure(said, code=name or text(at(value, "__type")).rpartition("#")[2])


def _authorized(
    request: UpstreamRequest, channel: Channel, credential: Credential, now: float
) -> UpstreamRequest:
    """Return the request with an API key as a bearer token, or signed with an access key."""
    key = _access_key(credential.value)
    headers: Headers
    if key is None:
        headers = {**request.headers, "authorization": f"Bearer {credential.value}"}
    else:
        scope = Scope(_region(channel), "bedrock")
        body = request.body or b""
        headers = with_signature(request.method, request.url, request.headers, body, key, scope, now)
    return UpstreamRequest(request.url, headers, request.body, request.method, request.dropped)


def _access_key(key: str) -> AccessKey | None:
    """Take an access key apart; None for an API key. Raises ValueError for half an access key."""
    parts = key.split("|")
    if len(parts) == 1:
        return None
    if len(parts) > 3 or not all(parts):
        raise ValueError("the key must be an API key, or ACCESS_KEY_ID|SECRET_ACCESS_KEY[|SESSION_TOKEN]")
    return AccessKey(*parts)


def _region(channel: Channel) -> str:
    match = _HOST.match(channel.base_url.rstrip("/")) if channel.base_url else None
    return match[1] if match else channel.options.get(REGION.name) or REGION.default


@hookimpl
def register_adapters(register):  # type: ignore[no-untyped-def]  # the hookspec gives the types
    register(BedrockAdapter())
