"""Read the error bodies of OpenAI-shaped hosts and say what kind of failure they are.

Status alone is wrong for many hosts: arrears come under 400, 403 and 429, a bad key under 400, an
unknown model under 401. So a body's code words are asked first, then its type, then its message, and the
status last. The words are those of the hosts' error pages and of recorded answers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import orjson

from ..plugins import ErrorKind, Headers, UpstreamError, UpstreamResponse
from .parts.waits import rate_limit_reset, retry_after, wait_in

_REQUEST, _MODEL = ErrorKind.REQUEST, ErrorKind.MODEL
_CREDENTIAL, _BALANCE = ErrorKind.CREDENTIAL, ErrorKind.BALANCE
_RATE, _BUSY, _FAULT = ErrorKind.RATE, ErrorKind.BUSY, ErrorKind.FAULT

MODEL_NOT_FOUND = "model_not_found"
CONTEXT_LENGTH = "context_length_exceeded"
CONTENT_FILTER = "content_filter"


Verdict = tuple[ErrorKind, str]
"""What a code or a status means: the kind, and OpenAI's code where it has one."""


def coded(*rows: tuple[ErrorKind, str, str]) -> Mapping[str, Verdict]:
    """Return a table of codes. A row is a kind, OpenAI's code and the provider's words for it.

    `http:498` stands for a status that only this provider uses.
    """
    return {word: (kind, code) for kind, code, words in rows for word in words.split()}


NO_CODES: Mapping[str, Verdict] = MappingProxyType({})
"""For hosts that have no words of their own."""


@dataclass(frozen=True, slots=True)
class Failure:
    """What an error body says, whatever its shape. Empty text where it says nothing."""

    message: str = ""
    type: str = ""
    code: str = ""
    param: str | None = None


def read_failure(body: bytes) -> Failure:
    """Read an error body of any known shape: OpenAI's, flat ones, lists, plain text, HTML, nothing."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        text = body.decode("utf-8", "replace").strip()
        return Failure("" if text.startswith("<") else text[:500])
    return _read(value)


def failure_in(value: object) -> Failure | None:
    """Return the failure that stands in an answer under 200, or in a chunk; None for a proper one."""
    if not isinstance(value, Mapping):
        return None
    base = value.get("base_resp")
    if isinstance(base, Mapping) and base.get("status_code"):  # MiniMax
        return _read(value)
    holder = _error_holder(value)
    if holder is not None:
        return _read(holder)
    if value.get("choices") or value.get("data"):
        return None
    if value.get("error") or value.get("error_code") or value.get("object") == "error":
        return _read(value)
    code = value.get("code")
    if isinstance(code, int) and code not in (0, 200) and value.get("message"):  # Spark
        return _read(value)
    return None


def status_in(value: object) -> int:
    """Return the HTTP status that a failure under 200 states in its body; 0 if it states none.

    OpenRouter has it as the code, Groq as `status_code`.
    """
    if not isinstance(value, Mapping):
        return 0
    holder = _error_holder(value) or value
    for source in (holder.get("error"), holder):
        stated = source if isinstance(source, Mapping) else {}
        for status in (stated.get(name) for name in ("status_code", "status", "code")):
            if isinstance(status, int) and 400 <= status < 600:
                return status
    return 0


def _error_holder(value: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return what holds an error object: the answer, also beside its choices, or one of them (OpenRouter)."""
    choices = value.get("choices")
    holders: list[object] = [value, *(choices if isinstance(choices, list) else ())]
    for holder in holders:
        error = holder.get("error") if isinstance(holder, Mapping) else None
        if isinstance(holder, Mapping) and isinstance(error, Mapping) and error.get("message"):
            return holder
    return None


def classify(
    failure: Failure, status: int, headers: Headers, now: float, codes: Mapping[str, Verdict] = NO_CODES
) -> UpstreamError:
    """Turn what a host said into an UpstreamError as OpenAI would have put it.

    A `status` of 0 is unknown: the failure stood under 200. `codes` are the host's own; they win over the
    common ones.
    """
    kind, code = _kind(failure, status, codes)
    return UpstreamError(
        kind,
        failure.message or f"the provider answered with status {status or 200}",
        status=status if status >= 400 else 400 if kind is _REQUEST else 502,
        type=failure.type,
        code=code,
        param=failure.param,
        retry_after=_wait(kind, failure.message, headers, now),
    )


def classify_coded(
    codes: Mapping[str, Verdict], failure: Failure, status: int, headers: Headers, now: float
) -> UpstreamError:
    """Classify by a provider's own codes, and by the common rules where they say nothing.

    A code that is not listed counts as the part before its last dot. A code for a bad request says too
    little where the message speaks of arrears, a key, a model or the context's length: the message wins.
    """
    verdict = _by_code(codes, (failure.code,))
    if verdict == (_REQUEST, ""):
        verdict = _by_message(failure.message) or verdict
    if verdict is None:
        verdict = _kind(failure, status, NO_CODES)
    kind, code = verdict
    return UpstreamError(
        kind,
        failure.message or f"the provider answered with {failure.code or f'status {status}'}",
        status=status if status >= 400 else _MEANT[kind],
        code=code,
        param=failure.param,
        retry_after=_wait(kind, failure.message, headers, now),
    )


