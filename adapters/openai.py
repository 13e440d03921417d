"""OpenAI-compatible hosts: pass the bytes through. Base class of most other adapters.

Wire: platform.openai.com/docs/api-reference. The request's bytes go upstream as they came unless the
model is mapped, is missing, or usage has to be asked for; then only those bytes change.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache, partial
from typing import ClassVar, get_args
from urllib.parse import urljoin, urlsplit

import orjson

from ..plugins import (
    Adapter,
    Balance,
    Call,
    Channel,
    Credential,
    Endpoint,
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
from .failures import NO_CODES, Failure, Verdict, classify, failure_in, read_failure, status_in
from .fields import reshaped
from .parts.balance import DASHBOARD, BalanceCall, balances_in, paths_of
from .parts.tidy import tidy_answer
from .parts.tidystream import TidyStream, as_events
from .parts.usage import UsageFilter, last_usage

_ENDPOINTS: tuple[Endpoint, ...] = get_args(Endpoint)
_WITH_STREAM_OPTIONS = frozenset({"chat/completions", "completions"})

_STREAM_END = re.compile(
    rb'data: ?\[DONE\]|"(?:finish_reason"\s*:\s*"[^"]'
    rb'|type"\s*:\s*"response\.(?:completed|incomplete|failed)")[^\r\n]*(?:[\r\n]|\}\Z)'
)
"""The end, and the end of the event that tells it: half an event is no end."""

_ERROR_HINT = re.compile(rb'"(?:error|error_code|code|base_resp)"\s*:\s*(?!null)')
_ERROR_WORDS = (b'"error', b'"code"', b'"base_resp"')
"""What is in every such hint, looked for first: that takes a tenth of the time."""

_CONTINUED: Mapping[str, tuple[Json, Json]] = {
    "plain": ({}, {}),
    "prefix": ({"prefix": True}, {}),
    "partial": ({"partial": True}, {}),
    "final": ({}, {"continue_final_message": True, "add_generation_prompt": False}),
}
"""Ways to say that the last message is unfinished: fields of the message, fields of the body. Docs of
DeepSeek (chat prefix completion), Mistral (prefix), Moonshot (partial mode), vLLM (extra parameters)."""

ASK_USAGE = Option(
    "ask_usage",
    "Ask for usage on streams",
    default="on",
    choices=("on", "off"),
    help="off for hosts that refuse stream_options; usage is then estimated",
)

TIDY = Option(
    "tidy",
    "Tidy answers",
    default="off",
    choices=("on", "off"),
    help="on: finish reasons, tool calls and reasoning as OpenAI and DeepSeek have them; off: byte for byte",
)
"""For hosts that deviate. It costs a look at every line of a stream and a parse of those that are odd."""

CONTINUE = Option(
    "continue",
    "Go on with an answer",
    default="off",
    choices=("off", *_CONTINUED),
    help="how the host goes on behind the beginning of an answer; off: it cannot",
)

_MAX_TOKENS = {"max_tokens": "max_completion_tokens"}
_REASONING_MODEL = re.compile(r"(?:o[1-9]|gpt-5)(?:-|$|\.)")
"""OpenAI's models that refuse `max_tokens`: guide "Reasoning models"."""


