"""`POST /api/channels/import/oneapi`: the channels of a One API database are brought over."""

from __future__ import annotations

import time

import msgspec
from aiohttp import web

from ...importers import SourceError, apply, plan_of
from ...manage.refused import Refused
from ..site import DESK
from .asked import answered, body_of


class Database(msgspec.Struct, frozen=True):
    """A body that names a database: in Go's form for MySQL, or a PostgreSQL address."""

    dsn: str


async def import_one_api(request: web.Request) -> web.Response:
    """Bring the channels, and say which were left behind and why. A second time brings what is new."""
    desk, place = request.app[DESK], (await body_of(request, Database)).dsn.strip()
    if not place:
        raise Refused("dsn", "expected the address of One API's database")
    try:
        plan = await plan_of("oneapi", place, allow_files=False)
    except SourceError as exc:
        raise Refused("dsn", str(exc)) from exc
    report = await apply(desk.store, desk.vault, desk.adapters, plan.channels_only(), int(time.time()))
    await desk.live.catch_up()
    return answered([{"name": one.what, "error": one.why} for one in report.left_out])