def classify_response(
    response: UpstreamResponse, now: float, codes: Mapping[str, Verdict] = NO_CODES
) -> UpstreamError:
    """Classify an answer whose status is not 2xx."""
    return classify(read_failure(response.body), response.status, response.headers, now, codes)


def _wait(kind: ErrorKind, message: str, headers: Headers, now: float) -> float | None:
    asked = retry_after(headers, now)
    if asked is not None or kind is not _RATE:
        return asked
    asked = rate_limit_reset(headers, now)
    return asked if asked is not None else wait_in(message)


def _read(value: object, levels: int = 4) -> Failure:
    """Read an error object, and what it stands in: no host has more levels around it."""
    if not levels:
        return Failure()
    if isinstance(value, list) and value:  # Gemini's OpenAI surface
        return _read(value[0], levels - 1)
    if isinstance(value, str):  # SiliconFlow's 401
        return Failure(value)
    if not isinstance(value, Mapping):
        return Failure()
    base = value.get("base_resp")
    if isinstance(base, Mapping) and base.get("status_code"):  # MiniMax; other hosts have its numbers too
        return Failure(str(base.get("status_msg") or ""), "", f"minimax:{base.get('status_code')}")
    if isinstance(errors := value.get("errors"), list) and errors:  # Cloudflare
        return _read(errors[0], levels - 1)
    inner = value.get("error")
    if isinstance(inner, Mapping):
        return _flat(inner)
    if isinstance(inner, str) and inner:  # xAI, vLLM, Ollama
        return Failure(inner, "", _word(value.get("code")))
    return _flat(value)


def _flat(value: Mapping[str, Any]) -> Failure:
    names = ("message", "msg", "error_msg", "detail")
    message = next((value[name] for name in names if value.get(name)), "")
    if isinstance(message, Mapping):
        message = message.get("message", "")
    if not isinstance(message, str):
        message = orjson.dumps(message).decode()
    param = value.get("param")
    code = next(
        (value[name] for name in ("reason", "code", "error_code", "error_type") if value.get(name)), ""
    )
    kind = value.get("type")
    return Failure(
        message,
        kind if isinstance(kind, str) else "",
        _word(code),
        param if isinstance(param, str) else None,
    )


def _word(value: object) -> str:
    return str(value) if isinstance(value, (str, int)) and not isinstance(value, bool) else ""


_CODES = coded(
    (_CREDENTIAL, "", "invalid_api_key account_deactivated invalid_organization authentication_error"),
    (_CREDENTIAL, "", "invalid_authentication_error incorrect_api_key_error InvalidApiKey"),
    (_CREDENTIAL, "", "FAILED_TO_AUTH INVALID_API_KEY invalid_iam_token PermissionDenied"),
    (_CREDENTIAL, "", "1000 1001 1002 1003 1004"),  # Zhipu
    (_CREDENTIAL, "", "minimax:1004 minimax:2049"),
    (_BALANCE, "", "billing_hard_limit_reached billing_not_active exceeded_current_quota_error"),
    (_BALANCE, "", "Arrearage AllocationQuota.FreeTierOnly NOT_ENOUGH_BALANCE account_overdue 30001"),
    (_BALANCE, "", "1112 1113"),  # Zhipu
    (_BALANCE, "", "minimax:1008"),
    (_BALANCE, "", "11200"),  # Spark: the app has no licence left
    (_RATE, "", "rate_limit_exceeded rate_limit_error rate_limit_reached_error RateLimitReached"),
    (_RATE, "", "RATE_LIMIT_EXCEEDED TOKEN_LIMIT_EXCEEDED limit_requests Throttling"),
    (_RATE, "", "rpm_rate_limit_exceeded tpm_rate_limit_exceeded too_many_requests"),
    (_RATE, "", "1302 1303 1305"),  # Zhipu
    (_RATE, "", "minimax:1002 minimax:1039 minimax:1041 minimax:2056"),
    (_MODEL, MODEL_NOT_FOUND, "model_not_found ModelNotFound model_not_supported MODEL_NOT_FOUND"),
    (_MODEL, MODEL_NOT_FOUND, "invalid_model DeploymentNotFound resource_not_found_error 20012 1211"),
    (_MODEL, MODEL_NOT_FOUND, "unknown_model model_not_available model_decommissioned"),
    (_MODEL, "", "access_denied Model.AccessDenied AccessDenied.Unpurchased ACCESS_DENY 30003"),
    (_MODEL, "", "unsupported_country_region_territory permission_denied_error"),
    (_REQUEST, CONTEXT_LENGTH, "context_length_exceeded exceed_context_size_error tokens_limit_reached"),
    (_REQUEST, CONTENT_FILTER, "content_filter content_policy_violation data_inspection_failed"),
    (_REQUEST, CONTENT_FILTER, "DataInspectionFailed system_unsafe unsafe_request 1301"),
    (_REQUEST, CONTENT_FILTER, "moderation_blocked invalid_prompt minimax:1026 minimax:1027"),
    (_REQUEST, "", "minimax:1042 minimax:2013"),
    (_BUSY, "", "engine_overloaded_error ServiceUnavailable SERVICE_NOT_AVAILABLE overloaded_error"),
    (_BUSY, "", "50505 server_overloaded"),
    (_FAULT, "", "internal_error RequestTimeOut ResponseTimeout"),
)
"""Words and numbers that mean the same wherever they occur. What only one host means so is its adapter's.

From the error pages of OpenAI, DashScope, DeepSeek, Kimi, MiniMax, PPIO, Qianfan, SiliconFlow, GitHub Models,
Groq, Together and Zhipu.
"""

