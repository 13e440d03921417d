"""Anthropic: the Messages API, and other hosts that speak it.

Wire: platform.claude.com, API reference, "Messages", "Streaming messages", "Errors", "Models".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

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
    CONTENT_FILTER,
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
from ..parts.reasoning import sealed, signed
from ..parts.usage import CountReader, latest
from .request import messages_request

_VERSION: Final = "2023-06-01"

FINISH_REASONS: Final[Mapping[str, str]] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "content_filter",
}
"""platform.claude.com, "Handling stop reasons"."""

CODES: Final = coded(
    (ErrorKind.REQUEST, "", "invalid_request_error request_too_large"),
    (ErrorKind.CREDENTIAL, "", "authentication_error"),
    (ErrorKind.BALANCE, "", "billing_error"),
    (ErrorKind.MODEL, "", "permission_error not_found_error"),
    (ErrorKind.RATE, "", "rate_limit_error"),
    (ErrorKind.BUSY, "", "overloaded_error"),
    (ErrorKind.FAULT, "", "api_error timeout_error conflict_error"),
)
"""Types of errors: platform.claude.com, "Errors"."""

_MESSAGES: Final[tuple[tuple[re.Pattern[str], Verdict], ...]] = tuple(
    (re.compile(pattern, re.IGNORECASE), (kind, code))
    for pattern, kind, code in (
        (r"credit balance|usage limits?\b.{0,40}\bregain access", ErrorKind.BALANCE, ""),
        (r"organization has been disabled|(token|key).{0,20}(revoked|expired)", ErrorKind.CREDENTIAL, ""),
        (r"prompt is too long|exceeds? (the )?context (limit|window)", ErrorKind.REQUEST, CONTEXT_LENGTH),
        (r"blocked by (our )?content filter", ErrorKind.REQUEST, CONTENT_FILTER),
        (r"^model: |model\b.{0,80}(not found|does not exist)", ErrorKind.MODEL, MODEL_NOT_FOUND),
    )
)
"""What the words of an error say more precisely than its type."""

_VAGUE: Final = frozenset({ErrorKind.REQUEST, ErrorKind.MODEL})
"""Kinds that an error's words may change."""

MAX_TOKENS = Option(
    "max_tokens",
    "Completion tokens where the client names no limit",
    default="8192",
    help="the API demands a limit; a budget for thinking comes on top",
)

BETA = Option("beta", "Beta features", help="sent as anthropic-beta, several separated by commas")


class AnthropicAdapter(ForeignAdapter):
    """Claude at Anthropic, and hosts with the same API."""

    name = "anthropic"
    title = "Anthropic"
    base_url = "https://api.anthropic.com/v1"
    endpoints = frozenset({"chat/completions"})
    key_help = "API key, sk-ant-..."
    options = (MAX_TOKENS, BETA, UNSUPPORTED)
    models = ("claude-opus-5", "claude-sonnet-5", "claude-haiku-4-5")
    codes = CODES

    def check(self, channel: Channel) -> None:
        super().check(channel)
        _max_tokens(channel)

    def root(self, channel: Channel) -> str:
        """The address before `/messages`. As for Anthropic's clients, `/v1` may be left out of it."""
        base = super().root(channel).removesuffix("/messages")
        return base if re.search(r"/v\d+$", base) else f"{base}/v1"

    def auth(self, credential: Credential) -> dict[str, str]:
        key = {"x-api-key": credential.value} if credential.value else {}
        return {**key, "anthropic-version": _VERSION}

    def request(self, call: Call) -> UpstreamRequest:
        body, dropped = messages_request(call, _max_tokens(call.channel))
        headers = {"content-type": "application/json", **self.auth(call.credential)}
        if beta := call.channel.options.get(BETA.name):
            headers["anthropic-beta"] = beta
        url = f"{self.root(call.channel)}/messages"
        return UpstreamRequest(url, headers, orjson.dumps(body), dropped=dropped)

    def reply(self, call: Call, response: UpstreamResponse) -> Reply:
        value = self.document(call, response)
        if not isinstance(value.get("content"), list):
            raise UpstreamError(ErrorKind.FAULT, "the provider's answer has no content")
        made, finish = _message(objects(value["content"]), text(value.get("stop_reason")))
        return completion(call, made, finish, _usage(value.get("usage")))

    def stream(self, call: Call, response: UpstreamResponse) -> StreamTranslator | None:
        return None if is_document(call, response) else MessagesStream(self, call, response)

    def failed(self, failure: Failure, status: int, headers: Headers, now: float) -> UpstreamError:
        verdict = self.codes.get(failure.type)
        if verdict is None:
            return super().failed(failure, status, headers, now)
        if verdict[0] in _VAGUE:
            found = (precise for pattern, precise in _MESSAGES if pattern.search(failure.message))
            verdict = next(found, verdict)
        said = Failure(failure.message, code=failure.type)
        return classify_coded({failure.type: verdict}, said, status, headers, now)

    def models_request(self, channel: Channel, credential: Credential, now: float) -> UpstreamRequest | None:
        return UpstreamRequest(f"{self.root(channel)}/models?limit=1000", self.auth(credential), method="GET")

    def model_names(self, response: UpstreamResponse) -> tuple[str, ...]:
        found = (text(model.get("id")) for model in objects(json_object(response).get("data")))
        return tuple(name for name in found if name)


