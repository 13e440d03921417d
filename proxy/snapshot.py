"""The routing state: an immutable value built from rows, replaced as a whole when something changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ..plugins import Adapter, Channel
from .errors import GatewayError
from .limits import Limit
from .prices.book import EVERYTHING_FREE, PriceBook
from .pricing import RATIO_ONE, Price
from .records import DEFAULT_GROUP, ENABLED, ChannelRow

DEMO_CHANNEL_ID = 0


@dataclass(frozen=True, slots=True)
class UsableChannel:
    """A channel ready for use: its row, its adapter, and the channel as adapters see it."""

    row: ChannelRow
    adapter: Adapter
    channel: Channel

    def upstream_model(self, model: str) -> str:
        """The provider's name of a model."""
        return self.row.mapping.get(model, model)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything routing needs. `problems` says by channel id why a channel is not in use."""

    generation: int
    usable: Mapping[int, UsableChannel]
    by_model: Mapping[tuple[str, str], tuple[UsableChannel, ...]]
    problems: Mapping[int, str]
    prices: PriceBook
    group_ratios: Mapping[str, int]
    limits: Mapping[str, Limit]

    def price(self, model: str, channel: UsableChannel) -> Price:
        """Return what a model costs on a channel. Raises GatewayError if it needs a price and has none."""
        price = self.prices.find(model, channel.upstream_model(model), channel.adapter.name)
        if price is None:
            raise GatewayError(
                403,
                f"the model {model[:200]!r} has no price here, and is not served without one",
                type="permission_error",
                code="model_not_priced",
                param="model",
            )
        return price

    def group_ratio(self, group: str) -> int:
        """Return the price ratio of a group, in millionths."""
        return self.group_ratios.get(group, RATIO_ONE)

    def models(self, group: str) -> list[str]:
        """Names of the models a group can use."""
        return sorted(model for (owner, model) in self.by_model if owner == group)


def build(
    generation: int,
    rows: Iterable[ChannelRow],
    adapters: Mapping[str, Adapter],
    prices: PriceBook = EVERYTHING_FREE,
    group_ratios: Mapping[str, int] = MappingProxyType({}),
    limits: Mapping[str, Limit] = MappingProxyType({}),
) -> Snapshot:
    """Build the routing state. A channel that cannot work is left out and reported, never an error.

    Disabled channels are in `usable`, so that an administrator can test them, and in no route.
    """
    usable: dict[int, UsableChannel] = {}
    routes: dict[tuple[str, str], list[UsableChannel]] = {}
    problems: dict[int, str] = {}
    for row in rows:
        adapter = adapters.get(row.type)
        if adapter is None:
            problems[row.id] = f"no adapter {row.type!r} is loaded"
            continue
        try:
            member = usable[row.id] = bound(row, adapter)
        except ValueError as exc:
            problems[row.id] = str(exc)
            continue
        if row.status != ENABLED:
            continue
        for group in row.groups:
            for model in row.models:
                routes.setdefault((group, model), []).append(member)
    by_model = {
        route: tuple(sorted(members, key=lambda member: (-member.row.priority, member.row.id)))
        for route, members in routes.items()
    }
    return Snapshot(
        generation,
        MappingProxyType(usable),
        MappingProxyType(by_model),
        MappingProxyType(problems),
        prices,
        group_ratios,
        limits,
    )


def bound(row: ChannelRow, adapter: Adapter) -> UsableChannel:
    """Bind a channel to its adapter. Raises ValueError, for the operator, if the channel cannot work."""
    for option in adapter.options:
        value = row.options.get(option.name, option.default)
        if option.choices and value not in option.choices:
            raise ValueError(f"{option.name} = {value!r}: expected one of {', '.join(option.choices)}")
    channel = Channel(row.id, row.name, row.base_url, row.key, row.options)
    adapter.check(channel)
    return UsableChannel(row, adapter, channel)


def demo_channel(adapter: Adapter) -> ChannelRow:
    """The channel that answers as long as nobody has made one."""
    return ChannelRow(
        DEMO_CHANNEL_ID, adapter.name, "demo", "", "", adapter.models, created_at=0, groups=(DEFAULT_GROUP,)
    )


EMPTY = build(0, (), {})