_REQUEST_WORDS = frozenset({"invalid_request_error", "invalid_parameter_error", "BadRequestError"})
"""Say that the request is wrong, in answers under 200. Beside a status they say too little: OpenAI has the
first one with a bad key as well, DashScope the second one with a prompt that is too long."""

_MESSAGES: tuple[tuple[re.Pattern[str], ErrorKind, str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), kind, code)
    for pattern, kind, code in (
        (r"incorrect api key|invalid api[- ]?key|api key is invalid|invalid token\b(?! in)", _CREDENTIAL, ""),
        (r"insufficient (account )?(balance|credits?|funds)|balance is (too low|insufficient)", _BALANCE, ""),
        (r"check your plan and billing|credit balance|arrears|overdue|余额不足|欠费", _BALANCE, ""),
        (r"used all (of )?(its |your )?available credits|spending limit|key limit exceeded", _BALANCE, ""),
        (
            r"maximum context length|context window|max context|context length|context size",
            _REQUEST,
            CONTEXT_LENGTH,
        ),
        (r"exceeded model token limit|range of input length|prompt (is )?too long", _REQUEST, CONTEXT_LENGTH),
        (r"max_(seq_len|total_tokens)\b|max_new_tokens must be|max message tokens", _REQUEST, CONTEXT_LENGTH),
        (r"\bwas flagged (for|as)\b", _REQUEST, CONTENT_FILTER),
        (r"model\b.{0,80}(does not exist|not found|not exist)|no such model", _MODEL, MODEL_NOT_FOUND),
    )
)

_STATUSES: Mapping[int, Verdict] = {
    401: (_CREDENTIAL, ""),
    402: (_BALANCE, ""),
    403: (_MODEL, ""),
    404: (_MODEL, ""),
    405: (_MODEL, ""),
    407: (_MODEL, ""),  # a proxy on the way wants a password: ours to give, not the client's
    408: (_FAULT, ""),
    424: (_FAULT, ""),
    429: (_RATE, ""),
    503: (_BUSY, ""),
    529: (_BUSY, ""),
}

_MEANT: Mapping[ErrorKind, int] = {
    _REQUEST: 400,
    _MODEL: 404,
    _CREDENTIAL: 401,
    ErrorKind.EXPIRED: 401,
    _BALANCE: 402,
    _RATE: 429,
    _BUSY: 503,
    _FAULT: 502,
}
"""The status of an error that came inside a 200."""

_TRUSTED_BEFORE_WORDS = frozenset({402})


def _kind(failure: Failure, status: int, codes: Mapping[str, Verdict]) -> Verdict:
    if status in _TRUSTED_BEFORE_WORDS:
        return _STATUSES[status]
    words = (failure.code, failure.type)
    verdict = _by_code(codes, words)
    if verdict is None and "insufficient_quota" in words:
        # OpenAI's arrears; the same words are DashScope's tokens per minute, with a message of its own.
        is_rate = "token" in failure.message.lower() and "per" in failure.message.lower()
        return (_RATE, "") if is_rate else (_BALANCE, "")
    verdict = verdict or _by_code(_CODES, words)
    if verdict in (None, (_REQUEST, "")) and status < 500:  # that the request is wrong says too little
        verdict = _by_message(failure.message) or verdict
    return verdict or codes.get(f"http:{status}") or _by_status(failure, status)


def _by_code(codes: Mapping[str, Verdict], words: tuple[str, ...]) -> Verdict | None:
    """Look the words up. One that is not listed counts as the part before its last dot."""
    for word in words:
        while word:
            if word in codes:
                return codes[word]
            word = word.rpartition(".")[0]
    return None


def _by_message(message: str) -> Verdict | None:
    return next(((kind, code) for pattern, kind, code in _MESSAGES if pattern.search(message)), None)


def _by_status(failure: Failure, status: int) -> Verdict:
    if status in _STATUSES:
        return _STATUSES[status]
    if 400 <= status < 500:
        return _REQUEST, failure.code
    if 300 <= status < 400:  # redirects are not followed: the base URL is wrong
        return _MODEL, ""
    if not status and not _REQUEST_WORDS.isdisjoint((failure.code, failure.type)):
        return _REQUEST, failure.code
    return (_BUSY, "") if "overloaded" in failure.message.lower() else (_FAULT, "")
