"""Azure OpenAI and the models of Azure AI Foundry: OpenAI's shapes under other addresses.

Wire: learn.microsoft.com/azure/ai-services/openai, pages "REST API reference" (deployments, errors) and
"API version lifecycle" (`/openai/v1`); learn.microsoft.com/rest/api/aifoundry/modelinference (`/models`).
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from functools import lru_cache, partial
from typing import NamedTuple
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import msgspec
import orjson

from ...plugins import (
    Call,
    Channel,
    Credential,
    Endpoint,
    ErrorKind,
    Headers,
    Option,
    Reply,
    StreamTranslator,
    UpstreamError,
    UpstreamRequest,
    UpstreamResponse,
    hookimpl,
)
from .. import failures
from ..foreign import at
from ..openai import ASK_USAGE, OpenAIAdapter, trim_base_url
from ..parts.rewrite import ChunkRewriter, by_table, rewritten
from . import filter as azure_filter

SURFACE = Option(
    "surface",
    "Interface",
    default="auto",
    choices=("auto", "deployments", "v1", "models"),
    help="deployments: /openai/deployments/NAME; v1: /openai/v1; models: Foundry's /models; "
    "auto: what the address shows, else deployments",
)
API_VERSION = Option(
    "api_version",
    "API version",
    help="such as 2024-10-21; if empty, that of the address, else a usual one",
)
AUTH = Option(
    "auth",
    "Sign in with",
    default="api-key",
    choices=("api-key", "bearer", "entra"),
    help="api-key: the resource's key; bearer: the key is a token; entra: the key is an app's secret, "
    "for which tokens are fetched",
)
TENANT = Option("tenant_id", "Entra tenant")
CLIENT = Option("client_id", "Entra application (client) id")
DOTS = Option(
    "dots",
    "Dots in deployment names",
    default="keep",
    choices=("keep", "strip"),
    help="strip: gpt-3.5-turbo becomes gpt-35-turbo; a name that the channel maps stays as it is",
)
FILTER_RESULTS = Option(
    "filter_results",
    "Content filter results",
    default="keep",
    choices=("keep", "strip"),
    help="strip: take them out of answers, for clients that stumble over chunks without choices",
)

_VERSIONS: Mapping[str, str] = {"deployments": "2024-10-21", "models": "2024-05-01-preview", "v1": ""}
"""The version asked for where a channel states none. `/openai/v1` needs none."""

_WITH_STREAM_OPTIONS = "2024-09-01"
"""Deployments refuse `stream_options` in versions before this. Source: "REST API reference", by version."""

_SERVED: Mapping[str, frozenset[Endpoint]] = {
    "deployments": frozenset(
        {
            *("chat/completions", "completions", "embeddings", "images/generations", "images/edits"),
            *("audio/speech", "audio/transcriptions", "audio/translations"),
        }
    ),
    "models": frozenset({"chat/completions", "embeddings"}),
}
"""What each interface serves; all else is asked of `/openai/v1`."""

_PASTED = re.compile(
    r"(?P<base>.*?)(?:/openai(?:/deployments(?:/.*)?|/responses|/(?P<v1>v1)(?:/.*)?)?"
    r"|/(?P<models>models)(?:/(?:chat/completions|embeddings))?)"
)
"""The path of an address as the portal shows it: the resource's alone, or with an interface behind it."""

_CLOUDS: Mapping[str, tuple[str, str]] = {
    ".azure.cn": ("https://login.chinacloudapi.cn", "https://cognitiveservices.azure.cn"),
    ".azure.us": ("https://login.microsoftonline.us", "https://cognitiveservices.azure.us"),
    "": ("https://login.microsoftonline.com", "https://cognitiveservices.azure.com"),
}
"""Where an address's cloud gives tokens, and for what. Source: "National clouds" of the identity platform."""

_CODES: Mapping[str, tuple[ErrorKind, str]] = {
    "ResponsibleAIPolicyViolation": (ErrorKind.REQUEST, failures.CONTENT_FILTER),
    "contentFilter": (ErrorKind.REQUEST, failures.CONTENT_FILTER),
    "unknown_model": (ErrorKind.MODEL, failures.MODEL_NOT_FOUND),
}
"""Codes, inner ones too, that only Azure has. Source: "Content filtering" and the inference reference."""