@dataclass(slots=True)
class _Block:
    """A content block under way. `position` is a tool call's place among the calls."""

    kind: str
    position: int = 0
    given: object = None
    signature: str = ""
    pieces: list[str] = field(default_factory=list)


class MessagesStream(JsonStream):
    """Anthropic's stream to OpenAI's. Wire: platform.claude.com, "Streaming messages"."""

    def __init__(self, adapter: ForeignAdapter, call: Call, response: UpstreamResponse) -> None:
        super().__init__(adapter, call, response)
        self._blocks: dict[int, _Block] = {}
        self._counts: Json = {}
        self._calls = 0
        self._thoughts = 0

    def event(self, name: bytes, value: Json) -> bytes:
        if name == b"error":
            failure = read_failure(orjson.dumps(value))
            raise self.adapter.failed(failure, self.response.status, self.response.headers, self.call.now)
        take = _TAKERS.get(text(value.get("type")))
        return take(self, value) if take else b""

    def _start(self, value: Json) -> bytes:
        self._count(at(value, "message", "usage"))
        return b""

    def _block_start(self, value: Json) -> bytes:
        start = value.get("content_block")
        kind, index = text(at(start, "type")), count(value.get("index"))
        block = self._blocks[index] = _Block(kind, self._calls, at(start, "input"))
        if kind == "tool_use":
            self._calls += 1
            return self.out.tool_call(block.position, id=text(at(start, "id")), name=text(at(start, "name")))
        if kind == "redacted_thinking":
            return self._detail(sealed(text(at(start, "data")), self._thoughts))
        if kind == "thinking":
            block.signature = text(at(start, "signature"))
            return self._thought(block, text(at(start, "thinking")))
        return self.out.text(text(at(start, "text"))) if kind == "text" else b""

    def _block_delta(self, value: Json) -> bytes:
        delta = value.get("delta")
        kind = at(delta, "type")
        if kind == "text_delta":
            return self.out.text(text(at(delta, "text")))
        block = self._blocks.get(count(value.get("index")))
        if block is None:
            return b""
        if kind == "thinking_delta":
            return self._thought(block, text(at(delta, "thinking")))
        if kind == "signature_delta":
            block.signature += text(at(delta, "signature"))
        elif kind == "input_json_delta" and block.kind == "tool_use":
            piece = text(at(delta, "partial_json"))
            block.pieces.append(piece)
            return self.out.tool_call(block.position, arguments=piece) if piece else b""
        return b""

    def _block_stop(self, value: Json) -> bytes:
        block = self._blocks.pop(count(value.get("index")), None)
        if block is None:
            return b""
        said = "".join(block.pieces)
        if block.kind == "tool_use" and not said:
            return self.out.tool_call(block.position, arguments=orjson.dumps(block.given or {}).decode())
        if block.kind == "thinking" and block.signature:
            return self._detail(signed(said, block.signature, self._thoughts))
        return b""

    def _delta(self, value: Json) -> bytes:
        self._count(value.get("usage"))
        reason = text(at(value, "delta", "stop_reason"))
        return self._finish(reason) if reason else b""

    def _stop(self, value: Json) -> bytes:
        return self._finish("end_turn")

    def _finish(self, reason: str) -> bytes:
        if self.ended:
            return b""
        self.ended = True
        return self.out.finish("tool_calls" if self._calls else FINISH_REASONS.get(reason, "stop"))

    def _thought(self, block: _Block, piece: str) -> bytes:
        block.pieces.append(piece)
        return self.out.reasoning(piece)

    def _detail(self, detail: Json) -> bytes:
        self._thoughts += 1
        return self.out.delta({"reasoning_details": [detail]})

    def _count(self, usage: object) -> None:
        """The last count of each kind holds: input comes first, output grows."""
        if isinstance(usage, dict):
            self._counts.update({name: value for name, value in usage.items() if value is not None})
            self.usage = latest(self.usage, _usage(self._counts))


