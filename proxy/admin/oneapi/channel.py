"""Channels, for administrators. Keys are never shown; an empty one in a change keeps what is there."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

import orjson
from aiohttp import web

from ....plugins import UpstreamError
from ...importers.values import table
from ...manage.channels import checked
from ...manage.refused import Refused
from ...records import DEFAULT_GROUP, DISABLED, ENABLED, ChannelBalance, ChannelRow
from ...relaying.holdings import first_amount, known
from ...relaying.probe import probe
from ...routing.choice import pinned
from ...store import StoreError
from .envelope import done, failed
from .fields import Fields
from .kinds import base_url_of, kind_of, with_kind
from .visit import Visit

_LATE_S = 2**40
_SHOWN_OPTIONS = ("region", "api_version")
_STATUSES = {1: ENABLED, 2: DISABLED, 3: DISABLED}
_WITH_VERSION = frozenset({3, 18, 24})
"""Types whose `other` is the version of their interface."""


async def list_page(visit: Visit) -> object:
    """`GET /api/channel/`: ten channels, newest first."""
    rows = visit.paged(list(reversed(await visit.desk.store.channels())))
    return await _shown(visit, rows)


async def search(visit: Visit) -> object:
    """`GET /api/channel/search`: channels whose id is the keyword, or whose name begins with it."""
    word = visit.query("keyword")
    rows = [
        row
        for row in reversed(await visit.desk.store.channels())
        if str(row.id) == word or row.name.startswith(word)
    ]
    return await _shown(visit, rows)


async def get(visit: Visit) -> object:
    """`GET /api/channel/{id}`."""
    return (await _shown(visit, [await _found(visit, visit.id)]))[0]


async def create(visit: Visit) -> object:
    """`POST /api/channel/`: one channel for each line of the key, all or none."""
    fields, desk = await visit.fields(), visit.desk
    empty = ChannelRow(0, "", "", "", "", (), int(time.time()))
    plain = _plain(empty, fields)
    keys = [line.strip() for line in fields.secret("key").splitlines() if line.strip()] or [""]
    kind, base_url = fields.whole("type"), fields.text("base_url")
    settings = _settings(fields, kind)
    made = [checked(desk.adapters, with_kind(plain, kind, base_url, key, settings)) for key in keys]
    for row in await desk.store.add_channels(made):
        await visit.did("create channel", f"channel:{row.id}", name=row.name, type=row.type)
    return None


async def update(visit: Visit) -> object:
    """`PUT /api/channel/`: change what is sent and is not as it is shown."""
    fields, desk = await visit.fields(), visit.desk
    row = await _found(visit, fields.whole("id"))
    changed = _plain(row, fields)
    shown = channel_json(row, visit, 0)
    key = fields.secret("key").strip()
    kind = fields.whole("type") or kind_of(row)
    base_url = fields.text("base_url", str(shown["base_url"]))
    is_as_shown = all(fields.text(name, str(shown[name])) == shown[name] for name in ("config", "other"))
    if key or kind != shown["type"] or base_url != shown["base_url"] or not is_as_shown:
        settings = {
            **{name: row.options[name] for name in _SHOWN_OPTIONS if name in row.options},
            **_settings(fields, kind),
        }
        changed = with_kind(changed, kind, base_url, key or row.key, settings)
    changed = checked(desk.adapters, changed)
    await desk.store.change_channel(changed)
    await visit.did("change channel", f"channel:{row.id}", name=changed.name, key=bool(key))
    return (await _shown(visit, [changed]))[0]


async def remove(visit: Visit) -> object:
    """`DELETE /api/channel/{id}`."""
    await visit.desk.store.remove_channel(visit.id)
    await visit.did("delete channel", f"channel:{visit.id}")
    return None


async def remove_disabled(visit: Visit) -> object:
    """`DELETE /api/channel/disabled`: returns how many."""
    rows = [row for row in await visit.desk.store.channels() if row.status == DISABLED]
    for row in rows:
        await visit.desk.store.remove_channel(row.id)
        await visit.did("delete channel", f"channel:{row.id}", name=row.name)
    return len(rows)


async def test(visit: Visit) -> web.Response:
    """`GET /api/channel/test/{id}`: ask a channel something small; results stand beside the envelope."""
    row, live, model = await _found(visit, visit.id), visit.desk.live, visit.query("model")
    await live.catch_up()
    if model not in row.models:
        model = row.models[0]
    body = {"model": model, "messages": [{"role": "user", "content": "hi"}], "max_tokens": 16}
    began = time.monotonic()
    try:
        chosen = pinned(live.snapshot, row.id, "chat/completions")
        await probe(visit.desk.relay, chosen, orjson.dumps(body), "chat/completions")
    except UpstreamError as exc:
        return failed(exc.message, time=round(time.monotonic() - began, 3), modelName=model)
    return done(time=round(time.monotonic() - began, 3), modelName=model)


async def test_all(visit: Visit) -> object:
    """`GET /api/channel/test`: not here: nobody would see what came of it."""
    raise StoreError("channels are tested one by one: GET /api/channel/test/ID; real requests judge them too")


async def update_balance(visit: Visit) -> web.Response:
    """`GET /api/channel/update_balance/{id}`: ask the provider; what it says stands beside the envelope."""
    desk, row = visit.desk, await _found(visit, visit.id)
    await desk.live.catch_up()
    try:
        told = await desk.holdings.ask(pinned(desk.live.snapshot, row.id), int(time.time()))
    except UpstreamError as exc:
        return failed(exc.message)
    return done(balance=orjson.Fragment(first_amount(told)))


async def update_balances(visit: Visit) -> object:
    """`GET /api/channel/update_balance`: ask for all channels that are enabled; failures show in none."""
    await visit.desk.live.catch_up()
    await visit.desk.holdings.ask_enabled(visit.desk.live.snapshot, int(time.time()))
    return None


async def _found(visit: Visit, number: int) -> ChannelRow:
    row = await visit.desk.store.channel(number)
    if row is None:
        raise StoreError(f"there is no channel {number}")
    return row


async def _shown(visit: Visit, rows: Sequence[ChannelRow]) -> list[dict[str, object]]:
    totals = await visit.desk.store.requests.totals(
        "day", 0, _LATE_S, group_by=("channel_id",), over_time=False
    )
    used = {total.channel_id: total.charged for total in totals}
    kept = await visit.desk.store.balances.all()
    return [channel_json(row, visit, used.get(row.id, 0), known(visit.desk.vault, row, kept)) for row in rows]


def channel_json(
    row: ChannelRow, visit: Visit, used: int, told: ChannelBalance | None = None
) -> dict[str, object]:
    """Return a channel in One API's words. Tests are not kept, so theirs are 0."""
    kind = kind_of(row)
    config = {name: row.options[name] for name in _SHOWN_OPTIONS if row.options.get(name)}
    return {
        "id": row.id, "type": kind, "key": "", "status": 1 if row.status == ENABLED else 2, "name": row.name,
        "weight": row.weight, "created_time": row.created_at, "test_time": 0, "response_time": 0,
        "base_url": base_url_of(row, visit.desk.adapters.get(row.type)),
        "other": config.get("api_version", "") if kind in _WITH_VERSION else "",
        "balance": orjson.Fragment(first_amount(told)),
        "balance_updated_time": told.at if told is not None else 0,
        "models": ",".join(row.models), "group": ",".join(row.groups), "used_quota": used,
        "model_mapping": orjson.dumps(dict(row.mapping)).decode() if row.mapping else "",
        "priority": row.priority, "config": orjson.dumps(config).decode() if config else "",
        "system_prompt": "",
    }  # fmt: skip


