"""Channels, as AI Proxy's clients list, make, edit, switch and delete them. Every change acts at once."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import replace

import msgspec
from aiohttp import web

from ....plugins import UpstreamError
from ...errors import GatewayError
from ...manage.refused import Refused
from ...records import ChannelRow
from ...relaying.holdings import first_amount, known
from ...routing.choice import pinned
from ...store.rollups import Total
from ..desk import Desk
from ..site import DESK
from .asked import answered, body_of, id_in, number_asked, unanswered
from .forms import STATUSES, Form, edited, new_channels, shown
from .types import metas

_FOREVER_S = 2**40
_MOST_PER_PAGE = 100


class Switch(msgspec.Struct, frozen=True):
    """A body that switches a channel."""

    status: int


class Ids(msgspec.Struct, frozen=True):
    """A body that names channels."""

    ids: list[int]


async def list_all(request: web.Request) -> web.Response:
    """`GET /api/channels/all`: every channel, whatever page is asked for."""
    desk = request.app[DESK]
    return answered(await _listed(desk, await desk.store.channels()))


async def list_page(request: web.Request) -> web.Response:
    """`GET /api/channels/` and `/api/channels/search`: those with a word in them, by page."""
    desk = request.app[DESK]
    word = (request.query.get("keyword") or request.query.get("search") or "").strip().lower()
    page = number_asked(request, "page") or number_asked(request, "p") or 1
    size = min(number_asked(request, "per_page") or 10, _MOST_PER_PAGE)
    found = [row for row in await desk.store.channels() if _has(row, word)]
    rows = found[(page - 1) * size : page * size]
    return answered({"channels": await _listed(desk, rows), "total": len(found)})


async def get(request: web.Request) -> web.Response:
    """`GET /api/channel/{id}`."""
    desk = request.app[DESK]
    return answered((await _listed(desk, [await _found(desk, id_in(request))]))[0])


async def type_metas(request: web.Request) -> web.Response:
    """`GET /api/channels/type_metas`: what the form says about each type."""
    return answered(metas(request.app[DESK].adapters))


async def add(request: web.Request) -> web.Response:
    """`POST /api/channel/`: one channel for each line of the key."""
    desk = request.app[DESK]
    for made in new_channels(await body_of(request, Form), desk.adapters, int(time.time())):
        row = await desk.store.add_channel(made.row)
        if made.number is not None:
            await desk.store.numbers.put(row.id, made.number)
    await desk.live.catch_up()
    return answered()


async def edit(request: web.Request) -> web.Response:
    """`PUT /api/channel/{id}`: changes what is sent."""
    desk, channel_id = request.app[DESK], id_in(request)
    form = await body_of(request, Form)
    row, kept = await _found(desk, channel_id), (await desk.store.numbers.all()).get(channel_id)
    made = edited(row, kept, form, desk.adapters)
    await _change(desk, made.row)
    if made.number != kept:
        await desk.store.numbers.put(channel_id, made.number)
    return answered((await _listed(desk, [made.row]))[0])


async def switch(request: web.Request) -> web.Response:
    """`POST /api/channel/{id}/status`: 1 enables, 2 disables."""
    desk, channel_id = request.app[DESK], id_in(request)
    status = STATUSES.get((await body_of(request, Switch)).status)
    if status is None:
        raise Refused("status", "expected 1 (enabled) or 2 (disabled)")
    await _change(desk, replace(await _found(desk, channel_id), status=status))
    return answered()


async def update_balance(request: web.Request) -> web.Response:
    """`GET /api/channel/{id}/update_balance`: what the provider says is left, as a number."""
    desk, row = request.app[DESK], await _found(request.app[DESK], id_in(request))
    await desk.live.catch_up()
    try:
        told = await desk.holdings.ask(pinned(desk.live.snapshot, row.id), int(time.time()))
    except UpstreamError as exc:
        return unanswered(exc.message)
    return answered(msgspec.Raw(first_amount(told).encode()))


async def update_balances(request: web.Request) -> web.Response:
    """`GET /api/channels/update_balance`: ask for all channels that are enabled."""
    desk = request.app[DESK]
    await desk.live.catch_up()
    await desk.holdings.ask_enabled(desk.live.snapshot, int(time.time()))
    return answered()


async def remove(request: web.Request) -> web.Response:
    """`DELETE /api/channel/{id}`."""
    desk, channel_id = request.app[DESK], id_in(request)
    await _found(desk, channel_id)
    await _remove(desk, channel_id)
    await desk.live.catch_up()
    return answered()


async def remove_many(request: web.Request) -> web.Response:
    """`POST /api/channels/batch_delete`: a list of ids, or `{"ids": [...]}`; some may be gone."""
    desk = request.app[DESK]
    body: list[int] | Ids = await body_of(request, list[int] | Ids)  # type: ignore[arg-type]  # a union is one
    there = {row.id for row in await desk.store.channels()}
    for channel_id in there.intersection(body if isinstance(body, list) else body.ids):
        await _remove(desk, channel_id)
    await desk.live.catch_up()
    return answered()


async def _found(desk: Desk, channel_id: int) -> ChannelRow:
    row = await desk.store.channel(channel_id) if channel_id < _FOREVER_S else None
    if row is None:
        raise GatewayError(404, f"channel {channel_id}: record not found", code="not_found")
    return row


async def _change(desk: Desk, row: ChannelRow) -> None:
    """Save a channel; its keys are tried again, and the change acts before this returns."""
    await desk.store.faults.clear(row.id)
    await desk.store.change_channel(row)
    await desk.live.catch_up()


async def _remove(desk: Desk, channel_id: int) -> None:
    await desk.store.remove_channel(channel_id)
    await desk.store.numbers.put(channel_id, None)
    await desk.store.faults.clear(channel_id)


async def _listed(desk: Desk, rows: Iterable[ChannelRow]) -> list[dict[str, object]]:
    store = desk.store
    numbers = await store.numbers.all()
    faults = {(fault.channel_id, fault.key_hash) for fault in await store.faults.all()}
    totals = await store.requests.totals("day", 0, _FOREVER_S, group_by=("channel_id",), over_time=False)
    used = {total.channel_id: total for total in totals}
    kept = await store.balances.all()
    return [
        shown(
            row,
            numbers.get(row.id),
            desk.adapters,
            used.get(row.id, Total()),
            refused=all((row.id, desk.vault.key_hash(key)) in faults for key in row.keys),
            told=known(desk.vault, row, kept),
        )
        for row in rows
    ]


def _has(row: ChannelRow, word: str) -> bool:
    return any(word in text.lower() for text in (str(row.id), row.name, row.base_url, *row.models))
