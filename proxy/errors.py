"""What a client can be told went wrong, and its one rendering: OpenAI's error object.

Also the one place where a provider's failure becomes the client's: a provider's 401 is about our key,
never about the client's, so it is not passed on as one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType

import orjson

from ..plugins import BodyError, ErrorKind, UpstreamError

_NO_HEADERS: Mapping[str, str] = MappingProxyType({})

MAX_RETRY_AFTER_S = 3600
"""Longest wait we ask of a client, whatever a provider asks of us."""


class ConfigError(Exception):
    """The gateway cannot start as it is set up. The message names the place, the value and the remedy."""


class GatewayError(Exception):
    """An answer to the client other than success. `type` and `code` are OpenAI's words where it has one."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        type: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        headers: Mapping[str, str] = _NO_HEADERS,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.type = type
        self.code = code
        self.param = param
        self.headers = headers

    def body(self) -> bytes:
        """Return the JSON a client gets."""
        error = {"message": self.message, "type": self.type, "param": self.param, "code": self.code}
        return orjson.dumps({"error": error})


def unauthorized(message: str) -> GatewayError:
    """The client's own key is missing, wrong, expired or disabled."""
    return GatewayError(401, message, code="invalid_api_key", headers={"www-authenticate": "Bearer"})


def forbidden(message: str, code: str) -> GatewayError:
    """The client's key is good, but not for this."""
    return GatewayError(403, message, type="permission_error", code=code)


def insufficient_quota(whose: str) -> GatewayError:
    """The caller's money does not suffice; asking again will not help."""
    return GatewayError(
        402,
        f"{whose} has not enough quota left for this request; top it up or ask for fewer tokens",
        type="insufficient_quota",
        code="insufficient_quota",
        headers={"x-should-retry": "false"},
    )


def budget_spent(period: str, wait_s: float) -> GatewayError:
    """The budget of this `day` or `month` is spent; `wait_s` is how long until the next."""
    return GatewayError(
        429,
        f"the budget of this {period} is spent",
        type="insufficient_quota",
        code="budget_exceeded",
        headers={"retry-after": str(max(1, math.ceil(wait_s))), "x-should-retry": "false"},
    )


def bad_body(error: BodyError) -> GatewayError:
    """The request's body is not what the endpoint takes."""
    return GatewayError(400, str(error), param=error.param, code="invalid_request_body")


def no_such_model(model: str) -> GatewayError:
    """No channel offers the model to this client."""
    return GatewayError(
        404,
        f"the model {model[:200]!r} does not exist or you do not have access to it",
        param="model",
        code="model_not_found",
    )


OVERLOADED = "overloaded"


def overloaded() -> GatewayError:
    """Too many requests run and wait already."""
    return GatewayError(
        503,
        "the gateway has too much to do; try again in a moment",
        type="server_error",
        code=OVERLOADED,
        headers={"retry-after": "1"},
    )


def channels_rest(wait_s: float, *, are_limited: bool = False) -> GatewayError:
    """Every channel of the model has to rest, for at least so long: limited by its provider, or failing."""
    headers = {}
    if math.isfinite(wait_s):
        headers["retry-after"] = str(min(MAX_RETRY_AFTER_S, max(1, math.ceil(wait_s))))
    if are_limited:
        return GatewayError(
            429,
            "every channel of this model is at its provider's rate limit",
            type="rate_limit_error",
            code="rate_limit_exceeded",
            headers=headers,
        )
    return GatewayError(
        503,
        "no channel of this model can be asked at the moment",
        type="server_error",
        code="no_channel_available",
        headers=headers,
    )


def internal() -> GatewayError:
    """A bug of ours. The log has the traceback under the request's id."""
    return GatewayError(500, "internal error of the gateway", type="server_error", code="internal_error")


def database_away() -> GatewayError:
    """The database cannot be reached, and what it would have said is not in memory."""
    return GatewayError(
        503,
        "the gateway cannot reach its database",
        type="server_error",
        code="database_unavailable",
        headers={"retry-after": "1"},
    )


_UPSTREAM: Mapping[ErrorKind, tuple[int, str, str, str]] = {
    ErrorKind.MODEL: (502, "upstream_error", "upstream_config", "the channel is not set up for this request"),
    ErrorKind.CREDENTIAL: (502, "upstream_error", "upstream_auth", "the provider refused the gateway's key"),
    ErrorKind.EXPIRED: (502, "upstream_error", "upstream_auth", "the provider refused the gateway's key"),
    ErrorKind.BALANCE: (502, "upstream_error", "upstream_quota", "the provider's account is out of quota"),
    ErrorKind.RATE: (429, "rate_limit_error", "rate_limit_exceeded", "the provider's rate limit is reached"),
    ErrorKind.BUSY: (503, "server_error", "upstream_error", "the provider is overloaded"),
    ErrorKind.FAULT: (502, "server_error", "upstream_error", "the provider failed to answer"),
}

_CLIENT_STATUSES = frozenset({400, 413, 415, 422})


def from_upstream(error: UpstreamError, model: str) -> GatewayError:
    """Say a provider's failure to the client, in its own words only where they are about the request."""
    if error.kind is ErrorKind.REQUEST:
        return GatewayError(
            error.status if error.status in _CLIENT_STATUSES else 400,
            error.message,
            type=error.type or "invalid_request_error",
            code=error.code or None,
            param=error.param,
        )
    if error.kind is ErrorKind.MODEL and error.code == "model_not_found":
        return no_such_model(model)
    status, kind, code, message = _UPSTREAM[error.kind]
    if error.kind is ErrorKind.FAULT and error.status == 504:
        status, message = 504, "the provider did not answer in time"
    headers = {}
    if error.retry_after is not None and math.isfinite(error.retry_after):
        headers["retry-after"] = str(min(MAX_RETRY_AFTER_S, max(1, math.ceil(error.retry_after))))
    return GatewayError(status, message, type=kind, code=code, headers=headers)