def _plain(row: ChannelRow, fields: Fields) -> ChannelRow:
    """Return the channel with those fields that are the same in One API and here."""
    if fields.text("system_prompt"):
        raise Refused("system_prompt", "a channel here has none")
    status = _STATUSES.get(fields.whole("status")) if fields.whole("status") else row.status
    if status is None:
        raise Refused("status", "expected 1 (enabled) or 2 (disabled)")
    mapping = MappingProxyType(fields.pairs("model_mapping")) if "model_mapping" in fields else row.mapping
    return replace(
        row,
        name=fields.text("name", row.name),
        models=fields.names("models") if "models" in fields else row.models,
        groups=(fields.names("group") if "group" in fields else row.groups) or (DEFAULT_GROUP,),
        mapping=mapping,
        priority=fields.whole("priority", row.priority),
        # One API never looks at a weight, and every channel has 0 there; here that one would come last.
        weight=max(1, fields.whole("weight", row.weight)),
        status=status,
    )


def _settings(fields: Fields, kind: int) -> Mapping[str, str]:
    """What `config` says, and what older consoles write to `other`."""
    config = table(fields.text("config")) if "config" in fields else {}
    settings = {name: value for name, value in config.items() if isinstance(value, str) and value}
    other = fields.text("other")
    if other and kind in _WITH_VERSION:
        settings.setdefault("api_version", other)
    return settings
