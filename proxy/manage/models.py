"""How a model is served, as administrators set it: whether that can work, before it is kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import get_args

from ..billing.pricing import Price
from ..prices.book import PriceBook
from ..records import ChannelRow, ModelRoute, RouteMode
from ..routing.snapshot import chain
from .refused import Refused

MODES: tuple[str, ...] = get_args(RouteMode)

_MOST_NAME = 191
_MOST_FALLBACKS = 20


@dataclass(frozen=True, slots=True)
class Offer:
    """A channel that offers a model, and what is stated of its price there; None for nothing."""

    channel: ChannelRow
    upstream_model: str
    price: Price | None


@dataclass(frozen=True, slots=True)
class Model:
    """A model that channels offer, or that others stand in for."""

    route: ModelRoute
    offers: tuple[Offer, ...]

    @property
    def is_priced(self) -> bool:
        """Whether a price is stated on each channel that offers it; what stands in has its own."""
        return all(offer.price is not None for offer in self.offers)


def overview(
    book: PriceBook, routes: Mapping[str, ModelRoute], channels: Iterable[ChannelRow]
) -> list[Model]:
    """Return every model that a channel offers or that is set, by name."""
    offers: dict[str, list[Offer]] = {name: [] for name in routes}
    for row in channels:
        for model in row.models:
            upstream = row.mapping.get(model, model)
            offer = Offer(row, upstream, book.stated(model, upstream, row.type))
            offers.setdefault(model, []).append(offer)
    return [Model(routes.get(name, ModelRoute(name)), tuple(offers[name])) for name in sorted(offers)]


def checked(
    route: ModelRoute, routes: Mapping[str, ModelRoute], channels: Iterable[ChannelRow]
) -> ModelRoute:
    """Return the route as it is kept. Raises Refused naming what cannot work in it.

    `routes` are those that are set already. A model that no channel offers must have others that stand in.
    """
    if not 0 < len(route.model) <= _MOST_NAME or not route.model.isprintable():
        raise Refused("model", f"expected 1 to {_MOST_NAME} printable characters")
    if route.mode and route.mode not in MODES:
        raise Refused("mode", f"{route.mode!r} is no mode; there are: {', '.join(MODES)}")
    if len(route.fallbacks) > _MOST_FALLBACKS:
        raise Refused("fallbacks", f"expected at most {_MOST_FALLBACKS}")
    offered = {model for row in channels for model in row.models}
    others = {name: other for name, other in routes.items() if name != route.model}
    for name in route.fallbacks:
        if name not in offered and not any(one in offered for one in chain(name, others)):
            raise Refused("fallbacks", f"no channel offers {name!r}")
        if name == route.model or route.model in chain(name, others):
            raise Refused("fallbacks", f"{name!r} leads back to {route.model!r}")
    if route.model not in offered and not route.fallbacks:
        raise Refused("model", f"no channel offers {route.model!r}, and nothing stands in for it")
    return route
