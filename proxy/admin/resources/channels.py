"""Channels: the ways to providers. Keys and other secrets go in and are never shown again."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from types import MappingProxyType
from typing import Annotated, Any
from urllib.parse import urlsplit

import msgspec
from msgspec import UNSET, Meta, UnsetType

from ...alarms import hint
from ...billing.money import parse_ratio, show_ratio
from ...errors import GatewayError
from ...manage import channels
from ...manage.refused import Refused
from ...records import ChannelRow, Times
from ...store.changes import Missing
from ..fields import Given, Id, Name, Page, Pages, Shown, Status, Tagged, Text, Word, paged
from ..operations import Call, Operations
from ..serving import tag_of
from .health import ChannelHealth, Refusals, health_of, refusals
from .holdings import Holding, Kept, holding_of

operations = Operations("channels")

Models = Annotated[list[Text], Meta(min_length=1, max_length=10_000)]
Priority = Annotated[int, Meta(ge=-1_000_000, le=1_000_000)]
Weight = Annotated[int, Meta(ge=0, le=1_000_000)]
Seconds = Annotated[float, Meta(gt=0, le=86_400)]


class Limits(Given, frozen=True, kw_only=True):
    """Limits of the channel's own in seconds, null for the gateway's."""

    connect_s: Seconds | UnsetType | None = UNSET
    first_byte_s: Seconds | UnsetType | None = UNSET
    idle_s: Seconds | UnsetType | None = UNSET
    total_s: Seconds | UnsetType | None = UNSET
    hedge_s: Seconds | UnsetType | None = UNSET


class ChannelChange(Given, frozen=True, kw_only=True):
    """What is to change; what is not given stays.

    `key` may hold several keys, one a line. `ratio` multiplies what answers cost: `1.2`. Of `options` and
    `times` only what is named changes; an option that is null goes back to its default.
    """

    type: Name | UnsetType = UNSET
    name: Name | UnsetType = UNSET
    base_url: Text | UnsetType = UNSET
    key: Text | UnsetType = UNSET
    models: Models | UnsetType = UNSET
    mapping: dict[Text, Text] | UnsetType = UNSET
    priority: Priority | UnsetType = UNSET
    weight: Weight | UnsetType = UNSET
    ratio: Word | UnsetType = UNSET
    groups: list[Name] | UnsetType = UNSET
    status: Status | UnsetType = UNSET
    proxy: Text | UnsetType = UNSET
    options: dict[Name, Text | None] | UnsetType = UNSET
    times: Limits | UnsetType = UNSET


class NewChannel(ChannelChange, frozen=True, kw_only=True):
    """A channel to be made: see the change of one. `type` is the name of an adapter."""

    type: Name
    name: Name
    models: Models


class ChannelQuery(Pages, frozen=True, kw_only=True):
    """Which channels: of a type, a status, a group, that offer a model, whose name has a part."""

    type: Word | None = None
    status: Status | None = None
    group: Word | None = None
    model: Text | None = None
    search: Word = ""


class TimesShown(Shown, frozen=True, kw_only=True):
    """Limits in seconds, null where they are the gateway's."""

    connect_s: float | None
    first_byte_s: float | None
    idle_s: float | None
    total_s: float | None
    hedge_s: float | None


class Channel(Shown, frozen=True, kw_only=True):
    """A channel. Of keys only the ends are shown, of the proxy no login, of secret options that they are set.

    `problem` says why it is not in use though it is enabled; `health` is how it fares in this gateway;
    `balance` is what the provider last said is left of the account, null where it was not asked.
    """

    id: int
    type: str
    name: str
    base_url: str
    keys: list[str]
    models: list[str]
    mapping: dict[str, str]
    priority: int
    weight: int
    ratio: str
    groups: list[str]
    status: str
    proxy: str
    options: dict[str, str]
    secret_options: list[str]
    times: TimesShown
    created_at: int
    problem: str | None
    health: ChannelHealth
    balance: Holding | None


class OptionShown(Shown, frozen=True, kw_only=True):
    """A setting that only this adapter knows."""

    name: str
    label: str
    default: str
    secret: bool
    help: str
    choices: list[str]


class AdapterShown(Shown, frozen=True, kw_only=True):
    """An adapter: what `type` of a channel may be. `models` are suggestions.

    `has_balance`: its provider can be asked what is left of an account.
    """

    name: str
    title: str
    base_url: str
    key_help: str
    endpoints: list[str]
    models: list[str]
    has_balance: bool
    options: list[OptionShown]


@operations.get("/adapters", "admin")
async def list_adapters(call: Call) -> Page[AdapterShown]:
    """List the adapters that are loaded, by name."""
    found = [
        AdapterShown(
            name=one.name, title=one.title, base_url=one.base_url, key_help=one.key_help,
            endpoints=sorted(one.endpoints), models=list(one.models),
            has_balance=one.has_balance,
            options=[msgspec.convert(asdict(option), OptionShown) for option in one.options],
        )
        for _, one in sorted(call.desk.adapters.items())
    ]  # fmt: skip
    return Page(found)


@operations.get("/channels", "admin")
async def list_channels(call: Call, query: ChannelQuery) -> Page[Channel]:
    """List channels, oldest first."""
    rows = [row for row in await call.desk.store.channels() if row.id > query.after and _is_asked(row, query)]
    rows, beside = rows[: query.limit + 1], await _beside(call)
    return paged([_shown(call, row, *beside) for row in rows], [row.id for row in rows], query.limit)


@operations.get("/channels/{id}", "admin")
async def show_channel(call: Call, id: Id) -> Tagged[Channel]:
    """Show a channel."""
    return await tagged(call, await find(call, id))


