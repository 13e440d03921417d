"""Say which channels would be asked for a model, in which order, and why each other one would not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ...plugins import Endpoint
from ..errors import GatewayError
from ..records import ENABLED, ChannelRow
from .choice import Look, able, order
from .snapshot import UsableChannel


@dataclass(frozen=True, slots=True)
class Line:
    """One channel: its place in the order, from 1, or None and `reason`, which says why it is out.

    `model` is what it would be asked for, which is another one where that stands in.
    """

    place: int | None
    channel_id: int
    name: str
    model: str
    upstream_model: str
    reason: str = ""


def explain(
    look: Look,
    group: str,
    endpoint: Endpoint,
    rows: Sequence[ChannelRow],
    resting: Iterable[Mapping[str, object]] = (),
) -> list[Line]:
    """Return a line for each channel, those that would be asked first.

    `resting` is what gateways have reported (`Health.report`) where `look.health` is not that of one.
    """
    snapshot, route = look.snapshot, (group, look.model)
    rests = {
        (one["channel"], one["model"]): f"{one['reason']}, for another {one['for_s']} s" for one in resting
    }
    ordered: list[UsableChannel] = []
    out: dict[int, str] = {}
    for members in (snapshot.by_model.get(route, ()), *snapshot.stand_ins.get(route, ())):
        for member in order(able(members, endpoint), look):
            reason = _rest(member, look, rests) or _unpriced(member, look)
            if reason:
                out.setdefault(member.row.id, reason)
            else:
                ordered.append(member)
    asked = [_line(at, member, look) for at, member in enumerate(ordered, 1)]
    inside = {line.channel_id for line in asked}
    names = {look.model, *(member.model for member in ordered if member.model)}
    return asked + [
        Line(None, row.id, row.name, "", "", out.get(row.id) or _why_not(row, look, group, endpoint, names))
        for row in rows
        if row.id not in inside
    ]


def _line(place: int, member: UsableChannel, look: Look) -> Line:
    served = member.model or look.model
    return Line(place, member.row.id, member.row.name, served, member.upstream_model(look.model))


def _rest(member: UsableChannel, look: Look, rests: Mapping[tuple[object, object], str]) -> str:
    served = member.model or look.model
    own = look.health.why(member, served, look.now)
    return own or rests.get((member.row.id, "")) or rests.get((member.row.id, served)) or ""


def _unpriced(member: UsableChannel, look: Look) -> str:
    try:
        look.snapshot.price(look.model, member)
    except GatewayError:
        return "the model has no price there"
    return ""


def _why_not(row: ChannelRow, look: Look, group: str, endpoint: Endpoint, models: Iterable[str]) -> str:
    if row.status != ENABLED:
        return "disabled"
    problem = look.snapshot.problems.get(row.id)
    if problem:
        return problem
    if not set(models) & set(row.models):
        return "does not offer the model"
    if group not in row.groups:
        return f"does not serve the group {group!r}"
    usable = look.snapshot.usable.get(row.id)
    if usable is not None and endpoint not in usable.adapter.endpoints:
        return f"does not serve {endpoint}"
    return "a running gateway has not taken it yet"
