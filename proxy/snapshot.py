"""The routing state: an immutable value built from rows, replaced as a whole when something changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ..plugins import Adapter, Channel
from .records import DEFAULT_GROUP, ENABLED, ChannelRow

DEMO_CHANNEL_ID = 0


@dataclass(frozen=True, slots=True)
class Lane:
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
    lanes: Mapping[int, Lane]
    by_model: Mapping[tuple[str, str], tuple[Lane, ...]]
    problems: Mapping[int, str]

    def models(self, group: str) -> list[str]:
        """Names of the models a group can use."""
        return sorted(model for (owner, model) in self.by_model if owner == group)


EMPTY = Snapshot(0, MappingProxyType({}), MappingProxyType({}), MappingProxyType({}))


def build(generation: int, rows: Iterable[ChannelRow], adapters: Mapping[str, Adapter]) -> Snapshot:
    """Build the routing state. A channel that cannot work is left out and reported, never an error.

    Disabled channels are in `lanes`, so that an administrator can test them, and in no route.
    """
    lanes: dict[int, Lane] = {}
    routes: dict[tuple[str, str], list[Lane]] = {}
    problems: dict[int, str] = {}
    for row in rows:
        adapter = adapters.get(row.type)
        if adapter is None:
            problems[row.id] = f"no adapter {row.type!r} is loaded"
            continue
        channel = Channel(row.id, row.name, row.base_url, row.key, row.options)
        try:
            adapter.check(channel)
        except ValueError as exc:
            problems[row.id] = str(exc)
            continue
        lane = lanes[row.id] = Lane(row, adapter, channel)
        if row.status != ENABLED:
            continue
        for group in row.groups:
            for model in row.models:
                routes.setdefault((group, model), []).append(lane)
    by_model = {
        route: tuple(sorted(members, key=lambda lane: (-lane.row.priority, lane.row.id)))
        for route, members in routes.items()
    }
    return Snapshot(
        generation, MappingProxyType(lanes), MappingProxyType(by_model), MappingProxyType(problems)
    )


def demo_channel(adapter: Adapter) -> ChannelRow:
    """The channel that answers as long as nobody has made one."""
    return ChannelRow(
        DEMO_CHANNEL_ID, adapter.name, "demo", "", "", adapter.models, created_at=0, groups=(DEFAULT_GROUP,)
    )
