"""AI Proxy's management API and One API's, side by side below `/api`: who asks decides which one answers.

A request with the admin key is AI Proxy's, any other One API's. Each path is there with and without a slash
at its end, and none redirects: a redirected POST would lose its body.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from aiohttp import web
from aiohttp.typedefs import Handler

from ..errors import GatewayError, unauthorized
from .actors import is_admin_key, key_of
from .site import DESK, as_gateway_error, enveloped

Routes = Mapping[tuple[str, str], Handler]
"""Handlers by method and path, as `UrlDispatcher.add_route` takes them."""


def add_dialects(site: web.Application, ai_proxy: Routes, one_api: Routes) -> None:
    """Add both APIs to the pages of administrators. Raises ValueError for paths spelt differently."""
    ours, theirs = _by_place(ai_proxy), _by_place(one_api)
    _check_alike([*ours, *theirs])
    for method, path in {**ours, **theirs}:
        handler = _either(ours.get((method, path)), theirs.get((method, path)))
        for form in (path, f"{path}/"):
            site.router.add_route(method, form, handler)


def has_admin_key(request: web.Request) -> bool:
    """Whether a request carries the admin key, with or without `Bearer` and `sk-`."""
    return is_admin_key(request.app[DESK], key_of(request))


def _by_place(routes: Routes) -> Routes:
    return {(method, path.rstrip("/")): handler for (method, path), handler in routes.items()}


def _check_alike(places: list[tuple[str, str]]) -> None:
    """Of two patterns for the same paths the router would take the first and never look at the other."""
    spelt: dict[str, str] = {}
    for _, path in places:
        other = spelt.setdefault(re.sub(r"\{[^}]*\}", "{}", path), path)
        if other != path:
            raise ValueError(f"{path!r} and {other!r} are the same place; write them alike")


def _either(ai_proxy: Handler | None, one_api: Handler | None) -> Handler:
    async def answer(request: web.Request) -> web.StreamResponse:
        if one_api is not None and (ai_proxy is None or not has_admin_key(request)):
            return await one_api(request)
        try:
            if ai_proxy is None or not has_admin_key(request):
                raise unauthorized("this page needs the admin key")
            return await ai_proxy(request)
        except web.HTTPException as exc:  # a body that is too large
            return enveloped(GatewayError(exc.status, exc.reason.lower()))
        except Exception as exc:  # the border of these pages
            return enveloped(as_gateway_error(exc))

    return answer
