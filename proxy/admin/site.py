"""Everything below `/api` as one aiohttp application, and how what goes wrong there is said."""

from __future__ import annotations

from aiohttp import web
from aiohttp.typedefs import Handler

from ..errors import GatewayError
from ..tasks import Owner
from .description import add_description
from .desk import DESK as DESK
from .desk import Desk
from .operations import PREFIX
from .problems import as_gateway_error as as_gateway_error
from .resources import OPERATIONS
from .serving import OWNER, handler_of


def make_site(desk: Desk) -> web.Application:
    """Return the application; its handlers find the desk as `request.app[DESK]`."""
    site = web.Application(middlewares=[_say_errors], client_max_size=desk.config.server.max_body_bytes)
    site[DESK] = desk
    site[OWNER] = Owner()
    site.on_response_prepare.append(_clean)
    site.on_cleanup.append(_finish)
    for operation in OPERATIONS:
        add_route(site, operation.method, f"{PREFIX}{operation.path}", handler_of(operation))
    add_description(site, OPERATIONS)
    return site


def add_route(site: web.Application, method: str, path: str, handler: Handler) -> None:
    """Serve a path, with and without a slash at its end."""
    for form in (path, f"{path}/"):
        if method == "GET":
            site.router.add_get(form, handler)  # and HEAD
        else:
            site.router.add_route(method, form, handler)


def said(error: GatewayError) -> web.Response:
    """Return an error as every page of ours says it: OpenAI's shape."""
    return web.Response(
        status=error.status, body=error.body(), content_type="application/json", headers=error.headers
    )


def enveloped(error: GatewayError) -> web.Response:
    """Return an error as One API and AI Proxy say it."""
    body = {"success": False, "message": error.message}
    return web.json_response(body, status=error.status, headers=error.headers)


async def _clean(request: web.Request, response: web.StreamResponse) -> None:
    """Say nothing of what serves, and let no browser guess what an answer is."""
    response.headers.popall("server", None)
    response.headers["x-content-type-options"] = "nosniff"


async def _finish(site: web.Application) -> None:
    """Let changes that are under way come to their end."""
    await site[OWNER].join()


@web.middleware
async def _say_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except Exception as exc:  # the border of the pages
        return said(as_gateway_error(exc))
