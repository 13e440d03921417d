"""Models: who offers them, at what price, how they are routed, and why a request goes where it goes."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Annotated

import msgspec
from msgspec import Meta

from ....plugins import Endpoint
from ...manage.models import Model, Offer, checked, overview
from ...prices.amounts import show_price
from ...records import DEFAULT_GROUP, ENABLED, ModelRoute, RouteMode
from ...routing.choice import Look
from ...routing.explain import explain
from ...store.changes import Missing
from ..fields import Given, Id, Name, Page, Shown, Text, Word
from ..operations import Call, Operations

operations = Operations("models")
route_operations = Operations("route")

Fallbacks = Annotated[list[Name], Meta(max_length=20)]


class ModelQuery(Given, frozen=True, kw_only=True):
    """Which models: whose name has a part, without a price somewhere. `after` is the last name before."""

    after: Text = ""
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100
    search: Word = ""
    unpriced: bool = False


class RouteGiven(Given, frozen=True, kw_only=True):
    """How a model is to be routed. `mode` null: the gateway's. `fallbacks` are asked where it cannot be."""

    mode: RouteMode | None = None
    fallbacks: Fallbacks = []


class OfferShown(Shown, frozen=True, kw_only=True):
    """A channel that offers a model. `price` is null where none is stated; `source` says where it is from."""

    channel_id: int
    name: str
    status: str
    upstream_model: str
    price: dict[str, str] | None
    source: str | None


class ModelShown(Shown, frozen=True, kw_only=True):
    """A model. `mode` is null for the gateway's own. `priced`: each of its channels has a price for it.

    One without channels is an alias, which the `fallbacks` stand in for.
    """

    model: str
    channels: list[OfferShown]
    mode: str | None
    fallbacks: list[str]
    priced: bool


@operations.get("/models", "admin")
async def list_models(call: Call, query: ModelQuery) -> Page[ModelShown]:
    """List models with the channels that offer them, by name."""
    found = [
        model
        for model in await _overview(call)
        if model.route.model > query.after
        and query.search.lower() in model.route.model.lower()
        and not (query.unpriced and model.is_priced)
    ]
    shown = [_shown(model) for model in found[: query.limit]]
    return Page(shown, shown[-1].model if len(found) > query.limit else None)


@operations.get("/models/{model}", "admin")
async def show_model(call: Call, model: Name) -> ModelShown:
    """Show a model."""
    found = next((one for one in await _overview(call) if one.route.model == model), None)
    if found is None:
        raise Missing(f"there is no model {model!r}")
    return _shown(found)


@operations.put("/models/{model}/route", "admin")
async def set_model_route(call: Call, model: Name, body: RouteGiven) -> ModelShown:
    """Set how a model is routed, all of it. It may be an alias that no channel offers."""
    store = call.desk.store
    route = ModelRoute(model, body.mode or "", tuple(body.fallbacks))
    await store.routes.set(checked(route, await store.routes.all(), await store.channels()))
    call.note(f"model:{model}", mode=body.mode, fallbacks=body.fallbacks)
    return await show_model(call, model)


@operations.delete("/models/{model}/route", "admin")
async def unset_model_route(call: Call, model: Name) -> None:
    """Route a model like any other."""
    if model not in await call.desk.store.routes.all():
        raise Missing(f"nothing is set for the model {model!r}")
    await call.desk.store.routes.unset(model)
    call.note(f"model:{model}")


async def _overview(call: Call) -> list[Model]:
    desk = call.desk
    await desk.live.catch_up()
    routes, channels = await desk.store.routes.all(), await desk.store.channels()
    return overview(desk.live.snapshot.prices, routes, channels)


def _shown(model: Model) -> ModelShown:
    return ModelShown(
        model=model.route.model, channels=[_offer(offer) for offer in model.offers],
        mode=model.route.mode or None, fallbacks=list(model.route.fallbacks), priced=model.is_priced,
    )  # fmt: skip


def _offer(offer: Offer) -> OfferShown:
    row, price = offer.channel, offer.price
    return OfferShown(
        channel_id=row.id, name=row.name, status=row.status, upstream_model=offer.upstream_model,
        price=show_price(price) if price else None, source=price.name if price else None,
    )  # fmt: skip


class RouteQuery(Given, frozen=True, kw_only=True):
    """Which request: for a model, by a client token or in a group (`default`), to an endpoint."""

    model: Name
    token: Id | None = None
    group: Name | None = None
    endpoint: Endpoint = "chat/completions"


class RouteLine(Shown, frozen=True, kw_only=True):
    """A channel: its place in the order, or null and `reason`, which says why it would not be asked.

    `model` is what it would serve, another one where that stands in.
    """

    place: int | None
    channel_id: int
    name: str
    model: str
    upstream_model: str
    reason: str


class RouteShown(Shown, frozen=True, kw_only=True):
    """How a request would go now. `problem` says why the token may not ask at all, null if it may.

    Channels of one priority may come in another order next time.
    """

    group: str
    mode: str
    problem: str | None
    channels: list[RouteLine]


@route_operations.get("/route", "admin")
async def explain_route(call: Call, query: RouteQuery) -> RouteShown:
    """Say which channels would be asked for a model, in which order, and why each other one would not."""
    desk = call.desk
    group, problem = await _asker(call, query)
    await desk.live.catch_up()
    snapshot, relay = desk.live.snapshot, desk.relay
    mode = snapshot.modes.get(query.model, desk.settings.config.routing.mode)
    look = Look(snapshot, desk.live.health, relay.rng, time.monotonic(), mode, query.model)
    lines = explain(look, group, query.endpoint, await desk.store.channels())
    channels = msgspec.convert([asdict(line) for line in lines], list[RouteLine])
    return RouteShown(group=group, mode=mode, problem=problem, channels=channels)


async def _asker(call: Call, query: RouteQuery) -> tuple[str, str | None]:
    """Return whose channels are looked at, and why a token may not ask."""
    if query.token is None:
        return query.group or DEFAULT_GROUP, None
    token = await call.desk.store.token(query.token)
    owner = await call.desk.store.user_by_id(token.user_id) if token is not None else None
    if token is None or owner is None:
        raise Missing(f"there is no token {query.token}")
    problem = None
    if (token.status, owner.status) != (ENABLED, ENABLED):
        problem = "the token or its user is disabled"
    elif token.expires_at is not None and token.expires_at <= time.time():
        problem = "the token has expired"
    elif token.models and query.model not in token.models:
        problem = f"the token may use only {', '.join(token.models)}"
    return query.group or owner.group, problem
