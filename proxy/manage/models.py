"""How a model is served, as administrators set it: whether that can work, before it is kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import get_args

from ..records import ChannelRow, ModelRoute, RouteMode
from ..snapshot import chain
from .refused import Refused

MODES: tuple[str, ...] = get_args(RouteMode)

_MOST_NAME = 191
_MOST_FALLBACKS = 20


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
