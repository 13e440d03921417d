"""Channels as administrators set them: whether one can work, before it is kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from functools import partial

from ...plugins import Adapter
from ..records import DEFAULT_GROUP, DISABLED, ENABLED, ChannelRow, Times
from ..routing.snapshot import bound
from ..store import Store
from ..upstream.proxied import check_proxy
from .edits import edited
from .refused import Refused
from .words import checked_name, checked_names

_MOST_WEIGHT = 1_000_000
_LONGEST_S = 86_400.0


async def add(store: Store, adapters: Mapping[str, Adapter], row: ChannelRow) -> ChannelRow:
    """Keep a new channel; its id is given by the store. Raises Refused naming what is wrong."""
    return await store.add_channel(checked(adapters, row))


async def edit(
    store: Store,
    adapters: Mapping[str, Adapter],
    channel_id: int,
    change: Callable[[ChannelRow], ChannelRow],
) -> tuple[ChannelRow, ChannelRow]:
    """Change a channel; returns what it was and is. Raises Refused or Missing.

    Where only the status changes the rest is not looked at: a channel whose adapter is gone can be disabled.
    Enabling a channel, also one that is enabled, forgets that its keys were refused, and so do other keys.
    """

    def changed(row: ChannelRow) -> ChannelRow:
        after = change(row)
        return after if replace(after, status=row.status) == row else checked(adapters, after)

    read = partial(store.channel, channel_id)
    before, after = await edited(store, f"channel {channel_id}", read, changed, store.change_channel)
    was_off = before.status != ENABLED or after == before
    if after.key != before.key or (after.status == ENABLED and was_off):
        await store.faults.clear(channel_id)
    return before, after


def checked(adapters: Mapping[str, Adapter], row: ChannelRow) -> ChannelRow:
    """Return the channel as it is kept. Raises Refused naming the field that keeps it from working."""
    adapter = adapters.get(row.type)
    if adapter is None:
        known = ", ".join(sorted(adapters))
        raise Refused("type", f"there is no adapter {row.type!r}; there are: {known}")
    if row.status not in (ENABLED, DISABLED):
        raise Refused("status", f"expected {ENABLED} or {DISABLED}")
    if not any(name.strip() for name in row.models):
        raise Refused("models", "a channel needs at least one model")
    if not 0 <= row.weight <= _MOST_WEIGHT:
        raise Refused("weight", f"expected 0 to {_MOST_WEIGHT}")
    if abs(row.priority) > _MOST_WEIGHT:
        raise Refused("priority", f"expected -{_MOST_WEIGHT} to {_MOST_WEIGHT}")
    unknown = set(row.options) - {option.name for option in adapter.options}
    if unknown:
        known = ", ".join(option.name for option in adapter.options) or "none"
        raise Refused("options", f"{row.type!r} does not know {sorted(unknown)}; it knows: {known}")
    _check_times(row.times)
    try:
        bound(row, adapter)
    except ValueError as exc:
        raise Refused("channel", str(exc)) from exc
    if row.proxy:
        try:
            check_proxy(row.proxy)
        except ValueError as exc:
            raise Refused("proxy", str(exc)) from exc
    return replace(
        row,
        name=checked_name("name", row.name),
        models=tuple(dict.fromkeys(name.strip() for name in row.models if name.strip())),
        groups=checked_names("groups", row.groups or (DEFAULT_GROUP,)),
    )


def synced(row: ChannelRow, found: Sequence[str]) -> ChannelRow:
    """Return the channel with the models that its provider lists, and its own names for some of these.

    Raises Refused for an empty list, which would leave nothing.
    """
    if not found:
        raise Refused("models", "the provider's list of models is empty")
    aliases = [name for name in row.models if row.mapping.get(name) in found]
    return replace(row, models=tuple(dict.fromkeys((*aliases, *found))))


def _check_times(times: Times) -> None:
    for field in fields(times):
        value = getattr(times, field.name)
        if value is not None and not 0 < value <= _LONGEST_S:
            raise Refused(f"times.{field.name}", f"expected a number of seconds up to {_LONGEST_S:.0f}")
