"""The installation itself: what happened in it, its plugins, and what runs."""

from __future__ import annotations

import platform
import time
from typing import Annotated, Any, Literal

from msgspec import Meta

from .... import __version__
from ....plugins.hookspecs import API_VERSION
from ....plugins.manager import Plugin
from ...billing.money import QUOTA_PER_DOLLAR
from ..fields import Given, Page, Rows, Shown, Word, paged
from ..operations import Call, Operations

event_operations = Operations("events")
operations = Operations("installation")

_LAST = 2**62


class EventQuery(Given, frozen=True, kw_only=True):
    """Which events: of a kind (`key_refused`), about what (`channel:3`)."""

    after: Annotated[int, Meta(ge=1, le=_LAST)] | None = None
    limit: Rows = 100
    kind: Word | None = None
    subject: Word | None = None


class EventShown(Shown, frozen=True, kw_only=True):
    """Something an administrator should know."""

    id: int
    at: int
    kind: str
    subject: str
    detail: dict[str, Any]


class PluginShown(Shown, frozen=True, kw_only=True):
    """A plugin and where it is from. `reason` says why it is off or has failed, null where it is on.

    `adapters` are those it has registered; their forms are at `/adapters`.
    """

    name: str
    state: Literal["on", "off", "failed"]
    source: str
    version: str
    hooks: list[str]
    adapters: list[str]
    reason: str | None


class Instance(Shown, frozen=True, kw_only=True):
    """A gateway that runs on this database. `generation` is of the latest change it has loaded."""

    id: str
    generation: int
    seen_at: int
    is_this: bool


class MoneyShown(Shown, frozen=True, kw_only=True):
    """In what people are shown money: `per_dollar` units of `currency` (ISO 4217) are a US dollar.

    `quota_per_dollar` is how much quota that is; everything else here is in quota, or in dollars as text.
    """

    currency: str
    per_dollar: str
    quota_per_dollar: int


class About(Shown, frozen=True, kw_only=True):
    """What runs. `generation` counts changes; `database` is `sqlite`, `mysql` or `postgres`."""

    version: str
    plugin_api: str
    python: str
    started_at: int
    uptime_s: int
    database: str
    generation: int
    instances: list[Instance]


@event_operations.get("/events", "admin")
async def list_events(call: Call, query: EventQuery) -> Page[EventShown]:
    """List what an administrator should know, newest first."""
    found = await call.desk.store.events.latest(query.limit + 1, query.after, query.kind, query.subject)
    rows = [
        EventShown(id=one.id, at=one.at, kind=one.kind, subject=one.subject, detail=dict(one.detail))
        for one in found
    ]
    return paged(rows, [row.id for row in rows], query.limit)


@operations.get("/plugins", "admin")
async def list_plugins(call: Call) -> Page[PluginShown]:
    """List the plugins that were found, those that are off or have failed too."""
    return Page([_plugin(plugin) for plugin in call.desk.plugins.plugins])


@operations.get("/money", "public")
async def show_money(call: Call) -> MoneyShown:
    """Say in which currency the console shows money and takes it."""
    money = call.desk.config.money
    return MoneyShown(currency=money.currency, per_dollar=money.per_dollar, quota_per_dollar=QUOTA_PER_DOLLAR)


@operations.get("/about", "admin")
async def show_about(call: Call) -> About:
    """Show what runs: version, database, and every gateway on it."""
    desk, now = call.desk, int(time.time())
    instances = [
        Instance(id=name, generation=loaded, seen_at=seen_at, is_this=name == desk.live.name)
        for name, loaded, seen_at in await desk.store.instances(now)
    ]
    return About(
        version=__version__, plugin_api=".".join(map(str, API_VERSION)), python=platform.python_version(),
        started_at=desk.started_at, uptime_s=max(0, now - desk.started_at),
        database=desk.store.database.dialect.name, generation=await desk.store.generation(),
        instances=instances,
    )  # fmt: skip


def _plugin(plugin: Plugin) -> PluginShown:
    return PluginShown(
        name=plugin.name, state="off" if plugin.disabled else "failed" if plugin.problem else "on",
        source=plugin.source, version=plugin.version, hooks=list(plugin.hooks),
        adapters=list(plugin.adapters), reason=plugin.problem or None,
    )  # fmt: skip
