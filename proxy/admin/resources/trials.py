"""Try channels out: whether models work, which ones a provider has, and what is left of the account there."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Annotated, Literal

from msgspec import Meta

from ....plugins import UpstreamError
from ...errors import GatewayError
from ...manage import channels
from ...manage.refused import Refused
from ...records import ENABLED, ChannelRow
from ...relaying.checkups import check_each
from ...relaying.holdings import Untold
from ...relaying.probe import Result, model_names, ways
from ...routing.choice import pinned
from ...routing.snapshot import UsableChannel
from ..fields import Given, Id, Name, Shown, Tagged
from ..operations import Call, Operations
from ..streams import LINES, Stream, lines
from .channels import Channel, find, tagged
from .holdings import Holding, shown

operations = Operations("channels")

Tests = Literal["chat/completions", "embeddings", "rerank", "audio/speech", "images/generations"]
Models = Annotated[list[Name], Meta(min_length=1, max_length=1000)]


class Trial(Given, frozen=True, kw_only=True):
    """What to test: these models, or all of a channel's; else its first one. Each is asked with every key.

    `endpoint` null: by the model's name.
    """

    models: Models | None = None
    all_models: bool = False
    endpoint: Tests | None = None


class Trials(Trial, frozen=True, kw_only=True):
    """The same on several channels, each asked only what it offers. `channels` null: all that are enabled."""

    channels: Annotated[list[Id], Meta(min_length=1, max_length=10_000)] | None = None


class TrialShown(Shown, frozen=True, kw_only=True):
    """What came of one test; `done` of `total` have ended. `key` is the end of the key that was asked with.

    `status` is the provider's, or the one that stands for what kept it from answering; `error` is null where
    it works.
    """

    channel_id: int
    name: str
    model: str
    endpoint: str
    key: str
    ok: bool
    status: int | None
    ms: int
    error: str | None
    done: int
    total: int


class Listed(Shown, frozen=True, kw_only=True):
    """A model in a provider's list, and by which name the channel offers it; null if it does not."""

    name: str
    offered_as: str | None


class Fetched(Shown, frozen=True, kw_only=True):
    """A provider's list of models, and what the channel offers that is not in it."""

    models: list[Listed]
    missing: list[str]


@operations.run("/channels/{id}/test", "admin", LINES)
async def test_channel(call: Call, id: Id, body: Trial) -> Stream[TrialShown]:
    """Test models on a channel, disabled or not, by small real requests. A line for each, as they end."""
    await call.desk.live.catch_up()
    await find(call, id)
    chosen = pinned(call.desk.live.snapshot, id, body.endpoint)
    call.note(f"channel:{id}", models=body.models, all_models=body.all_models)
    return Stream(lines(_results(call, _asks(chosen, body, body.models), body)), LINES)


@operations.run("/channels/test", "admin", LINES)
async def test_channels(call: Call, body: Trials) -> Stream[TrialShown]:
    """Test models on several channels, by small real requests. A line for each, as they end."""
    await call.desk.live.catch_up()
    usable = call.desk.live.snapshot.usable
    rows = await _chosen(call, body)
    asks = []
    for row in rows:
        offered = [name for name in body.models if name in row.models] if body.models else None
        if row.id in usable and offered != []:
            asks += _asks(usable[row.id], body, offered)
    call.note("channels", channels=body.channels, models=body.models, all_models=body.all_models)
    return Stream(lines(_results(call, asks, body)), LINES)


@operations.post("/channels/{id}/models/fetch", "admin", status=200, once=False)
async def fetch_channel_models(call: Call, id: Id) -> Fetched:
    """Ask a channel's provider which models it has. Nothing is changed. 424 if the provider fails."""
    call.note(f"channel:{id}")
    row = await find(call, id)
    found = await _provided(call, row)
    offered = {row.mapping.get(name, name): name for name in row.models}
    missing = [name for upstream, name in offered.items() if upstream not in found]
    return Fetched(
        models=[Listed(name=name, offered_as=offered.get(name)) for name in found], missing=missing
    )


@operations.post("/channels/{id}/models/sync", "admin", status=200, once=False)
async def sync_channel_models(call: Call, id: Id) -> Tagged[Channel]:
    """Let a channel offer what its provider lists, and no more; its own names for some of these stay."""
    desk = call.desk
    found = await _provided(call, await find(call, id))
    before, after = await channels.edit(
        desk.store, desk.adapters, id, lambda row: channels.synced(row, found)
    )
    call.note(f"channel:{id}", models=[before.models, after.models])
    return await tagged(call, after)


@operations.post("/channels/{id}/balance", "admin", status=200, once=False)
async def fetch_channel_balance(call: Call, id: Id) -> Holding:
    """Ask a channel's provider what is left of the account, and keep it. 424 if the provider fails.

    It is asked with the first key that is not refused. 400 where the provider has no such call.
    """
    desk = call.desk
    call.note(f"channel:{id}")
    await find(call, id)
    await desk.live.catch_up()
    try:
        return shown(await desk.holdings.ask(pinned(desk.live.snapshot, id), int(time.time())))
    except Untold as exc:
        raise Refused("id", exc.message) from exc
    except UpstreamError as exc:
        raise _failed(exc) from exc


async def _chosen(call: Call, body: Trials) -> list[ChannelRow]:
    rows = await call.desk.store.channels()
    if body.channels is None:
        return [row for row in rows if row.status == ENABLED]
    known = {row.id: row for row in rows}
    unknown = [number for number in body.channels if number not in known]
    if unknown:
        raise Refused("channels", f"there is no channel {unknown[0]}")
    return [known[number] for number in dict.fromkeys(body.channels)]


def _asks(
    chosen: UsableChannel, body: Trial, models: Sequence[str] | None
) -> list[tuple[UsableChannel, str]]:
    offered = chosen.row.models
    names = models or (offered if body.all_models else offered[:1])
    return [(way, model) for model in dict.fromkeys(names) for way in ways(chosen)]


async def _results(
    call: Call, asks: Sequence[tuple[UsableChannel, str]], body: Trial
) -> AsyncGenerator[TrialShown, None]:
    done = 0
    async with aclosing(check_each(call.desk.relay, asks, body.endpoint)) as results:
        async for result in results:
            done += 1
            yield _shown(result, done, len(asks))


def _shown(result: Result, done: int, total: int) -> TrialShown:
    return TrialShown(
        channel_id=result.channel_id, name=result.name, model=result.model, endpoint=result.endpoint,
        key=result.key, ok=not result.error, status=result.status or None, ms=result.milliseconds,
        error=result.error or None, done=done, total=total,
    )  # fmt: skip


async def _provided(call: Call, row: ChannelRow) -> tuple[str, ...]:
    """Return a provider's list of models. Raises GatewayError 424, or Refused where it has none."""
    await call.desk.live.catch_up()
    chosen = pinned(call.desk.live.snapshot, row.id)
    try:
        found = await model_names(call.desk.relay, chosen)
    except UpstreamError as exc:
        raise _failed(exc) from exc
    if found is None:
        raise Refused("id", f"{chosen.adapter.title} has no list of models to ask for")
    return found


def _failed(error: UpstreamError) -> GatewayError:
    return GatewayError(424, f"{error.kind.value}: {error.message}", code="provider_failed")
