"""Check what an adapter asks its provider."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import msgspec
import orjson

from ...plugins import (
    BodyError,
    Call,
    Channel,
    Credential,
    Endpoint,
    ErrorKind,
    Json,
    UpstreamError,
    UpstreamRequest,
)
from .replay import CLIENT_MODEL, NOW
from .report import Check, Section, check
from .subject import Subject

MARK = "märk-4711"
"""A text that is looked for in what is sent."""

UPSTREAM_MODEL = "conformance-upstream-model"

_ODD_MODELS = ("a/b:c@d.e", "with space", "q?r#s", "模型")
_ELSEWHERE = "http://127.0.0.1:9/prefix"

_GATEWAYS_OWN = frozenset({"host", "content-length", "transfer-encoding", "connection", "accept-encoding"})
"""Header fields that the gateway writes."""

_FORMS: tuple[Endpoint, ...] = (
    "audio/transcriptions",
    "audio/translations",
    "images/edits",
    "images/variations",
)
"""Endpoints whose clients send a form."""

_BODIES: Mapping[Endpoint, Json] = {
    "chat/completions": {"messages": [{"role": "user", "content": "hi"}]},
    "completions": {"prompt": "hi"},
    "embeddings": {"input": ["hi"]},
    "moderations": {"input": "hi"},
    "images/generations": {"prompt": "a cat"},
    "audio/speech": {"input": "hi", "voice": "alloy"},
    "rerank": {"query": "hi", "documents": ["hi", "ho"]},
    "responses": {"input": "hi"},
}
"""The simplest request of each other endpoint."""

_HI = {"role": "user", "content": "hi"}
_CALLED = {"id": "call_1", "type": "function", "function": {"name": "lookup", "arguments": "{}"}}


def _tool(description: str = "Look up") -> Json:
    parameters = {"type": "object", "properties": {}}
    return {
        "type": "function",
        "function": {"name": "lookup", "description": description, "parameters": parameters},
    }


_TALKS: Mapping[str, Json] = {
    "the text of a message": {"messages": [{"role": "user", "content": MARK}]},
    "the text of a part": {"messages": [{"role": "user", "content": [{"type": "text", "text": MARK}]}]},
    "the system's message": {"messages": [{"role": "system", "content": MARK}, _HI]},
    "an earlier answer": {"messages": [_HI, {"role": "assistant", "content": MARK}, _HI]},
    "the result of a tool": {
        "messages": [
            _HI,
            {"role": "assistant", "content": None, "tool_calls": [_CALLED]},
            {"role": "tool", "tool_call_id": "call_1", "content": MARK},
        ],
        "tools": [_tool()],
    },
    "the description of a tool": {"messages": [_HI], "tools": [_tool(MARK)]},
}
"""Requests that hold the mark in one place each."""

_KEPT: Json = {"temperature": 0.25, "top_p": 0.5, "stop": ["\n\n"]}
"""Fields that every OpenAI-shaped host takes as they are."""


def sections(subject: Subject) -> Iterator[Section]:
    """Yield the section about requests; none where the adapter answers by itself."""
    checks = [
        check("the address of another host", partial(_host_problems, subject)),
        check("the key", partial(_signing_problems, subject)),
        check("a mapped model", partial(_mapping_problems, subject)),
        check("an unknown field", partial(_unknown_problems, subject)),
        *(check(f"model {name!r}", partial(_odd_model_problems, subject, name)) for name in _ODD_MODELS),
        *(check(name, partial(_mark_problems, subject, body)) for name, body in _TALKS.items()),
    ]
    if subject.wire == "openai":
        checks.append(check("the wish to stream", partial(_stream_problems, subject)))
        checks.append(check("fields of OpenAI's", partial(_kept_problems, subject)))
        checks.append(check("usage of a stream", partial(_asking_problems, subject)))
    yield Section("requests", (*_endpoint_checks(subject), *checks))


def _endpoint_checks(subject: Subject) -> Iterator[Check]:
    for endpoint in sorted(subject.adapter.endpoints):
        if endpoint in _FORMS:
            yield check(f"a form for {endpoint}", partial(_form_problems, subject, endpoint))
        else:
            call = subject.call(_BODIES[endpoint], endpoint)
            yield check(f"the simplest request for {endpoint}", partial(_request_problems, subject, call))


def _request_problems(subject: Subject, call: Call) -> Iterator[str]:
    assert call.body is not None
    raw, tree = bytes(call.body.raw), orjson.dumps(call.body.tree)
    request = subject.adapter.request(call)
    if call.body.raw != raw or orjson.dumps(call.body.tree) != tree:
        yield "call.body was changed; it is used again for another channel"
    if subject.adapter.request(call) != request:
        yield "the same call gives another request each time"
    yield from _url_problems(request.url)
    for name, value in request.headers.items():
        yield from _header_problems(name, value)
    if not isinstance(request.body, bytes):
        yield f"the body is {type(request.body).__name__}, no bytes"
    if request.body and "content-type" not in request.headers:
        yield "there is a body and no content-type"


def _url_problems(url: str) -> Iterator[str]:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        yield f"the url is not absolute: {url!r}"
    if re.search(r"[^\x21-\x7e]", url) or parts.fragment:
        yield f"the url has characters that must be escaped: {url!r}"


def _header_problems(name: str, value: object) -> Iterator[str]:
    if name != name.lower():
        yield f"the header name {name!r} is not in lower case"
    if name.lower() in _GATEWAYS_OWN:
        yield f"the header {name!r} is the gateway's to write"
    if not isinstance(value, str) or re.search(r"[^\t\x20-\x7e\x80-\xff]", value):
        yield f"the value of {name!r} is no line of Latin-1 text"


def _form_problems(subject: Subject, endpoint: Endpoint) -> Iterator[str]:
    kind = "multipart/form-data; boundary=x"
    call = msgspec.structs.replace(subject.call({}, endpoint), body=None, content_type=kind)
    request = subject.adapter.request(call)
    if request.body is not None:
        yield "a form has to pass as it arrives: the body must be None"
    if request.headers.get("content-type") != kind:
        yield "a form lost its content-type, and with it its boundary"
    yield from _url_problems(request.url)


# Where it goes and in whose name.


def _host_problems(subject: Subject) -> Iterator[str]:
    channel = replace(subject.channel, base_url=_ELSEWHERE)
    request = subject.adapter.request(msgspec.structs.replace(subject.chat(), channel=channel))
    if urlsplit(request.url).netloc != urlsplit(_ELSEWHERE).netloc:
        yield f"the channel's base URL is {_ELSEWHERE!r}, but the request goes to {request.url!r}"


def _signing_problems(subject: Subject) -> Iterator[str]:
    if not subject.adapter.key_help or not subject.channel.key:
        return
    one = subject.adapter.request(subject.chat())
    other = subject.adapter.request(_with_other_key(subject))
    if (one.url, dict(one.headers), one.body) == (other.url, dict(other.headers), other.body):
        yield "the request is not signed: nothing in it depends on the credential"


def _with_other_key(subject: Subject) -> Call:
    """A call signed with something else of the same shape."""
    adapter, call = subject.adapter, subject.chat()
    if adapter.credential_request(subject.channel, NOW) is not None:
        return msgspec.structs.replace(call, credential=Credential("another-short-lived", NOW + 3600))
    channel = replace(subject.channel, key=_other_key(subject.channel))
    credential = adapter.credential(channel, None, NOW)
    return msgspec.structs.replace(call, channel=channel, credential=credential)


def _other_key(channel: Channel) -> str:
    return channel.key[:-1] + ("x" if channel.key[-1] != "x" else "y")


# What is asked for.


def _mapping_problems(subject: Subject) -> Iterator[str]:
    call = msgspec.structs.replace(subject.chat(), upstream_model=UPSTREAM_MODEL)
    request = subject.adapter.request(call)
    everything = request.url + _text(request)
    if CLIENT_MODEL in everything:
        yield "the client's name of the model is sent to the provider, not the channel's"
    elif UPSTREAM_MODEL not in everything and _names_models(subject):
        yield "the channel's name of the model is not sent to the provider"


def _names_models(subject: Subject) -> bool:
    """Whether the provider is told a model: behind an address or a key of Dify's there is one application."""
    if subject.wire == "openai":
        return True
    asked = [(case.model, case.url + orjson.dumps(case.request).decode()) for case in subject.cases]
    return not asked or any(model in text for model, text in asked)


