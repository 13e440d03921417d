"""Check a plan's channels as those that administrators make are checked. Pure."""

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

    One with several keys that cannot be one channel here becomes a channel for each.
    """
    kept: list[PlannedChannel] = []
    for channel in plan.channels:
        try:
            kept += _usable(channel, adapters)
        except Refused as exc:
            row = channel.row
            plan.leave_out("channel", f"channel {channel.source_id} {row.name[:60]!r}", str(exc)[:300])
    plan.channels[:] = kept


def _usable(channel: PlannedChannel, adapters: Mapping[str, Adapter]) -> list[PlannedChannel]:
    row = channel.row
    if row.type not in adapters:
        raise Refused("type", f"no adapter {row.type!r} is loaded")
    row = _without_unknown_options(row, adapters[row.type])
    keys = row.key.split("\n")
    try:
        return [replace(channel, row=checked(adapters, row))]
    except Refused:
        if len(keys) == 1:
            raise
    rows = [checked(adapters, replace(row, key=key)) for key in keys]
    return [
        PlannedChannel(
            channel.source_id, one if not part else replace(one, id=0), str(part + 1) if part else ""
        )
        for part, one in enumerate(rows)
    ]


def _without_unknown_options(row: ChannelRow, adapter: Adapter) -> ChannelRow:
    known = {option.name for option in adapter.options}
    return replace(row, options={name: value for name, value in row.options.items() if name in known})
