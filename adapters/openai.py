"""OpenAI-compatible hosts: pass the bytes through. Base class of most other adapters.

Wire: platform.openai.com/docs/api-reference. The request's bytes go upstream as they came unless the
model is mapped, is missing, or usage has to be asked for; then only those bytes change.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import get_args
from urllib.parse import urlsplit

import orjson

from ..plugins import (
    Adapter,
    Call,
    Channel,
    Endpoint,
    ErrorKind,
    Option,
    Reply,
    StreamTranslator,
    UpstreamError,
    UpstreamRequest,
    UpstreamResponse,
    Usage,
    hookimpl,
)
from .failures import classify, classify_response, failure_in
from .usage import UsageFilter, last_usage

_ENDPOINTS: tuple[Endpoint, ...] = get_args(Endpoint)
_WITH_STREAM_OPTIONS = frozenset({"chat/completions", "completions"})

_STREAM_END = re.compile(
    rb'data: ?\[DONE\]|"finish_reason"\s*:\s*"[^"]|"type"\s*:\s*"response\.(?:completed|incomplete|failed)"'
)

_ERROR_HINT = re.compile(rb'"(?:error|error_code|code|base_resp)"\s*:\s*(?!null)')

ASK_USAGE = Option(
    "ask_usage",
    "Ask for usage on streams",
    default="on",
    choices=("on", "off"),
    help="off for hosts that refuse stream_options; usage is then estimated",
)


class OpenAIAdapter(Adapter):
    """Any host that speaks OpenAI's API."""

    name = "openai"
    title = "OpenAI-compatible"
    base_url = "https://api.openai.com/v1"
    endpoints = frozenset(_ENDPOINTS)
    options = (ASK_USAGE,)

    def check(self, channel: Channel) -> None:
        trim_base_url(channel.base_url or self.base_url)
        if not re.fullmatch(r"[\x21-\x7e]*", channel.key):
            raise ValueError("the key has a space, a line break or a character outside ASCII in it")

    def url(self, call: Call) -> str:
        """Address of an endpoint on this channel."""
        return f"{trim_base_url(call.channel.base_url or self.base_url)}/{call.endpoint}"

    def auth(self, call: Call) -> Mapping[str, str]:
        """Header fields that sign a request."""
        return {"authorization": f"Bearer {call.credential.value}"} if call.credential.value else {}

    def request(self, call: Call) -> UpstreamRequest:
        headers = {"content-type": call.content_type, **self.auth(call)}
        if call.body is None:
            return UpstreamRequest(self.url(call), headers, None)
        edits: dict[str, object] = {}
        if call.upstream_model != call.model or call.body.get("model", str) is None:
            edits["model"] = call.upstream_model
        if self._hides_usage(call):
            options = call.body.get("stream_options", dict) or {}
            edits["stream_options"] = {**options, "include_usage": True}
        return UpstreamRequest(self.url(call), headers, call.body.spliced(edits) if edits else call.body.raw)

    def reply(self, call: Call, response: UpstreamResponse) -> Reply:
        if _ERROR_HINT.search(response.body, 0, 512) or b'"base_resp"' in response.body[-512:]:
            self._raise_failure(call, response.body, response)
        content_type = response.headers.get("content-type", "application/json")
        if content_type.startswith("text/html"):
            raise UpstreamError(ErrorKind.MODEL, "the base URL leads to a web page")
        if not response.body.strip():
            raise UpstreamError(ErrorKind.FAULT, "the provider's answer is empty")
        return Reply(response.body, last_usage(response.body[-8192:]), content_type)

    def stream(self, call: Call, response: UpstreamResponse) -> StreamTranslator | None:
        is_events = response.headers.get("content-type", "").lower().startswith("text/event-stream")
        return UsageFilter() if is_events and self._hides_usage(call) else None

    def check_first_event(self, call: Call, data: bytes) -> None:
        if _ERROR_HINT.search(data, 0, 512):
            self._raise_failure(call, data, UpstreamResponse(200, {}))

    def is_complete(self, call: Call, tail: bytes) -> bool:
        return _STREAM_END.search(tail) is not None

    def usage(self, call: Call, tail: bytes) -> Usage | None:
        return last_usage(tail)

    def error(self, call: Call, response: UpstreamResponse) -> UpstreamError:
        return classify_response(response, call.now)

    def _hides_usage(self, call: Call) -> bool:
        """Whether we ask for a usage event that the client did not ask for."""
        if not call.stream or call.body is None or call.endpoint not in _WITH_STREAM_OPTIONS:
            return False
        if call.channel.options.get(ASK_USAGE.name, ASK_USAGE.default) != "on":
            return False
        options = call.body.get("stream_options", dict) or {}
        return options.get("include_usage") is not True

    def _raise_failure(self, call: Call, body: bytes, response: UpstreamResponse) -> None:
        try:
            value = orjson.loads(body)
        except orjson.JSONDecodeError:
            return
        failure = failure_in(value)
        if failure is not None:
            raise classify(failure, _status_in(value), response.headers, call.now)


def _status_in(value: Mapping[str, object]) -> int:
    """The status an error under 200 means: OpenRouter puts it into the code; a server's fault otherwise."""
    error = value.get("error")
    code = error.get("code") if isinstance(error, Mapping) else None
    return code if isinstance(code, int) and 400 <= code < 600 else 502


@lru_cache(maxsize=1024)
def trim_base_url(text: str) -> str:
    """Return a base URL without what people paste along with it: spaces, a last slash, an endpoint.

    Raises ValueError for what is not an http or https address, or carries a user, a query or a fragment.
    """
    url = text.strip()
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"base URL {text!r}: expected http://host/path or https://host/path")
    if parts.username is not None or parts.query or parts.fragment or re.search(r"[\x00-\x20\x7f]", url):
        raise ValueError("base URL: no user name, query, fragment or space is allowed in it")
    try:
        _ = parts.port
    except ValueError as exc:
        raise ValueError(f"base URL {text!r}: {exc}") from exc
    url = url.rstrip("/")
    for endpoint in sorted(_ENDPOINTS, key=len, reverse=True):
        if url.endswith("/" + endpoint):
            return url.removesuffix("/" + endpoint).rstrip("/")
    return url


@hookimpl
def register_adapters(register):  # type: ignore[no-untyped-def]  # the hookspec gives the types
    register(OpenAIAdapter())


__all__ = ["OpenAIAdapter", "trim_base_url"]