def _odd_model_problems(subject: Subject, name: str) -> Iterator[str]:
    """A model may have any name; where it is in the address it has to be escaped, or refused."""
    call = msgspec.structs.replace(subject.chat(), upstream_model=name)
    request = _asked(subject, call)
    if request is not None:
        yield from _url_problems(request.url)


def _unknown_problems(subject: Subject) -> Iterator[str]:
    value = {"a": [1, 2.5, None], "b": MARK}
    request = subject.adapter.request(subject.chat(conformance_unknown=value))
    if subject.wire == "openai":
        sent = _json(request)
        if not isinstance(sent, dict) or sent.get("conformance_unknown") != value:
            yield "a field of the client's that nobody knows does not reach the provider"
    elif MARK not in _text(request) and "conformance_unknown" not in request.dropped:
        yield "a field of the client's that nobody knows neither reaches the provider nor is named as dropped"


def _kept_problems(subject: Subject) -> Iterator[str]:
    request = subject.adapter.request(subject.chat(**_KEPT))
    sent = _json(request)
    for name, value in _KEPT.items():
        if name not in request.dropped and (not isinstance(sent, dict) or sent.get(name) != value):
            yield f"{name!r} neither reaches the provider as it is nor is named as dropped"


def _mark_problems(subject: Subject, body: Json) -> Iterator[str]:
    request = _asked(subject, subject.call(body))
    if request is not None and MARK not in _text(request) and not request.dropped:
        yield "it does not reach the provider"


def _stream_problems(subject: Subject) -> Iterator[str]:
    one, other = (subject.adapter.request(subject.chat(stream)) for stream in (False, True))
    if (one.url, dict(one.headers), one.body) == (other.url, dict(other.headers), other.body):
        yield "the provider is not told that the client wants a stream"


def _asking_problems(subject: Subject) -> Iterator[str]:
    """Hosts tell usage on a stream only if asked; a channel may have been told not to ask."""
    if subject.channel.options.get("ask_usage") != "on":
        return
    sent = _json(subject.adapter.request(subject.chat(True)))
    options = sent.get("stream_options") if isinstance(sent, dict) else None
    if not isinstance(options, dict) or options.get("include_usage") is not True:
        yield "the provider is not asked for usage on a stream"


def _asked(subject: Subject, call: Call) -> UpstreamRequest | None:
    """The request, or None where the adapter refuses the client's in the proper way."""
    try:
        return subject.adapter.request(call)
    except BodyError:
        return None
    except UpstreamError as error:
        if error.kind in (ErrorKind.REQUEST, ErrorKind.MODEL):
            return None
        raise


def _json(request: UpstreamRequest) -> Any:
    try:
        return orjson.loads(request.body or b"")
    except orjson.JSONDecodeError:
        return None


def _text(request: UpstreamRequest) -> str:
    """Everything that is written in a body, whether its characters are escaped or not."""
    value = _json(request)
    if value is None:
        return (request.body or b"").decode("utf-8", "replace")
    return orjson.dumps(value).decode()
