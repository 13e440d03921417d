"""Baidu Qianfan V2: OpenAI's API with words, error codes and a kind of key of its own.

Source: Baidu's Qianfan documentation, pages "text generation" (wmwbl48n4), "rerank" (2m7u4zt74), "error
codes" (Om9b4yj3w), "authentication" and "BearerToken" (vm40x9q45).
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import quote, urlsplit

import msgspec
import orjson

from ..plugins import (
    Call,
    Channel,
    Credential,
    Endpoint,
    ErrorKind,
    Headers,
    Json,
    JsonBody,
    Option,
    Reply,
    StreamTranslator,
    UpstreamError,
    UpstreamRequest,
    UpstreamResponse,
    hookimpl,
)
from .chat import messages_of
from .failures import (
    CONTENT_FILTER,
    CONTEXT_LENGTH,
    MODEL_NOT_FOUND,
    Failure,
    classify_coded,
    coded,
    read_failure,
)
from .openai import ASK_USAGE, OpenAIAdapter, trim_base_url
from .parts.rewrite import ChunkRewriter, by_table, rewritten

APP_ID = Option(
    "appid", "Application", help="app-...: the application that is billed; empty: the default one"
)
IAM_URL = Option(
    "iam_url",
    "Address of the token service",
    default="https://iam.bj.baidubce.com",
    help="where an Access Key and its Secret Key are changed for a token",
)
RERANK_PATH = Option(
    "rerank_path",
    "Path of the rerank endpoint",
    default="rerank",
    choices=("rerank", "rerankers"),
    help="Baidu's pages say rerank, its SDK says rerankers",
)

_TOKEN_PATH = "/v1/BCE-BEARER/token"
_TOKEN_LIFE_S = 86400
_SIGNATURE_LIFE_S = 1800

_CHAT: frozenset[Endpoint] = frozenset({"chat/completions", "completions"})

_REQUEST, _MODEL, _RATE = ErrorKind.REQUEST, ErrorKind.MODEL, ErrorKind.RATE

_BAD_TOKEN = "invalid_iam_token"

_CODES = coded(
    (ErrorKind.CREDENTIAL, "", _BAD_TOKEN),
    (_MODEL, MODEL_NOT_FOUND, "invalid_model model_offline"),
    (_MODEL, "", "invalid_appid no_parameter_permission"),
    (_REQUEST, "", "malformed_json invalid_messages invalid_argument invalid_image_url"),
    (_REQUEST, "", "invalid_plugin_argument"),
    (_REQUEST, CONTEXT_LENGTH, "characters_too_long tokens_too_long"),
    (_REQUEST, CONTENT_FILTER, "unsafe_request image_url_unsafe"),
    (_REQUEST, CONTENT_FILTER, "system_unsafe user_setting_unsafe functions_unsafe"),
    (ErrorKind.BALANCE, "", "account_overdue"),
    (ErrorKind.BALANCE, "", "coding_plan_hour_quota_exceeded coding_plan_week_quota_exceeded"),
    (ErrorKind.BALANCE, "", "coding_plan_month_quota_exceeded"),
    (_RATE, "", "rpm_rate_limit_exceeded tpm_rate_limit_exceeded user_rate_limit_exceeded"),
    (_RATE, "", "input_tpm_rate_limit_exceeded output_tpm_rate_limit_exceeded"),
    (_RATE, "", "preemptible_rate_limit_exceeded"),
    (ErrorKind.BUSY, "", "cluster_rate_limit_exceeded cluster_rpm_rate_limit_exceeded"),
    (ErrorKind.BUSY, "", "cluster_tpm_rate_limit_exceeded"),
    (ErrorKind.FAULT, "", "internal_error dispatch_internal_error Internal_error"),
)
"""Codes, and types where the code says less. Source: page "error codes"."""

_UNNAMED = "model is empty"
_UNNAMED_CODES = coded((_REQUEST, "", "invalid_model"))
"""`invalid_model` with this text is about the request, with any other about the account."""

_by_word = by_table({"normal": "stop", "": None})


def finish_reason(choice: Json) -> str | None:
    """Return a choice's finish reason in OpenAI's words; None for no finish yet.

    The models of V1 say `normal` in every chunk and the end with `is_end`. `need_clear_history` says that
    the text is a refusal.
    """
    if choice.get("is_end") is False:
        return None
    if choice.get("need_clear_history") is True:
        return "content_filter"
    return _by_word(choice)


class QianfanAdapter(OpenAIAdapter):
    """Baidu's models and others, on Baidu's cloud."""

    name = "qianfan"
    title = "Baidu Qianfan (V2)"
    base_url = "https://qianfan.baidubce.com/v2"
    endpoints = frozenset({*_CHAT, "embeddings", "images/generations", "rerank", "responses"})
    key_help = "API key bce-v3/ALTAK-.../...; or Access Key and Secret Key with a bar between them: ak|sk"
    options = (APP_ID, RERANK_PATH, IAM_URL, ASK_USAGE)
    models = (
        "ernie-5.0-thinking-preview",
        "ernie-4.5-turbo-128k",
        "ernie-4.5-turbo-vl-32k",
        "ernie-x1-turbo-32k",
        "ernie-4.0-8k",
        "ernie-4.0-turbo-8k",
        "ernie-3.5-8k",
        "ernie-speed-128k",
        "ernie-lite-8k",
        "ernie-tiny-8k",
        "ernie-char-8k",
        "deepseek-v3",
        "deepseek-r1",
        "embedding-v1",
        "bge-large-zh",
        "tao-8k",
        "bce-reranker-base",
        "irag-1.0",
    )

    def check(self, channel: Channel) -> None:
        super().check(channel)
        if channel.key.count("|") > 1 or channel.key.startswith("|") or channel.key.endswith("|"):
            raise ValueError("the key must be an API key, or an Access Key and a Secret Key with one |")
        if not re.fullmatch(r"[\x21-\x7e]*", _option(channel, APP_ID).strip()):
            raise ValueError("appid: expected app-... without spaces")
        trim_base_url(_option(channel, IAM_URL))

    # The token for an Access Key.

    def credential_request(self, channel: Channel, now: float) -> UpstreamRequest | None:
        access_key, bar, secret = channel.key.partition("|")
        if not bar:
            return None
        url = trim_base_url(_option(channel, IAM_URL))
        query = f"expireInSeconds={_TOKEN_LIFE_S}"
        signed = signature(access_key, secret, urlsplit(url).netloc, _TOKEN_PATH, query, now)
        headers = {"authorization": signed, "content-type": "application/json"}
        return UpstreamRequest(f"{url}{_TOKEN_PATH}?{query}", headers, method="GET")

    def credential(self, channel: Channel, response: UpstreamResponse | None, now: float) -> Credential:
        if response is None:
            return Credential(channel.key)
        try:
            answer = orjson.loads(response.body)
        except orjson.JSONDecodeError:
            answer = None
        token = answer.get("token") if isinstance(answer, dict) else None
        if 200 <= response.status < 300 and isinstance(token, str) and token:
            return Credential(token, _expiry(answer.get("expireTime"), now + _TOKEN_LIFE_S))
        error = classify_coded({}, read_failure(response.body), response.status, response.headers, now)
        if response.status in (400, 401, 403, 404):  # the signature, the key, or the right to have a token
            error.kind = ErrorKind.CREDENTIAL
        raise error

    # Requests and answers.

    def url(self, call: Call) -> str:
        """Address of an endpoint on this channel."""
        url = super().url(call)
        if call.endpoint != "rerank":
            return url
        return url.removesuffix("rerank") + _option(call.channel, RERANK_PATH)

    def auth(self, call: Call) -> Mapping[str, str]:
        """Header fields that sign a request and name the application."""
        app_id = _option(call.channel, APP_ID).strip()
        return {**super().auth(call), **({"appid": app_id} if app_id else {})}

    def request(self, call: Call) -> UpstreamRequest:
        made = super().request(call)
        edits = _edits(call) if call.endpoint == "chat/completions" else {}
        if not edits or made.body is None:
            return made
        return msgspec.structs.replace(made, body=JsonBody(made.body).spliced(edits))

    def reply(self, call: Call, response: UpstreamResponse) -> Reply:
        reply = super().reply(call, response)
        return rewritten(reply, finish_reason) if call.endpoint in _CHAT else reply

    def stream(self, call: Call, response: UpstreamResponse) -> StreamTranslator | None:
        if not response.headers.get("content-type", "").lower().startswith("text/event-stream"):
            return None
        after = super().stream(call, response)
        if call.endpoint not in _CHAT:
            return after
        return ChunkRewriter(finish_reason, lambda event: self.failure_in(call, event, {}), after)

    def failed(self, call: Call, failure: Failure, status: int, headers: Headers) -> UpstreamError:
        codes = _UNNAMED_CODES if failure.message == _UNNAMED else _CODES
        word = failure.type if failure.code not in codes and failure.type in codes else failure.code
        named = Failure(failure.message, failure.type, word, failure.param)
        error = classify_coded(codes, named, status, headers, call.now)
        if failure.code == _BAD_TOKEN and "|" in call.channel.key:
            error.kind = ErrorKind.EXPIRED  # the token's time is over, the key behind it may be good
        if error.kind is ErrorKind.REQUEST:
            error.type, error.code = failure.type, error.code or failure.code
        return error


def signature(access_key: str, secret: str, host: str, path: str, query: str, now: float) -> str:
    """Return the `authorization` of a GET, signed for half an hour from `now` (unix seconds).

    `query` must be encoded and in the order of its names already. Source: Baidu's page "authentication
    mechanism", version bce-auth-v1; of the header fields only `host` is signed.
    """
    when = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    prefix = f"bce-auth-v1/{access_key}/{when}/{_SIGNATURE_LIFE_S}"
    canonical = f"GET\n{quote(path)}\n{query}\nhost:{quote(host, safe='')}"
    return f"{prefix}/host/{_hmac(_hmac(secret, prefix), canonical)}"


def _hmac(key: str, text: str) -> str:
    return hmac.new(key.encode(), text.encode(), hashlib.sha256).hexdigest()


def _expiry(text: object, otherwise: float) -> float:
    """Unix seconds of a time like 2026-01-02T00:00:00Z."""
    try:
        when = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        when = None
    if when is None:
        return otherwise
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()


def _option(channel: Channel, option: Option) -> str:
    return channel.options.get(option.name) or option.default


def _edits(call: Call) -> Json:
    """The fields of a chat request that Baidu wants otherwise."""
    assert call.body is not None
    edits: Json = {}
    if call.upstream_model.lower().startswith("ernie"):
        given = call.body.get("temperature", float)
        if given is not None and not 0 < given <= 1:
            edits["temperature"] = 0.01 if given <= 0 else 1.0
    if b'"developer"' in call.body.raw:
        messages = messages_of(call)
        if any(message.get("role") == "developer" for message in messages):
            edits["messages"] = [_with_known_role(message) for message in messages]
    return edits


def _with_known_role(message: Json) -> Json:
    return {**message, "role": "system"} if message.get("role") == "developer" else message


@hookimpl
def register_adapters(register):  # type: ignore[no-untyped-def]  # the hookspec gives the types
    register(QianfanAdapter())
