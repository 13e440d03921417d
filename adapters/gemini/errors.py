"""What the errors of Google's APIs mean, from their status words, reasons and details.

Wire: ai.google.dev, "Troubleshooting guide" and "Rate limits"; google.aip.dev/193 for the shape;
cloud.google.com, "ErrorInfo", for reasons.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import orjson

from ...plugins import ErrorKind, Headers, Json, UpstreamError, UpstreamResponse
from ..failures import CONTENT_FILTER, CONTEXT_LENGTH, MODEL_NOT_FOUND, classify_response
from ..foreign import at, count, objects, text
from ..parts.waits import retry_after

_DAY_S: Final = 86400
_MIDNIGHT_PACIFIC_S: Final = 8 * 3600
"""Daily quotas begin anew at midnight Pacific time, in winter eight hours after UTC: "Rate limits"."""

_REASONS: Final[Mapping[str, tuple[ErrorKind, str]]] = {
    "API_KEY_INVALID": (ErrorKind.CREDENTIAL, ""),
    "API_KEY_EXPIRED": (ErrorKind.CREDENTIAL, ""),
    "ACCESS_TOKEN_EXPIRED": (ErrorKind.CREDENTIAL, ""),
    "ACCESS_TOKEN_TYPE_UNSUPPORTED": (ErrorKind.CREDENTIAL, ""),
    "CREDENTIALS_MISSING": (ErrorKind.CREDENTIAL, ""),
    "ACCOUNT_STATE_INVALID": (ErrorKind.CREDENTIAL, ""),
    "CONSUMER_SUSPENDED": (ErrorKind.CREDENTIAL, ""),
    "CONSUMER_INVALID": (ErrorKind.CREDENTIAL, ""),
    "BILLING_DISABLED": (ErrorKind.BALANCE, ""),
    "SERVICE_DISABLED": (ErrorKind.MODEL, ""),
    "API_KEY_SERVICE_BLOCKED": (ErrorKind.MODEL, ""),
    "API_KEY_HTTP_REFERRER_BLOCKED": (ErrorKind.MODEL, ""),
    "API_KEY_IP_ADDRESS_BLOCKED": (ErrorKind.MODEL, ""),
    "LOCATION_POLICY_VIOLATED": (ErrorKind.MODEL, ""),
    "RATE_LIMIT_EXCEEDED": (ErrorKind.RATE, ""),
    "RESOURCE_QUOTA_EXCEEDED": (ErrorKind.RATE, ""),
}
"""Reasons in the details of an error."""

_MESSAGES: Final = tuple(
    (re.compile(pattern, re.IGNORECASE), kind, code)
    for pattern, kind, code in (
        (r"api[_ ]key\b.{0,40}(not valid|expired|leaked|not found)", ErrorKind.CREDENTIAL, ""),
        (r"unregistered callers|has been suspended", ErrorKind.CREDENTIAL, ""),
        (r"(prepayment|prepaid)\b.{0,40}depleted|spend(ing)? (cap|limit)", ErrorKind.BALANCE, ""),
        (r"location is not supported|not available in your (country|region)", ErrorKind.MODEL, ""),
        (r"token count\b.{0,80}exceeds|maximum number of tokens", ErrorKind.REQUEST, CONTEXT_LENGTH),
        (r"models?/\S+ does not exist|models?\b.{0,80}not found", ErrorKind.MODEL, MODEL_NOT_FOUND),
        (r"prompt (was|is) blocked|blocked (due to|by) .{0,20}safety", ErrorKind.REQUEST, CONTENT_FILTER),
    )
)
"""What the words of an error say more precisely than its status. Only asked where the status is a 4xx."""

_STATUSES: Final[Mapping[str, tuple[ErrorKind, int]]] = {
    "INVALID_ARGUMENT": (ErrorKind.REQUEST, 400),
    "OUT_OF_RANGE": (ErrorKind.REQUEST, 400),
    "FAILED_PRECONDITION": (ErrorKind.MODEL, 400),
    "UNAUTHENTICATED": (ErrorKind.CREDENTIAL, 401),
    "PERMISSION_DENIED": (ErrorKind.MODEL, 403),
    "NOT_FOUND": (ErrorKind.MODEL, 404),
    "ABORTED": (ErrorKind.FAULT, 409),
    "ALREADY_EXISTS": (ErrorKind.FAULT, 409),
    "RESOURCE_EXHAUSTED": (ErrorKind.RATE, 429),
    "CANCELLED": (ErrorKind.FAULT, 499),
    "INTERNAL": (ErrorKind.FAULT, 500),
    "UNKNOWN": (ErrorKind.FAULT, 500),
    "DATA_LOSS": (ErrorKind.FAULT, 500),
    "UNIMPLEMENTED": (ErrorKind.MODEL, 501),
    "UNAVAILABLE": (ErrorKind.BUSY, 503),
    "DEADLINE_EXCEEDED": (ErrorKind.FAULT, 504),
}
"""Status words, and the HTTP status each comes with: "Troubleshooting guide", google.rpc.Code."""

_CODES: Final[Mapping[int, ErrorKind]] = {code: kind for kind, code in reversed(list(_STATUSES.values()))}
"""Kinds by HTTP status, for errors without a status word; of several the first counts."""


def failure(response: UpstreamResponse, now: float) -> UpstreamError:
    """Classify an answer whose status is not 2xx. A stream without events has its error in a list."""
    try:
        value = orjson.loads(response.body)
    except orjson.JSONDecodeError:
        return classify_response(response, now)
    first = next(iter(objects(value)), value)
    if not isinstance(first, dict) or text(at(first, "error", "status")) not in _STATUSES:
        return classify_response(response, now)
    return error_in(first, now, response.headers, response.status)


def error_in(value: Json, now: float, headers: Headers | None = None, status: int = 0) -> UpstreamError:
    """Classify the error in an answer's object; `status` is 0 where HTTP said nothing of it."""
    given = value.get("error")
    error: Json = given if isinstance(given, dict) else {"message": given}
    word, said = text(error.get("status")), text(error.get("message"))
    details = objects(error.get("details"))
    number = count(error.get("code")) or 502
    kind, usual = _STATUSES.get(word, (_CODES.get(number, ErrorKind.FAULT), number))
    kind, code = _precise(kind, usual, said, details)
    wait = _delay(details, now)
    return UpstreamError(
        kind,
        said or word or "the provider failed without a word",
        status=status or usual,
        code=code,
        retry_after=retry_after(headers or {}, now) if wait is None else wait,
    )


def _precise(kind: ErrorKind, usual: int, said: str, details: list[Json]) -> tuple[ErrorKind, str]:
    for detail in details:
        if text(detail.get("reason")) in _REASONS:
            return _REASONS[detail["reason"]]
    if usual < 500:
        for pattern, precise, code in _MESSAGES:
            if pattern.search(said):
                return precise, code
    return kind, ""


def _delay(details: list[Json], now: float) -> float | None:
    """Seconds to wait: until the day is over for a daily quota, else what RetryInfo says."""
    for detail in details:
        for violation in objects(detail.get("violations")):
            if "PerDay" in text(violation.get("quotaId")):
                return (_MIDNIGHT_PACIFIC_S - now) % _DAY_S
    for detail in details:
        match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)s", text(detail.get("retryDelay")))
        if match:
            return float(match[1])
    return None
