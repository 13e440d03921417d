"""Run one recorded case through an adapter, without a socket or a clock.

The adapter is driven as the gateway drives it, after the contract: an error status is classified, a whole
answer is translated, a stream goes through a translator or is passed on. Bytes come in any split.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

import orjson

from ...plugins import (
    Adapter,
    Call,
    Channel,
    Credential,
    ErrorKind,
    Json,
    JsonBody,
    StreamTranslator,
    UpstreamError,
    UpstreamResponse,
    Usage,
)
from ..relaying.events import first_event
from .cases import Case
from .outcome import Outcome, read_json, read_stream
from .responses import read_response, read_response_stream
from .splits import Split, pieces

NOW = 1_750_000_000.0
"""The time it is in every replay, unix seconds."""

CLIENT_MODEL = "conformance-client-model"
"""The name by which the client asks; the channel has another one, which is the case's."""

TAIL_BYTES = 8192
"""As many of a stream's last bytes the gateway keeps for an adapter to look at."""

_LINE_END = re.compile(rb"[\r\n]")
_HELD_BYTES = 64 * 1024
_CHAT = ("chat/completions", "completions")

_KEYS = ("sk-conformance", "conformance.secret", "conformance|secret", "conformance:secret")
"""Shapes of keys that are tried in turn: an adapter's `check` says which of them it takes."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """What came of a case.

    `outcome` is what the client could read, None where it got no chat-like answer; `sent` are its bytes.
    `usage` is what the gateway accounts. `error` is what the adapter raised. `credential` and `models`
    answer cases of these kinds. `translated` says whether a translator made the stream, `usage_wanted`
    whether the client is to see the usage, `by_events` that each event came by itself.
    """

    outcome: Outcome | None = None
    usage: Usage | None = None
    error: UpstreamError | None = None
    sent: bytes = b""
    credential: Credential | None = None
    models: tuple[str, ...] = ()
    translated: bool = False
    usage_wanted: bool = False
    by_events: bool = False


def replay(
    adapter: Adapter,
    case: Case,
    split: Split = "whole",
    *,
    seed: int = 0,
    channel: Channel | None = None,
    include_usage: bool = True,
    framed: bool = True,
) -> Replayed:
    """Give a case's answer to an adapter and return what came of it.

    `split` says how the bytes of a stream arrive. Without `channel`, one is made that the adapter takes.
    `include_usage` says whether the client asks for usage on its stream, `framed` whether HTTP tells the
    end of the body; where it does not, the adapter is asked if the stream is complete.
    """
    channel = channel or channel_for(adapter, case)
    response = UpstreamResponse(case.status, case.headers, case.body)
    try:
        if case.is_credential:
            return Replayed(credential=adapter.credential(channel, response, NOW))
        if case.is_model_list:
            return Replayed(models=adapter.model_names(response))
    except UpstreamError as error:
        return Replayed(error=error)
    call = call_for(adapter, case, channel, include_usage=include_usage)
    arriving = pieces(case.body, split, case.form, seed)
    replayed = answered(adapter, call, response, arriving, framed=framed)
    return dataclasses.replace(replayed, by_events=split in ("events", "bytes"))


def channel_for(adapter: Adapter, case: Case | None = None, key: str = "") -> Channel:
    """Return a channel as this adapter wants one: with its default options, and a key of a shape it takes."""
    options = {option.name: option.default for option in adapter.options if option.default}
    base_url = adapter.base_url or (_origin(case.url) if case else "") or "https://provider.invalid/v1"
    made = [Channel(1, "conformance", base_url, shape, options) for shape in ([key] if key else _KEYS)]
    taken = [channel for channel in made if _takes(adapter, channel)] or made
    if case is not None and case.is_credential:  # the shape of key that needs an exchange
        taken.sort(key=lambda channel: adapter.credential_request(channel, NOW) is None)
    return taken[0]


def call_for(adapter: Adapter, case: Case, channel: Channel, *, include_usage: bool = True) -> Call:
    """Return the call a client would have made to get this case's answer."""
    is_form = isinstance(case.request, dict) and case.request.get("_not_json") is True
    body = None if is_form else JsonBody(orjson.dumps(client_body(case, include_usage)))
    return Call(
        request_id="conformance",
        endpoint=case.endpoint,
        model=CLIENT_MODEL,
        upstream_model=case.model,
        stream=case.stream,
        body=body,
        content_type="multipart/form-data; boundary=x" if is_form else "application/json",
        channel=channel,
        credential=credential_for(adapter, channel),
        now=NOW,
    )


def credential_for(adapter: Adapter, channel: Channel) -> Credential:
    """Return what requests are signed with; a made-up one where it would have to be fetched."""
    if adapter.credential_request(channel, NOW) is not None:
        return Credential("short-lived", NOW + 3600)
    return adapter.credential(channel, None, NOW)


