"""The plain way, to compare with: an aiohttp handler, an aiohttp client, a loop over the chunks.

It checks a token and reads the model as a gateway must, and does nothing else.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator

import orjson
import uvloop
from aiohttp import ClientSession, TCPConnector, web

UPSTREAM = web.AppKey("upstream", str)
SESSION = web.AppKey("session", ClientSession)


async def relay(request: web.Request) -> web.StreamResponse:
    """Pass one request on."""
    if request.headers.get("Authorization") is None:
        raise web.HTTPUnauthorized
    body = await request.read()
    orjson.loads(body)["model"]
    url = request.app[UPSTREAM] + request.path
    async with request.app[SESSION].post(
        url, data=body, headers={"content-type": "application/json"}
    ) as answer:
        if answer.content_type != "text/event-stream":
            return web.Response(body=await answer.read(), content_type="application/json")
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        async for chunk in answer.content.iter_any():
            await response.write(chunk)
        await response.write_eof()
        return response


async def session(app: web.Application) -> AsyncIterator[None]:
    """One client session for the life of the server."""
    async with ClientSession(connector=TCPConnector(limit=0), auto_decompress=False) as made:
        app[SESSION] = made
        yield


if __name__ == "__main__":
    application = web.Application(client_max_size=2**30)
    application[UPSTREAM] = f"http://127.0.0.1:{sys.argv[2]}"
    application.cleanup_ctx.append(session)
    application.router.add_post("/{path:.*}", relay)
    web.run_app(
        application,
        host="127.0.0.1",
        port=int(sys.argv[1]),
        access_log=None,
        backlog=4096,
        print=None,
        loop=uvloop.new_event_loop(),
    )