@operations.get("/channels/{id}/health", "admin")
async def show_channel_health(call: Call, id: Id) -> ChannelHealth:
    """Show how a channel fares in the gateway that answers: what rests of it, and what was refused."""
    return health_of(call.desk, await find(call, id), await refusals(call.desk))


@operations.post("/channels", "admin")
async def create_channel(call: Call, body: NewChannel) -> Tagged[Channel]:
    """Make a channel. It is in use at once."""
    desk = call.desk
    empty = ChannelRow(0, "", "", "", "", (), int(time.time()))
    row = await channels.add(desk.store, desk.adapters, _changed(empty, body))
    call.note(f"channel:{row.id}", name=row.name, type=row.type, models=row.models)
    return await tagged(call, row)


@operations.patch("/channels/{id}", "admin")
async def change_channel(call: Call, id: Id, body: ChannelChange) -> Tagged[Channel]:
    """Change what is given of a channel. Enabling it, also again, forgets that its keys were refused."""
    desk = call.desk

    def change(row: ChannelRow) -> ChannelRow:
        call.expect(tag_of(desk, row))
        return _changed(row, body)

    before, after = await channels.edit(desk.store, desk.adapters, id, change)
    call.note(f"channel:{id}", **_differences(call, before, after))
    return await tagged(call, after)


@operations.delete("/channels/{id}", "admin", matched=True)
async def remove_channel(call: Call, id: Id) -> None:
    """Delete a channel."""
    store = call.desk.store
    generation = await store.generation()
    row = await find(call, id)
    call.expect(tag_of(call.desk, row))
    await store.remove_channel(id, generation if "if-match" in call.request.headers else None)
    call.note(f"channel:{id}", name=row.name)


def _is_asked(row: ChannelRow, query: ChannelQuery) -> bool:
    return (
        query.type in (None, row.type)
        and query.status in (None, row.status)
        and (query.group is None or query.group in row.groups)
        and (query.model is None or query.model in row.models)
        and query.search.lower() in row.name.lower()
    )


async def find(call: Call, channel_id: int) -> ChannelRow:
    """Return a channel. Raises Missing."""
    row = await call.desk.store.channel(channel_id)
    if row is None:
        raise Missing(f"there is no channel {channel_id}")
    return row


def _changed(row: ChannelRow, given: ChannelChange) -> ChannelRow:
    changes: dict[str, Any] = {
        name: value for name, value in msgspec.structs.asdict(given).items() if value is not UNSET
    }
    for name in ("models", "groups"):
        if name in changes:
            changes[name] = tuple(changes[name])
    if "mapping" in changes:
        changes["mapping"] = MappingProxyType(changes["mapping"])
    if "ratio" in changes:
        changes["ratio"] = _ratio(changes["ratio"])
    if "options" in changes:
        merged = {**row.options, **changes["options"]}
        changes["options"] = MappingProxyType({k: v for k, v in merged.items() if v is not None})
    if isinstance(given.times, Limits):
        times = msgspec.structs.asdict(given.times)
        changes["times"] = replace(row.times, **{k: v for k, v in times.items() if v is not UNSET})
    return replace(row, **changes)


def _ratio(text: str) -> int:
    try:
        return parse_ratio(text)
    except ValueError as exc:
        raise Refused("ratio", str(exc)) from exc


async def tagged(call: Call, row: ChannelRow) -> Tagged[Channel]:
    """Return a channel as it is shown, with its tag."""
    with suppress(GatewayError):  # then its health is that of before the change
        await call.desk.live.catch_up()
    return Tagged(_shown(call, row, *await _beside(call)), tag_of(call.desk, row))


async def _beside(call: Call) -> tuple[Refusals, Kept]:
    """Return what is known of channels and is no setting of theirs."""
    return await refusals(call.desk), await call.desk.store.balances.all()


def _shown(call: Call, row: ChannelRow, refused: Refusals, kept: Kept) -> Channel:
    adapter = call.desk.adapters.get(row.type)
    # Without its adapter nobody knows which options are secrets.
    public = {option.name for option in adapter.options if not option.secret} if adapter else set()
    return Channel(
        id=row.id,
        type=row.type,
        name=row.name,
        base_url=row.base_url,
        keys=[hint(key) for key in row.keys if key],
        models=list(row.models),
        mapping=dict(row.mapping),
        priority=row.priority,
        weight=row.weight,
        ratio=show_ratio(row.ratio),
        groups=list(row.groups),
        status=row.status,
        proxy=_without_login(row.proxy),
        options={name: value for name, value in row.options.items() if name in public},
        secret_options=sorted(name for name, value in row.options.items() if name not in public and value),
        times=_shown_times(row.times),
        created_at=row.created_at,
        problem=call.desk.live.snapshot.problems.get(row.id),
        health=health_of(call.desk, row, refused),
        balance=holding_of(call.desk, row, kept),
    )


def _shown_times(times: Times) -> TimesShown:
    return TimesShown(**asdict(times))


def _without_login(proxy: str) -> str:
    try:
        parts = urlsplit(proxy)
        return proxy if parts.username is None else f"{parts.scheme}://***@{proxy.rpartition('@')[2]}"
    except ValueError:
        return ""


def _differences(call: Call, before: ChannelRow, after: ChannelRow) -> Mapping[str, Any]:
    """What has changed, before and after; of secrets only that they have."""
    was, now = (msgspec.to_builtins(_shown(call, row, {}, {})) for row in (before, after))
    found: dict[str, Any] = {
        k: [was[k], now[k]] for k in was if was[k] != now[k] and k not in ("health", "problem", "balance")
    }
    for name in ("key", "proxy", "options"):
        if getattr(before, name) != getattr(after, name):
            found.setdefault(name, "changed")
    return found