_FINISH = by_table({})
_WAIT = re.compile(r"retry after (\d{1,6}) (milli)?second", re.IGNORECASE)


class _Address(NamedTuple):
    """A resource: its address, and what a pasted one said about interface and version."""

    base: str
    surface: str
    api_version: str


class AzureAdapter(OpenAIAdapter):
    """A resource of Azure OpenAI or AI Foundry. A model's name is that of its deployment."""

    name = "azure"
    title = "Azure OpenAI"
    base_url = ""
    endpoints = _SERVED["deployments"] | {"responses"}
    key_help = "a key of the resource; with Entra a token or the application's secret"
    options = (SURFACE, API_VERSION, AUTH, TENANT, CLIENT, DOTS, FILTER_RESULTS, ASK_USAGE)
    models = ("gpt-5", "gpt-5-mini", "gpt-4.1", "gpt-4o", "gpt-4o-mini", "text-embedding-3-small")

    def check(self, channel: Channel) -> None:
        if not channel.base_url.strip():
            raise ValueError("give the address of the resource, such as https://NAME.openai.azure.com")
        super().check(dataclasses.replace(channel, base_url=_address(channel.base_url).base))
        version = _api_version(channel, _surface(channel))
        if not re.fullmatch(r"(\d{4}-\d\d-\d\d(-preview)?|preview|latest|)", version):
            raise ValueError(f"API version {version!r}: expected a date such as 2024-10-21")
        if _option(channel, AUTH) == "entra" and not (_option(channel, TENANT) and _option(channel, CLIENT)):
            raise ValueError("signing in with Entra needs the tenant and the application's id")

    def credential_request(self, channel: Channel, now: float) -> UpstreamRequest | None:
        if _option(channel, AUTH) != "entra":
            return None
        host = urlsplit(_address(channel.base_url).base).hostname or ""
        login, resource = next(places for end, places in _CLOUDS.items() if host.endswith(end))
        form = {
            "grant_type": "client_credentials",
            "client_id": _option(channel, CLIENT),
            "client_secret": channel.key,
            "scope": f"{resource}/.default",
        }
        url = f"{login}/{quote(_option(channel, TENANT), safe='')}/oauth2/v2.0/token"
        headers = {"content-type": "application/x-www-form-urlencoded"}
        return UpstreamRequest(url, headers, urlencode(form).encode())

    def credential(self, channel: Channel, response: UpstreamResponse | None, now: float) -> Credential:
        return Credential(channel.key) if response is None else _token(response, now)

    def models_request(self, channel: Channel, credential: Credential, now: float) -> UpstreamRequest | None:
        return None  # what Azure lists is its catalogue, not what the resource has deployed

    def auth(self, call: Call) -> Mapping[str, str]:
        if _option(call.channel, AUTH) == "api-key":
            return {"api-key": call.credential.value}
        return {"authorization": f"Bearer {call.credential.value}"}

    def url(self, call: Call) -> str:
        base = _address(call.channel.base_url).base
        own = _surface(call.channel)
        surface = own if call.endpoint in _SERVED.get(own, ()) else "v1"
        version = _api_version(call.channel, own) if surface == own else ""
        query = f"?{urlencode({'api-version': version})}" if version else ""
        if surface == "deployments":
            name = quote(call.upstream_model, safe="")
            return f"{base}/openai/deployments/{name}/{call.endpoint}{query}"
        return f"{base}/{'models' if surface == 'models' else 'openai/v1'}/{call.endpoint}{query}"

    def request(self, call: Call) -> UpstreamRequest:
        return super().request(msgspec.structs.replace(call, upstream_model=_deployment(call)))

    def reply(self, call: Call, response: UpstreamResponse) -> Reply:
        reply = super().reply(call, response)
        if call.endpoint != "chat/completions":
            return reply
        reply = azure_filter.whole(reply, _strips(call))
        return rewritten(reply, _FINISH) if b'"tool_calls"' in reply.body else reply

    def stream(self, call: Call, response: UpstreamResponse) -> StreamTranslator | None:
        is_events = response.headers.get("content-type", "").lower().startswith("text/event-stream")
        if call.endpoint != "chat/completions" or not is_events:
            return super().stream(call, response)
        after = azure_filter.FilterResults(_strips(call), super().stream(call, response))
        failure = partial(self.failure_in, call, headers=response.headers)
        return ChunkRewriter(_FINISH, failure, after)

    def error(self, call: Call, response: UpstreamResponse) -> UpstreamError:
        word = next((word for word in _CODES if f'"{word}"'.encode() in response.body), "")
        error = super().error(call, response)
        if word:
            error.kind, error.code = _CODES[word]
        if response.status == 401 and _option(call.channel, AUTH) == "entra":
            error.kind = ErrorKind.EXPIRED
        if response.status == 429 and error.retry_after is None:
            error.retry_after = _wait_s(error.message)
        return error

    def failure_in(self, call: Call, value: object, headers: Headers) -> UpstreamError | None:
        error = value.get("error") if isinstance(value, dict) and not value.get("choices") else None
        if not isinstance(error, dict):
            return super().failure_in(call, value, headers)
        code = str(error.get("code"))  # mostly the status as text
        status = int(code) if re.fullmatch(r"[45]\d\d", code) else 502
        return self.error(call, UpstreamResponse(status, headers, orjson.dumps(value)))

    def _hides_usage(self, call: Call) -> bool:
        surface = _surface(call.channel)
        old = surface == "deployments" and _api_version(call.channel, surface) < _WITH_STREAM_OPTIONS
        return not old and super()._hides_usage(call)


