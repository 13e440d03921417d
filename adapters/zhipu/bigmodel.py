"""What both of Zhipu's interfaces share: the signed token and the error codes.

Wire: docs.bigmodel.cn and docs.z.ai, pages "API introduction" (authentication) and "Error codes".
"""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
import re
from base64 import urlsafe_b64encode
from datetime import datetime, timedelta, timezone

import orjson

from ...plugins import Channel, Credential, ErrorKind, Headers, Json, Option, UpstreamError
from .. import failures

_TOKEN_S = 1800
"""How long a signed token is good. Zhipu's own client takes three minutes; a clock may be off by more."""

_BEIJING = timezone(timedelta(hours=8))
_RESET = re.compile(r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d(?::\d\d)?)")
_TOKEN_EXPIRED = "1003"
_LONG_LIMITS = frozenset({"1304", "1308", "1310"})

CODES = failures.coded(
    (ErrorKind.FAULT, "", "500 1120 1200 1230 1234"),
    (ErrorKind.CREDENTIAL, "", "1000 1001 1002 1003 1004 1100 1110 1111 1112 1121"),
    (ErrorKind.BALANCE, "", "1113 1304 1308 1309 1310"),
    (ErrorKind.REQUEST, "", "1210 1212 1213 1214 1215 1231"),
    (ErrorKind.MODEL, failures.MODEL_NOT_FOUND, "1211 1221 1222"),
    (ErrorKind.MODEL, "", "1220 1311"),
    (ErrorKind.REQUEST, failures.CONTEXT_LENGTH, "1261"),
    (ErrorKind.REQUEST, failures.CONTENT_FILTER, "1300 1301"),
    (ErrorKind.RATE, "", "1302 1303 1305 1313"),
    (ErrorKind.BUSY, "", "1312"),
)
"""Zhipu's own codes, of both interfaces. Source: docs.bigmodel.cn, page "Error codes"."""

_STATUSES = {434: "1220"}
"""The code that a status stands for where the body has none: 434 is an interface the account may not use."""


def signing(default: str) -> Option:
    """Return the option that says whether the channel's key is sent as it is or signs a token."""
    return Option(
        "key_as",
        "Send the key as",
        default=default,
        choices=("plain", "signed"),
        help="signed: a short-lived token made of a key of the form id.secret",
    )


def is_signed(channel: Channel, default: str) -> bool:
    """Whether this channel's requests carry a signed token."""
    return channel.options.get("key_as", default) == "signed"


def check_key(channel: Channel, default: str) -> None:
    """Raise ValueError if this channel's key cannot be sent, or not sign where it has to."""
    if not re.fullmatch(r"[\x21-\x7e]*", channel.key):
        raise ValueError("the key has a space, a line break or a character outside ASCII in it")
    if is_signed(channel, default) and not re.fullmatch(r"[^.]+\..+", channel.key):
        raise ValueError("the key must have the form id.secret to sign tokens with it")


def signed_token(key: str, now: float) -> Credential:
    """Return a token signed with a key `id.secret`: a JWT whose times are milliseconds.

    Raises UpstreamError for a key of another form. Wire: docs.bigmodel.cn, "Authentication with a token".
    """
    id, dot, secret = key.partition(".")
    if not dot:
        raise UpstreamError(ErrorKind.CREDENTIAL, "the channel's key has not the form id.secret")
    expires_at = now + _TOKEN_S
    header = {"alg": "HS256", "sign_type": "SIGN"}
    payload = {"api_key": id, "exp": int(expires_at * 1000), "timestamp": int(now * 1000)}
    signed = b".".join(map(_base64, (orjson.dumps(header), orjson.dumps(payload))))
    signature = hmac.new(secret.encode(), signed, hashlib.sha256).digest()
    return Credential((signed + b"." + _base64(signature)).decode(), expires_at)


def failure_in(value: Json) -> failures.Failure | None:
    """Return the failure in an answer or an event under 200, None for a proper one.

    Shapes: `{"error":{"code","message"}}` of v4, `{"code","msg","success":false}` of v3 and of the
    servers in front of both.
    """
    error = value.get("error")
    if isinstance(error, dict) and error and not value.get("choices"):
        return failures.Failure(str(error.get("message") or ""), "", str(error.get("code") or ""))
    code = str(value.get("code") or "")
    if value.get("success") is False or (code not in ("", "200") and "msg" in value):
        return failures.Failure(str(value.get("msg") or ""), "", code)
    return None


def classify(
    failure: failures.Failure, status: int, headers: Headers, now: float, *, signed: bool
) -> UpstreamError:
    """Turn a failure of Zhipu's into an UpstreamError. `status` is 200 inside an answer.

    `signed`: requests carry a token that we signed, so one that expired is made afresh. A limit by the day,
    week or month says when it ends, in Beijing's time; that becomes `retry_after`.
    """
    if not failure.code and status in _STATUSES:
        failure = dataclasses.replace(failure, code=_STATUSES[status])
    error = failures.classify_coded(CODES, failure, status, headers, now)
    if signed and failure.code == _TOKEN_EXPIRED:
        error.kind = ErrorKind.EXPIRED
    if error.retry_after is None and failure.code in _LONG_LIMITS:
        error.retry_after = _until_reset(failure.message, now)
    return error


def _until_reset(message: str, now: float) -> float | None:
    match = _RESET.search(message)
    if match is None:
        return None
    try:
        at = datetime.fromisoformat(f"{match[1]}T{match[2]}").replace(tzinfo=_BEIJING)
    except ValueError:
        return None
    return max(0.0, at.timestamp() - now)


def _base64(data: bytes) -> bytes:
    return urlsafe_b64encode(data).rstrip(b"=")
