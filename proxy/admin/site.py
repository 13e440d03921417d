"""Everything below `/api` as one aiohttp application, and how what goes wrong there is said."""

from __future__ import annotations

import logging

from aiohttp import web
from aiohttp.typedefs import Handler

from ..errors import GatewayError, database_away, internal
from ..manage.refused import Refused
from ..store import StoreError, Unavailable
from .desk import DESK as DESK
from .desk import Desk

log = logging.getLogger(__name__)

_CODES = {404: "unknown_url", 405: "method_not_allowed", 413: "body_too_large"}


def make_site(desk: Desk) -> web.Application:
    """Return the application; its handlers find the desk as `request.app[DESK]`."""
    site = web.Application(middlewares=[_say_errors], client_max_size=desk.config.server.max_body_bytes)
    site[DESK] = desk
    return site


def said(error: GatewayError) -> web.Response:
    """Return an error as every page of ours says it: OpenAI's shape."""
    return web.Response(
        status=error.status, body=error.body(), content_type="application/json", headers=error.headers
    )


def enveloped(error: GatewayError) -> web.Response:
    """Return an error as One API and AI Proxy say it."""
    body = {"success": False, "message": error.message}
    return web.json_response(body, status=error.status, headers=error.headers)


def as_gateway_error(exc: Exception) -> GatewayError:
    """Turn what a change may raise into what its caller is told."""
    if isinstance(exc, GatewayError):
        return exc
    if isinstance(exc, Refused):
        return GatewayError(400, str(exc), code="invalid_value", param=exc.field)
    if isinstance(exc, StoreError):
        return GatewayError(409, str(exc), code="conflict")
    if isinstance(exc, Unavailable):
        return database_away()
    log.error("page failed", exc_info=exc)
    return internal()


@web.middleware
async def _say_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPException as exc:
        if exc.status < 400:
            raise
        fields = {"allow": exc.headers["Allow"]} if "Allow" in exc.headers else {}
        return said(GatewayError(exc.status, exc.reason.lower(), code=_CODES.get(exc.status), headers=fields))
    except Exception as exc:  # the border of the pages
        return said(as_gateway_error(exc))