class OpenAIAdapter(Adapter):
    """Any host that speaks OpenAI's API."""

    name = "openai"
    title = "OpenAI-compatible"
    base_url = "https://api.openai.com/v1"
    endpoints = frozenset(_ENDPOINTS)
    options: ClassVar[tuple[Option, ...]] = (ASK_USAGE, TIDY, CONTINUE)
    codes: Mapping[str, Verdict] = NO_CODES
    """Error codes and types that mean something only at this host."""
    unsupported: frozenset[str] = frozenset()
    """Fields of a request that the host refuses."""
    models_path = "models"
    """Address of the list of models, seen from the base URL; empty where there is none."""
    balance_call: BalanceCall | None = None
    """How the host tells what is left of an account."""

    @property
    def has_balance(self) -> bool:  # type: ignore[override]  # what the contract has as a plain value
        return self.balance_call is not None

    def check(self, channel: Channel) -> None:
        check_address(channel, self.base_url)

    def url(self, call: Call) -> str:
        """Address of an endpoint on this channel."""
        return f"{trim_base_url(call.channel.base_url or self.base_url)}/{call.endpoint}"

    def option(self, channel: Channel, option: Option) -> str:
        """A channel's value of an option, or the default this adapter has for it."""
        given = channel.options.get(option.name)
        if given:
            return given
        for own in self.options:
            if own.name == option.name:
                return own.default
        return option.default

    def sign(self, credential: Credential) -> Mapping[str, str]:
        """Header fields that sign a request."""
        return {"authorization": f"Bearer {credential.value}"} if credential.value else {}

    def auth(self, call: Call) -> Mapping[str, str]:
        """Header fields that sign the request of a call."""
        return self.sign(call.credential)

    def request(self, call: Call) -> UpstreamRequest:
        headers = {"content-type": call.content_type, **self.auth(call)}
        if call.body is None:
            return UpstreamRequest(self.url(call), headers, None)
        body, dropped = reshaped(call, self.edits(call), self.renames(call), self.unsupported)
        return UpstreamRequest(self.url(call), headers, body, dropped=dropped)

    def edits(self, call: Call) -> dict[str, object]:
        """Top-level fields of the body that must have another value than the client sent, or any at all."""
        assert call.body is not None
        edits: dict[str, object] = {}
        if call.upstream_model != call.model or call.body.get("model", str) is None:
            edits["model"] = call.upstream_model
        if self._hides_usage(call):
            options = call.body.get("stream_options", dict) or {}
            edits["stream_options"] = {**options, "include_usage": True}
        return edits

    def renames(self, call: Call) -> Mapping[str, str]:
        """Fields that have another name at the host: the client's names with the host's."""
        if call.endpoint == "chat/completions" and _REASONING_MODEL.match(call.upstream_model):
            return _MAX_TOKENS
        return {}

    def continued(self, channel: Channel, body: Json, text: str) -> Json | None:
        way, messages = _CONTINUED.get(self.option(channel, CONTINUE)), body.get("messages")
        if way is None or not isinstance(messages, list):
            return None
        return {"messages": [*messages, {"role": "assistant", "content": text, **way[0]}], **way[1]}

    def reply(self, call: Call, response: UpstreamResponse) -> Reply:
        body = response.body
        tidies = self._tidies(call)
        looked_at = len(body) if tidies else 512
        if _may_be_error(body, looked_at) or body.find(b'"base_resp"', -512) >= 0:
            self._raise_failure(call, body, response.headers)
        content_type = response.headers.get("content-type", "application/json")
        is_page = not body.startswith(b"{") and body[:64].lstrip().startswith(b"<")
        if is_page or content_type.startswith("text/html"):
            raise UpstreamError(ErrorKind.MODEL, "the base URL leads to a web page")
        if not body.strip():
            raise UpstreamError(ErrorKind.FAULT, "the provider's answer is empty")
        usage = last_usage(body[-8192:]) or last_usage(body)
        is_stream = call.stream and body.lstrip(b"\xef\xbb\xbf \r\n").startswith((b"data:", b"event:", b":"))
        if tidies:
            if is_stream:
                translator = self._tidy_stream(call, response.headers)
                body = translator.feed(body) + translator.close()
            else:
                body = tidy_answer(call, body)
            events = as_events(call, body, shows_usage=self._shows_usage(call)) if call.stream else None
            if events is not None:
                body, is_stream = events, True
        return Reply(body, usage, "text/event-stream" if is_stream else content_type)

    def stream(self, call: Call, response: UpstreamResponse) -> StreamTranslator | None:
        if not response.headers.get("content-type", "").lower().startswith("text/event-stream"):
            return None
        if self._tidies(call):
            return self._tidy_stream(call, response.headers)
        return UsageFilter() if self._hides_usage(call) else None

    def check_first_event(self, call: Call, data: bytes) -> None:
        if _may_be_error(data, 512):
            self._raise_failure(call, data, {})

    def is_complete(self, call: Call, tail: bytes) -> bool:
        return _STREAM_END.search(tail) is not None

    def usage(self, call: Call, tail: bytes) -> Usage | None:
        return last_usage(tail)

    def error(self, call: Call, response: UpstreamResponse) -> UpstreamError:
        return self.failed(call, read_failure(response.body), response.status, response.headers)

    def failed(self, call: Call, failure: Failure, status: int, headers: Headers) -> UpstreamError:
        """Classify what the provider said. To be overridden where `codes` is not enough."""
        return classify(failure, status, headers, call.now, self.codes)

    def failure_in(self, call: Call, value: object, headers: Headers) -> UpstreamError | None:
        """Return the failure that stands in an answer or an event under 200; None for a proper one."""
        failure = failure_in(value)
        return None if failure is None else self.failed(call, failure, status_in(value), headers)

    def models_request(self, channel: Channel, credential: Credential, now: float) -> UpstreamRequest | None:
        if not self.models_path:
            return None
        url = urljoin(trim_base_url(channel.base_url or self.base_url) + "/", self.models_path)
        return UpstreamRequest(url, {"accept": "application/json", **self.sign(credential)}, method="GET")

    def model_names(self, response: UpstreamResponse) -> tuple[str, ...]:
        try:
            value = orjson.loads(response.body)
        except orjson.JSONDecodeError as exc:
            raise UpstreamError(ErrorKind.FAULT, "the list of models is not JSON") from exc
        return tuple(dict.fromkeys(_names_in(value)))

    def balance_requests(
        self, channel: Channel, credential: Credential, now: float
    ) -> tuple[UpstreamRequest, ...]:
        if self.balance_call is None:
            return ()
        base = trim_base_url(channel.base_url or self.base_url) + "/"
        headers = {"accept": "application/json", **self.sign(credential)}
        paths = paths_of(self.balance_call, now)
        return tuple([UpstreamRequest(urljoin(base, path), headers, method="GET") for path in paths])

    def balances(self, channel: Channel, responses: tuple[UpstreamResponse, ...]) -> tuple[Balance, ...]:
        assert self.balance_call is not None
        host = urlsplit(trim_base_url(channel.base_url or self.base_url)).hostname or ""
        return balances_in(self.balance_call, host, [response.body for response in responses])

    def _tidies(self, call: Call) -> bool:
        return call.endpoint in _WITH_STREAM_OPTIONS and self.option(call.channel, TIDY) == "on"

    def _tidy_stream(self, call: Call, headers: Headers) -> TidyStream:
        failure = partial(self.failure_in, call, headers=headers)
        return TidyStream(call, failure, hides_usage=not self._shows_usage(call))

    def _shows_usage(self, call: Call) -> bool:
        """Whether the client asked for a usage event."""
        options = call.body.get("stream_options", dict) if call.body is not None else None
        return options is not None and options.get("include_usage") is True

    def _hides_usage(self, call: Call) -> bool:
        """Whether we ask for a usage event that the client did not ask for."""
        if not call.stream or call.body is None or call.endpoint not in _WITH_STREAM_OPTIONS:
            return False
        return self.option(call.channel, ASK_USAGE) == "on" and not self._shows_usage(call)

    def _raise_failure(self, call: Call, body: bytes, headers: Headers) -> None:
        try:
            value = orjson.loads(body)
        except orjson.JSONDecodeError:
            return
        error = self.failure_in(call, value, headers)
        if error is not None:
            raise error