def client_body(case: Case, include_usage: bool = True) -> Json:
    """Return a request of OpenAI's shape: the recorded one where it has that shape, a composed one else."""
    recorded = case.request if case.is_openai_shaped or case.api == "responses" else None
    body: Json = dict(recorded) if isinstance(recorded, dict) else _composed(case)
    body["model"] = CLIENT_MODEL
    if case.stream:
        body["stream"] = True
    else:
        body.pop("stream", None)
    body.pop("stream_options", None)
    if case.stream and include_usage and case.endpoint in _CHAT:
        body["stream_options"] = {"include_usage": True}
    return body


def wants_usage(call: Call) -> bool:
    """Whether the client asked for usage on its stream."""
    options = call.body.get("stream_options", dict) if call.body is not None else None
    return options is not None and options.get("include_usage") is True


def answered(
    adapter: Adapter,
    call: Call,
    response: UpstreamResponse,
    arriving: Iterable[bytes],
    *,
    framed: bool = True,
) -> Replayed:
    """Give an answer to an adapter; the bytes of a stream come as `arriving`, others as the body."""
    head = UpstreamResponse(response.status, response.headers)
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    is_sse = kind == "text/event-stream"
    try:
        if not 200 <= response.status < 300:
            return Replayed(error=adapter.error(call, response))
        translator = adapter.stream(call, head) if is_sse or call.stream else None
        if translator is None and not is_sse:
            reply = adapter.reply(call, response)
            return Replayed(_read(call, reply.body), reply.usage, sent=reply.body, usage_wanted=True)
    except UpstreamError as error:
        return Replayed(error=error)
    if is_sse:
        arriving = checked(adapter, call, arriving)
    return _streamed(adapter, call, translator, arriving, framed)


def _streamed(
    adapter: Adapter,
    call: Call,
    translator: StreamTranslator | None,
    arriving: Iterable[bytes],
    framed: bool,
) -> Replayed:
    sent: list[bytes] = []
    error: UpstreamError | None = None
    try:
        for data in arriving:
            sent.append(data if translator is None else translator.feed(data))
        if translator is not None:
            sent.append(translator.close())
        if not framed and not adapter.is_complete(call, b"".join(sent)[-TAIL_BYTES:]):
            raise UpstreamError(ErrorKind.FAULT, "the provider closed the connection in mid-stream")
    except UpstreamError as exc:
        error = exc
    stream = b"".join(sent)
    usage = translator.usage if translator is not None else None
    if usage is None:
        usage = adapter.usage(call, stream[-TAIL_BYTES:])
    outcome = _read(call, stream, is_stream=True)
    return Replayed(
        outcome,
        usage,
        error,
        stream,
        translated=translator is not None,
        usage_wanted=call.endpoint == "responses" or wants_usage(call),
    )


def checked(adapter: Adapter, call: Call, arriving: Iterable[bytes]) -> Iterable[bytes]:
    """Hold a stream's beginning until the adapter has seen its first event, then let everything through.

    Raises UpstreamError if that event is a failure.
    """
    held: bytes | None = b""
    for data in arriving:
        if held is None:
            yield data
            continue
        held += data
        if len(held) < _HELD_BYTES and not _LINE_END.search(data):
            continue
        event = first_event(held)
        if event is None and len(held) < _HELD_BYTES:
            continue
        if event:
            adapter.check_first_event(call, event)
        yield held
        held = None
    if held:
        if event := first_event(held + b"\n"):
            adapter.check_first_event(call, event)
        yield held


def _read(call: Call, sent: bytes, is_stream: bool = False) -> Outcome | None:
    """Read what a client got; events under the name of JSON are still read as events."""
    is_stream = is_stream or sent.lstrip().startswith(b"data:")
    if call.endpoint == "responses":
        return read_response_stream(sent) if is_stream else read_response(sent)
    if call.endpoint not in _CHAT:
        return None
    return read_stream(sent) if is_stream else read_json(sent)


def _composed(case: Case) -> Json:
    if case.endpoint == "embeddings":
        return {"input": ["hi"]}
    if case.endpoint == "rerank":
        return {"query": "hi", "documents": ["hi", "ho"]}
    if case.endpoint == "images/generations":
        return {"prompt": "a cat"}
    body: Json = {"messages": [{"role": "user", "content": "hi"}]}
    choices = case.expected.choices or () if case.expected else ()
    names = dict.fromkeys(call.name for choice in choices for call in choice.tool_calls)
    if names:
        body["tools"] = [_tool(name) for name in names]
    if len(choices) > 1:
        body["n"] = len(choices)
    return body


def _tool(name: str) -> Json:
    function = {"name": name, "description": name, "parameters": {"type": "object", "properties": {}}}
    return {"type": "function", "function": function}


def _takes(adapter: Adapter, channel: Channel) -> bool:
    try:
        adapter.check(channel)
    except ValueError:
        return False
    return True


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""
