"""`POST /api/channels/import/oneapi`: the channels of a One API database are brought over."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler

from ...errors import ConfigError
from ...manage.refused import Refused
from ..desk import Desk
from ..site import DESK
from .asked import answered, body_of


class Source(msgspec.Struct, frozen=True):
    """A body that names a database."""

    dsn: str


@dataclass(frozen=True, slots=True)
class LeftBehind:
    """A channel that was not brought, and why. Holds no secret."""

    name: str
    error: str


Bring = Callable[[Desk, str], Awaitable[list[LeftBehind]]]
"""Brings the channels of the database at an address; raises Refused or ConfigError if it cannot be read."""


def import_routes(bring: Bring) -> Mapping[tuple[str, str], Handler]:
    """Return the call, as one more table for `add_dialects`."""

    async def import_channels(request: web.Request) -> web.Response:
        desk, source = request.app[DESK], await body_of(request, Source)
        if not source.dsn.strip():
            raise Refused("dsn", "expected the address of One API's database")
        try:
            left = await bring(desk, source.dsn.strip())
        except ConfigError as exc:
            raise Refused("dsn", str(exc)) from exc
        await desk.live.catch_up()
        return answered([{"name": one.name, "error": one.error} for one in left])

    return {("POST", "/api/channels/import/oneapi"): import_channels}
