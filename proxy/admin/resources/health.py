"""How channels fare, as the admin API shows it: by what the gateway that answers has seen of them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Literal

from ...alarms import hint
from ...records import ENABLED, ChannelRow, KeyFault
from ...routing.health import ChannelHealth as Known
from ..desk import Desk
from ..fields import Shown

Refusals = Mapping[tuple[int, str], KeyFault]
"""Refused keys, by channel and by the key's hash."""


class Rest(Shown, frozen=True, kw_only=True):
    """Something that is not asked for a while: the channel, a model of it, or a key for a model.

    `model` and `key` are null where all of them are meant; `key` is the end of one. `reason` is `failing`,
    `busy` (overloaded or limited) or `limited` (the provider has said until when).
    """

    model: str | None
    key: str | None
    reason: str
    for_s: float


class RefusedKey(Shown, frozen=True, kw_only=True):
    """A key that the provider has refused, and so is not asked with. `at` is unix seconds."""

    key: str
    kind: str
    reason: str
    at: int


class ChannelHealth(Shown, frozen=True, kw_only=True):
    """How a channel fares in the gateway that answers.

    `state` is `open`, `resting` (as a whole, `reason` and `for_s` say why and how long), `key_refused` (all
    its keys, `reason` says why), `unusable` (`reason` says why) or `disabled`. `busy` requests are under way.
    `first_byte_ms` is how long a first byte takes, null as long as nobody knows. `rests` and `refused` may
    be there in any state.
    """

    state: Literal["open", "resting", "key_refused", "unusable", "disabled"]
    reason: str | None
    for_s: float | None
    busy: int
    first_byte_ms: int | None
    rests: list[Rest]
    refused: list[RefusedKey]


async def refusals(desk: Desk) -> Refusals:
    """Return the keys that were refused."""
    return {(one.channel_id, one.key_hash): one for one in await desk.store.faults.all()}


def health_of(desk: Desk, row: ChannelRow, refused: Refusals) -> ChannelHealth:
    """Return how a channel fares."""
    member = desk.live.snapshot.usable.get(row.id)
    known = desk.live.health.of(member) if member is not None else Known(row)
    rests = _rests(known, time.monotonic())
    faults = [
        RefusedKey(key=hint(key), kind=fault.kind, reason=fault.reason, at=fault.at)
        for key in row.keys
        if (fault := refused.get((row.id, desk.vault.key_hash(key)))) is not None
    ]
    state, reason, for_s = _state(desk, row, rests, faults)
    first_byte_ms = round(1000 * known.first_byte_s) if known.first_byte_s else None
    return ChannelHealth(
        state=state, reason=reason, for_s=for_s, busy=known.busy, first_byte_ms=first_byte_ms, rests=rests,
        refused=faults,
    )  # fmt: skip


_State = tuple[Literal["open", "resting", "key_refused", "unusable", "disabled"], str | None, float | None]


def _state(desk: Desk, row: ChannelRow, rests: list[Rest], refused: list[RefusedKey]) -> _State:
    if row.status != ENABLED:
        return "disabled", None, None
    if len(refused) == len(row.keys):
        return "key_refused", f"{refused[0].kind}: {refused[0].reason}", None
    if row.id not in desk.live.snapshot.usable:
        return "unusable", desk.live.snapshot.problems.get(row.id, "not loaded yet"), None
    whole = next((rest for rest in rests if rest.model is None and rest.key is None), None)
    return ("resting", whole.reason, whole.for_s) if whole else ("open", None, None)


def _rests(known: Known, now: float) -> list[Rest]:
    waiting = [
        Rest(
            model=model or None, key=hint(key) if key else None, reason=circuit.rest.value,
            for_s=round(wait_s, 1),
        )
        for (key, model), circuit in known.circuits.items()
        if (wait_s := circuit.wait(now)) > 0
    ]  # fmt: skip
    return sorted(waiting, key=lambda rest: (rest.model or "", rest.key or ""))
