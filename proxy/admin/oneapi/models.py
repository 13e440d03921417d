"""Which models there are, in One API's shapes."""

from __future__ import annotations

from aiohttp import web

from ...importers.types import ONE_API, Target
from .envelope import plain
from .visit import Visit

_CREATED = 1_626_777_600
"""One API's own, the same for all."""


async def by_type(visit: Visit) -> object:
    """`GET /api/models`: the usual models of each channel type, by its number."""
    adapters = visit.desk.adapters
    return {
        str(number): list(adapters[target.adapter].models)
        for number, target in ONE_API.items()
        if isinstance(target, Target) and target.adapter in adapters
    }


async def everything(visit: Visit) -> web.Response:
    """`GET /api/channel/models`: the usual models and those of the channels, as OpenAI's list."""
    owners = {name: adapter.name for adapter in visit.desk.adapters.values() for name in adapter.models}
    for row in await visit.desk.store.channels():
        for name in row.models:
            owners.setdefault(name, "custom")
    return plain({"object": "list", "data": [_model(name, owner) for name, owner in owners.items()]})


def _model(name: str, owner: str) -> dict[str, object]:
    return {
        "id": name, "object": "model", "created": _CREATED, "owned_by": owner, "permission": None,
        "root": name, "parent": None,
    }  # fmt: skip