_TAKERS: Final[Mapping[str, Callable[[MessagesStream, Json], bytes]]] = {
    "message_start": MessagesStream._start,
    "content_block_start": MessagesStream._block_start,
    "content_block_delta": MessagesStream._block_delta,
    "content_block_stop": MessagesStream._block_stop,
    "message_delta": MessagesStream._delta,
    "message_stop": MessagesStream._stop,
}


def _message(blocks: list[Json], reason: str) -> tuple[Json, str]:
    """OpenAI's message and finish reason for a whole answer, without the blocks of the provider's tools."""
    uses = [block for block in blocks if block.get("type") == "tool_use"]
    calls = [
        tool_call(position, text(use.get("name")), use.get("input") or {}, text(use.get("id")))
        for position, use in enumerate(uses)
    ]
    made = message(
        "".join(text(block.get("text")) for block in blocks if block.get("type") == "text"),
        reasoning="".join(text(block.get("thinking")) for block in blocks),
        tool_calls=calls,
    )
    if details := _details(blocks):
        made["reasoning_details"] = details
    return made, "tool_calls" if calls else FINISH_REASONS.get(reason, "stop")


def _details(blocks: list[Json]) -> list[Json]:
    details: list[Json] = []
    for block in blocks:
        if block.get("type") == "redacted_thinking":
            details.append(sealed(text(block.get("data")), len(details)))
        elif block.get("type") == "thinking" and block.get("signature"):
            details.append(signed(text(block.get("thinking")), text(block["signature"]), len(details)))
    return details


def _usage(counts: object) -> Usage | None:
    """Usage as we count it: what was read from the cache or written to it is outside `input_tokens`."""
    if not isinstance(counts, dict) or not counts:
        return None
    read = CountReader()
    cached = read.count(counts, "cache_read_input_tokens") or 0
    written = read.count(counts, "cache_creation_input_tokens") or 0
    fresh, completion = read.count(counts, "input_tokens"), read.count(counts, "output_tokens")
    return read.usage((fresh or 0) + cached + written, completion or 0, cached=cached, written=written)


def _max_tokens(channel: Channel) -> int:
    given = channel.options.get(MAX_TOKENS.name) or MAX_TOKENS.default
    if not given.isascii() or not given.isdigit() or not int(given):
        raise ValueError(f"max_tokens = {given!r}: expected a whole number from 1 on")
    return int(given)


@hookimpl
def register_adapters(register):  # type: ignore[no-untyped-def]  # the hookspec gives the types
    register(AnthropicAdapter())
