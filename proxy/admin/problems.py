"""What went wrong on a page of administrators, as its caller is told."""

from __future__ import annotations

import logging

from aiohttp import web

from ..errors import GatewayError, database_away, internal
from ..manage.refused import Refused
from ..store import Missing, StoreError, Unavailable

log = logging.getLogger(__name__)


def as_gateway_error(exc: Exception) -> GatewayError:
    """Turn what a change may raise into what its caller is told."""
    if isinstance(exc, GatewayError):
        return exc
    if isinstance(exc, Refused):
        return GatewayError(400, str(exc), code="invalid_value", param=exc.field)
    if isinstance(exc, Missing):
        return GatewayError(404, str(exc), code="not_found")
    if isinstance(exc, StoreError):
        return GatewayError(409, str(exc), code="conflict")
    if isinstance(exc, Unavailable):
        return database_away()
    if isinstance(exc, web.HTTPException):
        return _of_aiohttp(exc)
    log.error("page failed", exc_info=exc)
    return internal()


def _of_aiohttp(exc: web.HTTPException) -> GatewayError:
    if isinstance(exc, web.HTTPMethodNotAllowed):
        allowed = ", ".join(sorted(exc.allowed_methods))
        message = f"{exc.method} is not allowed here; use one of {allowed}"
        return GatewayError(405, message, code="method_not_allowed", headers={"allow": allowed})
    if exc.status == 404:
        return GatewayError(404, "unknown path", code="unknown_url")
    return GatewayError(exc.status, exc.reason, code="bad_http")