@lru_cache(maxsize=1024)
def _address(text: str) -> _Address:
    """Take apart an address as people paste it. Raises ValueError for what is none."""
    url, _, query = text.strip().partition("?")
    parts = urlsplit(url)
    match = _PASTED.fullmatch(parts.path.rstrip("/"))
    path = match["base"] if match else parts.path
    base = trim_base_url(parts._replace(path=path.rstrip("/")).geturl())
    surface = "deployments" if match else ""
    if match and match["v1"]:
        surface = "v1"
    elif match and match["models"]:
        surface = "models"
    elif not match and (parts.hostname or "").endswith(".services.ai.azure.com"):
        surface = "v1"  # there it serves OpenAI's models and the others alike
    return _Address(base, surface, parse_qs(query).get("api-version", [""])[0])


def _surface(channel: Channel) -> str:
    chosen = _option(channel, SURFACE)
    return chosen if chosen != "auto" else _address(channel.base_url).surface or "deployments"


def _api_version(channel: Channel, surface: str) -> str:
    return _option(channel, API_VERSION) or _address(channel.base_url).api_version or _VERSIONS[surface]


def _deployment(call: Call) -> str:
    """The deployment of a model: what the channel maps it to, else its own name."""
    is_mapped = call.upstream_model != call.model
    strips = not is_mapped and _option(call.channel, DOTS) == "strip"
    return call.upstream_model.replace(".", "") if strips else call.upstream_model


def _strips(call: Call) -> bool:
    return _option(call.channel, FILTER_RESULTS) == "strip"


def _option(channel: Channel, option: Option) -> str:
    return channel.options.get(option.name, option.default).strip()


def _wait_s(message: str) -> float | None:
    """The seconds a message asks to wait, where no header does."""
    match = _WAIT.search(message)
    return None if match is None else int(match[1]) / (1000 if match[2] else 1)


def _token(response: UpstreamResponse, now: float) -> Credential:
    """Read Entra's answer. Source: "OAuth 2.0 client credentials flow" of the identity platform."""
    try:
        value = orjson.loads(response.body)
    except orjson.JSONDecodeError:
        value = None
    if response.status in (400, 401):
        message = at(value, "error_description") or at(value, "error") or "Entra refused the application"
        raise UpstreamError(ErrorKind.CREDENTIAL, str(message)[:500], status=401)
    if not 200 <= response.status < 300:
        raise failures.classify_response(response, now)
    token, life_s = at(value, "access_token"), at(value, "expires_in")
    if not isinstance(token, str) or not token or not isinstance(life_s, (int, float)):
        raise UpstreamError(ErrorKind.FAULT, "Entra's answer has no token in it")
    return Credential(token, now + life_s)


@hookimpl
def register_adapters(register):  # type: ignore[no-untyped-def]  # the hookspec gives the types
    register(AzureAdapter())