def _may_be_error(data: bytes, size: int) -> bool:
    """Whether so many first bytes look as if they told of a failure."""
    head = data[:size]
    return any([word in head for word in _ERROR_WORDS]) and _ERROR_HINT.search(head) is not None


class AnyHost(OpenAIAdapter):
    """A host that nothing is known of but that it speaks OpenAI's API; many are gateways like this one."""

    balance_call = DASHBOARD


def check_address(channel: Channel, base_url: str) -> None:
    """Raise ValueError if a channel's address or key cannot work. `base_url` stands in for none."""
    trim_base_url(channel.base_url or base_url)
    if not re.fullmatch(r"[\x21-\x7e]*", channel.key):
        raise ValueError("the key has a space, a line break or a character outside ASCII in it")


def _names_in(value: object) -> Iterator[str]:
    """Yield the names in a list of models: `data[].id` (OpenAI), a bare list (GitHub), `models[].name`."""
    while isinstance(value, Mapping):
        value = next((value[key] for key in ("data", "models", "result") if value.get(key)), None)
    for row in value if isinstance(value, list) else ():
        name = row
        if isinstance(row, Mapping):
            name = next((row[key] for key in ("id", "name", "model") if row.get(key)), None)
        if isinstance(name, str) and name:
            yield name


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
    register(AnyHost())


__all__ = ["OpenAIAdapter", "check_address", "trim_base_url"]
