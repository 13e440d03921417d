"""What One API says to programs: `{success, message, data}`, with status 200 even where it refuses.

Other statuses are 401 where nobody says who they are, 429 where somebody guesses passwords, and those of
faults that are ours.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import orjson
from aiohttp import web
from aiohttp.typedefs import Handler

from ..serving import OWNER
from ..site import as_gateway_error
from .visit import Visit, enter

Work = Callable[[Visit], Awaitable[object]]
"""A page: returns what stands under `data`, or a whole answer."""


def done(data: object = None, **beside: object) -> web.Response:
    """Return a success with its data, and what stands beside it."""
    return _answer(
        200, {"success": True, "message": "", **({} if data is None else {"data": data}), **beside}
    )


def failed(message: str, status: int = 200, **beside: object) -> web.Response:
    """Return a failure."""
    return _answer(status, {"success": False, "message": message, **beside})


def plain(data: object) -> web.Response:
    """Return JSON without the envelope."""
    return _answer(200, data)


def page(role: int, work: Work, *, is_shared: bool = False) -> Handler:
    """Return the handler of a page that users from this role on may see; 0 for everybody.

    Where AI Proxy has the same page (`is_shared`), a key that is none has status 401 as it has there.
    """

    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            visit = await enter(request, role)
            # What was begun is finished, so that no change is without its row in the trail.
            task = request.app[OWNER].start(_answered(work, visit), request.path)
            answer = await asyncio.shield(task)
        except web.HTTPException:
            raise
        except Exception as exc:  # the border of these pages
            return _said(exc, is_named="authorization" in request.headers and not is_shared)
        return answer if isinstance(answer, web.StreamResponse) else done(answer)

    return handle


async def _answered(work: Work, visit: Visit) -> object:
    return await work(visit)


def _said(exc: Exception, *, is_named: bool) -> web.Response:
    error = as_gateway_error(exc)
    is_unknown = error.status == 401 and error.code == "invalid_api_key" and not is_named
    answer = failed(
        error.message, error.status if is_unknown or error.status in (413, 429, 500, 503) else 200
    )
    answer.headers.update(error.headers)
    return answer


def _answer(status: int, value: object) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(value), content_type="application/json")
