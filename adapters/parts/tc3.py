"""Tencent Cloud's request signature, TC3-HMAC-SHA256.

Wire: cloud.tencent.com/document/api/1729/101843, "Signature v3". The same for all of its services.
"""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime

JSON_TYPE = "application/json"
"""The content type that is signed, and so has to be sent."""

_ALGORITHM = "TC3-HMAC-SHA256"
_SIGNED = "content-type;host;x-tc-action"


def authorization(
    secret_id: str,
    secret_key: str,
    payload: bytes,
    now: float,
    *,
    service: str,
    host: str,
    action: str,
    content_type: str = JSON_TYPE,
) -> str:
    """Return the authorization of a request by POST to the root of a host. `now` is in unix seconds.

    The second goes into `x-tc-timestamp` too; a clock that is more than five minutes wrong is refused.
    """
    seconds = int(now)
    scope = f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d}/{service}/tc3_request"
    fields = f"content-type:{content_type}\nhost:{host}\nx-tc-action:{action.lower()}\n"
    canonical = f"POST\n/\n\n{fields}\n{_SIGNED}\n{hashlib.sha256(payload).hexdigest()}"
    hashed = hashlib.sha256(canonical.encode()).hexdigest()
    key = f"TC3{secret_key}".encode()
    for part in scope.split("/"):
        key = _hmac(key, part)
    sealed = _hmac(key, f"{_ALGORITHM}\n{seconds}\n{scope}\n{hashed}").hex()
    return f"{_ALGORITHM} Credential={secret_id}/{scope}, SignedHeaders={_SIGNED}, Signature={sealed}"


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()
