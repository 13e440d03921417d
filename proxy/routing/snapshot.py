"""The routing state: an immutable value built from rows, replaced as a whole when something changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from ...plugins import Adapter, Channel
from ..billing.limits import Limit
from ..billing.pricing import RATIO_ONE, Price
from ..errors import GatewayError
from ..prices.book import EVERYTHING_FREE, PriceBook
from ..records import DEFAULT_GROUP, ENABLED, ChannelRow, KeyFault, ModelRoute, RouteMode

DEMO_CHANNEL_ID = 0


@dataclass(frozen=True, slots=True)
class UsableChannel:
    """A channel ready for use: its row, its adapter, and the channel as adapters see it, with one key.

    `keys` are the channel with each of its keys that may be used. `model` is what it serves in place of the
    model asked for, empty for that one.
    """

    row: ChannelRow
    adapter: Adapter
    channel: Channel
    keys: tuple[Channel, ...]
    model: str = ""

    def upstream_model(self, model: str) -> str:
        """The provider's name of what it serves for a model."""
        served = self.model or model
        return self.row.mapping.get(served, served)

    def with_key(self, channel: Channel) -> UsableChannel:
        """Return the channel with this one of its keys."""
        return self if channel is self.channel else replace(self, channel=channel)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything routing needs. `problems` says by channel id why a channel is not in use.

    `by_model` has what offers a model to a group, `stand_ins` what is asked where none of that can serve it.
    `modes` are those of models that have one of their own; `down` is what only channels without a good key
    offer.
    """

    generation: int
    usable: Mapping[int, UsableChannel]
    by_model: Mapping[tuple[str, str], tuple[UsableChannel, ...]]
    stand_ins: Mapping[tuple[str, str], tuple[tuple[UsableChannel, ...], ...]]
    modes: Mapping[str, RouteMode]
    down: frozenset[tuple[str, str]]
    problems: Mapping[int, str]
    prices: PriceBook
    group_ratios: Mapping[str, int]
    limits: Mapping[str, Limit]

    def price(self, model: str, channel: UsableChannel) -> Price:
        """Return what a model costs on a channel. Raises GatewayError if it needs a price and has none."""
        served = channel.model or model
        price = self.prices.find(served, channel.upstream_model(served), channel.adapter.name)
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
        return sorted({model for (owner, model) in (*self.by_model, *self.stand_ins) if owner == group})


@dataclass(frozen=True, slots=True)
class Rules:
    """What administrators have set beside the channels. `refused` are pairs of a channel's id and a key."""

    prices: PriceBook = EVERYTHING_FREE
    group_ratios: Mapping[str, int] = field(default_factory=dict)
    limits: Mapping[str, Limit] = field(default_factory=dict)
    routes: Mapping[str, ModelRoute] = field(default_factory=dict)
    refused: Mapping[tuple[int, str], KeyFault] = field(default_factory=dict)


NO_RULES = Rules()


def build(
    generation: int,
    rows: Iterable[ChannelRow],
    adapters: Mapping[str, Adapter],
    rules: Rules = NO_RULES,
) -> Snapshot:
    """Build the routing state. A channel that cannot work is left out and reported, never an error.

    Channels that are disabled, or whose keys were refused, are in `usable`, so that an administrator can test
    them, and in no route.
    """
    usable: dict[int, UsableChannel] = {}
    routes: dict[tuple[str, str], list[UsableChannel]] = {}
    problems: dict[int, str] = {}
    down: set[tuple[str, str]] = set()
    for row in rows:
        adapter = adapters.get(row.type)
        if adapter is None:
            problems[row.id] = f"no adapter {row.type!r} is loaded"
            continue
        try:
            member = bound(row, adapter)
        except ValueError as exc:
            problems[row.id] = str(exc)
            continue
        good = tuple(key for key in member.keys if (row.id, key.key) not in rules.refused)
        usable[row.id] = replace(member, channel=good[0], keys=good) if good else member
        if not good:
            fault = rules.refused[row.id, member.keys[0].key]
            problems[row.id] = f"its key was refused ({fault.kind}): {fault.reason}"
        if row.status == ENABLED:
            offered = [(group, model) for group in row.groups for model in row.models]
            down.update(offered)
            for route in offered if good else ():
                routes.setdefault(route, []).append(usable[row.id])
    by_model = {
        route: tuple(sorted(members, key=lambda member: (-member.row.priority, member.row.id)))
        for route, members in routes.items()
    }
    return Snapshot(
        generation,
        MappingProxyType(usable),
        MappingProxyType(by_model),
        MappingProxyType(_stand_ins(by_model, rules.routes)),
        MappingProxyType({name: route.mode for name, route in rules.routes.items() if route.mode}),
        frozenset(down.difference(by_model)),
        MappingProxyType(problems),
        rules.prices,
        rules.group_ratios,
        rules.limits,
    )


def chain(model: str, routes: Mapping[str, ModelRoute]) -> tuple[str, ...]:
    """Return the models that stand in for one, in order, each once, with those that stand in for them."""
    found: dict[str, None] = {}

    def follow(name: str) -> None:
        for other in routes[name].fallbacks if name in routes else ():
            if other != model and other not in found:
                found[other] = None
                follow(other)

    follow(model)
    return tuple(found)


def _stand_ins(
    by_model: Mapping[tuple[str, str], tuple[UsableChannel, ...]], routes: Mapping[str, ModelRoute]
) -> dict[tuple[str, str], tuple[tuple[UsableChannel, ...], ...]]:
    found = {}
    groups = {group for group, _ in by_model}
    for name in routes:
        others = chain(name, routes)
        for group in groups:
            offered = [(other, by_model[group, other]) for other in others if (group, other) in by_model]
            if offered:
                found[group, name] = tuple(
                    tuple(replace(member, model=other) for member in members) for other, members in offered
                )
    return found


def bound(row: ChannelRow, adapter: Adapter) -> UsableChannel:
    """Bind a channel to its adapter. Raises ValueError, for the operator, if the channel cannot work."""
    for option in adapter.options:
        value = row.options.get(option.name, option.default)
        if option.choices and value not in option.choices:
            raise ValueError(f"{option.name} = {value!r}: expected one of {', '.join(option.choices)}")
    keys = tuple(Channel(row.id, row.name, row.base_url, key, row.options) for key in row.keys)
    _check(row, adapter, keys)
    return UsableChannel(row, adapter, keys[0], keys)


def _check(row: ChannelRow, adapter: Adapter, keys: tuple[Channel, ...]) -> None:
    """Let the adapter check each key; what is wrong with some of them is said with the line it stands on."""
    problems: dict[str, str] = {}
    for key in keys:
        try:
            adapter.check(key)
        except ValueError as exc:
            problems[key.key] = str(exc)
    if not problems:
        return
    first, problem = next(iter(problems.items()))
    if len(problems) == len(keys) and len(set(problems.values())) == 1:
        raise ValueError(problem)
    lines = [line.strip() for line in row.key.splitlines()]
    raise ValueError(f"line {lines.index(first) + 1} of the key: {problem}")


def demo_channel(adapter: Adapter) -> ChannelRow:
    """The channel that answers as long as nobody has made one."""
    return ChannelRow(
        DEMO_CHANNEL_ID, adapter.name, "demo", "", "", adapter.models, created_at=0, groups=(DEFAULT_GROUP,)
    )


EMPTY = build(0, (), {})
