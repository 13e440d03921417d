"""AWS Signature Version 4: sign a request with an access key, given the time.

Wire: docs.aws.amazon.com, IAM User Guide, "Create a signed AWS API request". Signed are the method, the
path, the query, the Host field, the fields given and a hash of the body.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import parse_qsl, quote, urlsplit

_ALGORITHM = "AWS4-HMAC-SHA256"


@dataclass(frozen=True, slots=True)
class AccessKey:
    """An access key of AWS; the session token is empty where the key is a lasting one."""

    id: str
    secret: str = field(repr=False)
    session_token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Scope:
    """Where a signature is good: a region such as us-east-1, and a service such as bedrock."""

    region: str
    service: str


def signed(
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: bytes,
    key: AccessKey,
    scope: Scope,
    now: float,
) -> dict[str, str]:
    """Return the header fields with the signature and the time added.

    `headers` have lower-case names and no Host: that is taken from the URL, as HTTP clients do. The path of
    the URL is as it is sent; it is encoded once more for signing, as every service but S3 wants it.
    """
    moment = datetime.fromtimestamp(now, UTC)
    stamp, day = moment.strftime("%Y%m%dT%H%M%SZ"), moment.strftime("%Y%m%d")
    sent = {**headers, "x-amz-date": stamp}
    if key.session_token:
        sent["x-amz-security-token"] = key.session_token
    to_sign = {**sent, "host": urlsplit(url).netloc.lower()}
    names = ";".join(sorted(to_sign))
    place = f"{day}/{scope.region}/{scope.service}/aws4_request"
    request = _canonical_request(method, url, to_sign, body)
    text = "\n".join((_ALGORITHM, stamp, place, hashlib.sha256(request.encode()).hexdigest()))
    signature = hmac.new(_signing_key(key.secret, day, scope), text.encode(), hashlib.sha256).hexdigest()
    sent["authorization"] = (
        f"{_ALGORITHM} Credential={key.id}/{place}, SignedHeaders={names}, Signature={signature}"
    )
    return sent


def _canonical_request(method: str, url: str, headers: Mapping[str, str], body: bytes) -> str:
    parts = urlsplit(url)
    pairs = sorted(
        (quote(name, safe="~"), quote(value, safe="~"))
        for name, value in parse_qsl(parts.query, keep_blank_values=True)
    )
    return "\n".join(
        (
            method,
            quote(parts.path or "/", safe="/~"),
            "&".join(f"{name}={value}" for name, value in pairs),
            *(f"{name}:{' '.join(headers[name].split())}" for name in sorted(headers)),
            "",
            ";".join(sorted(headers)),
            hashlib.sha256(body).hexdigest(),
        )
    )


def _signing_key(secret: str, day: str, scope: Scope) -> bytes:
    key = b"AWS4" + secret.encode()
    for part in (day, scope.region, scope.service, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key
