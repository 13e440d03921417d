"""Check a plan as what administrators make is checked. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ...plugins import Adapter
from ..manage.channels import checked
from ..manage.refused import Refused
from ..records import ChannelRow
from .plan import Plan, PlannedChannel


def review(plan: Plan, adapters: Mapping[str, Adapter]) -> None:
    """Leave out of a plan the channels that could not work here, saying why.

    A user who has another's name, but for blanks, gets their number behind it.
    """
    _tell_apart(plan)
    kept: list[PlannedChannel] = []
    for channel in plan.channels:
        try:
            kept.append(_usable(channel, adapters))
        except Refused as exc:
            row = channel.row
            plan.leave_out("channel", f"channel {channel.source_id} {row.name[:60]!r}", str(exc)[:300])
    plan.channels[:] = kept


def _tell_apart(plan: Plan) -> None:
    seen: set[str] = set()
    for place, user in enumerate(plan.users):
        name = user.row.name
        while name in seen:
            name = f"{name[:150]}-{user.source_id[:20]}"
        if name != user.row.name:
            plan.leave_out("user", f"user {user.source_id}: its name", f"another has it; it is {name!r} here")
            plan.users[place] = replace(user, row=replace(user.row, name=name))
        seen.add(name)


def _usable(channel: PlannedChannel, adapters: Mapping[str, Adapter]) -> PlannedChannel:
    row = channel.row
    if row.type not in adapters:
        raise Refused("type", f"no adapter {row.type!r} is loaded")
    return replace(channel, row=checked(adapters, _without_unknown_options(row, adapters[row.type])))


def _without_unknown_options(row: ChannelRow, adapter: Adapter) -> ChannelRow:
    known = {option.name for option in adapter.options}
    return replace(row, options={name: value for name, value in row.options.items() if name in known})
