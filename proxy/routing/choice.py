"""Choose the channels a request may use, best first.

Pure: the snapshot, health, the clock and the random source come in as arguments. Nothing here waits or logs.
A mode puts channels of the same priority in order; only `weight` takes the priority itself for a weight.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from itertools import groupby
from typing import NamedTuple

import msgspec

from ...plugins import Endpoint, JsonBody
from ..billing.pricing import cost
from ..errors import GatewayError, channels_rest, no_such_model
from ..ledger.entry import Counts
from ..records import RouteMode
from .health import Health
from .snapshot import Snapshot, UsableChannel

Members = Sequence[UsableChannel]

_MILLION_EACH = Counts(1_000_000, 1_000_000)

_DEFAULT_PRIORITY = 10
"""AI Proxy's: what a priority of 0 is worth as a weight."""


class Look(NamedTuple):
    """What choosing takes into account: a request and the moment. `body` is None for a form."""

    snapshot: Snapshot
    health: Health
    rng: random.Random
    now: float
    mode: RouteMode
    model: str
    body: JsonBody | None = None
    caller: str = ""


def candidates(look: Look, group: str, endpoint: Endpoint) -> list[UsableChannel]:
    """Return the channels that may be asked now, best first, those of models that stand in last.

    Raises GatewayError: 404 if no channel offers the model to this group, 400 if none that does serves the
    endpoint, 429 or 503 if all that do have to rest.
    """
    snapshot, route = look.snapshot, (group, look.model)
    offered = snapshot.by_model.get(route)
    stand_ins = snapshot.stand_ins.get(route, ()) if snapshot.stand_ins else ()
    if not offered and not stand_ins:
        raise channels_rest(math.inf) if route in snapshot.down else no_such_model(look.model)
    sets = [able(members, endpoint) for members in (offered or (), *stand_ins)]
    if not any(sets):
        raise unserved(look.model, endpoint)
    if len(sets) == 1 and len(sets[0]) == 1 and not look.health.wait(sets[0][0], look.model, look.now):
        return sets[0]
    ordered = [member for members in sets for member in order(members, look)]
    return _rested(ordered, look)


def able(members: Members, endpoint: Endpoint) -> list[UsableChannel]:
    """Return the channels that serve an endpoint."""
    return [member for member in members if endpoint in member.adapter.endpoints]


def order(members: Members, look: Look) -> list[UsableChannel]:
    """Put channels in the order in which they are to be asked, whether they can be asked now or not."""
    mode = look.snapshot.modes.get(look.model, look.mode)
    if len(members) < 2:
        return list(members)
    if mode == "weight":
        return _drawn(
            [(member, max(0, member.row.priority) or _DEFAULT_PRIORITY) for member in members], look
        )
    ordered: list[UsableChannel] = []
    for _, tier in groupby(members, key=lambda member: member.row.priority):
        inside = list(tier)
        ordered += _MODES[mode](inside, look) if len(inside) > 1 else inside
    return ordered


def _rested(ordered: list[UsableChannel], look: Look) -> list[UsableChannel]:
    """Leave out what rests, and put behind the others what may be asked if nothing else is left."""
    health, now = look.health, look.now
    found: list[UsableChannel] = []
    resting: list[UsableChannel] = []
    for one in ordered:
        (resting if health.wait(one, one.model or look.model, now) else found).append(one)
    if not resting:
        return found
    waits = [health.wait(one, one.model or look.model, now, last_resort=True) for one in resting]
    found += [one for one, wait_s in zip(resting, waits, strict=True) if not wait_s]
    if not found:
        limited = all(health.is_limited(one, one.model or look.model, now) for one in resting)
        raise channels_rest(min(waits), are_limited=limited)
    return found


def pinned(snapshot: Snapshot, channel_id: int, endpoint: Endpoint | None = None) -> UsableChannel:
    """Return the channel an administrator asked for, disabled or not; one for `endpoint` if that is named."""
    member = snapshot.usable.get(channel_id)
    if member is None:
        reason = snapshot.problems.get(channel_id, "no such channel")
        raise GatewayError(400, f"channel {channel_id}: {reason}", code="channel_not_usable")
    if endpoint is not None and endpoint not in member.adapter.endpoints:
        raise unserved(member.row.name, endpoint)
    return member


def unserved(name: str, endpoint: Endpoint) -> GatewayError:
    """The error for what is not served under an endpoint."""
    return GatewayError(
        400, f"{name[:200]!r} is not served under {endpoint}", param="model", code="unsupported_endpoint"
    )


# The modes.


def _by_weight(members: Members, look: Look) -> list[UsableChannel]:
    return _drawn([(member, member.row.weight) for member in members], look)


def _drawn(weighted: Sequence[tuple[UsableChannel, int]], look: Look) -> list[UsableChannel]:
    """Weighted random order; a weight of zero comes last."""
    # Efraimidis and Spirakis 2006: sorting by u^(1/w) draws without replacement in proportion to w.
    keys = [-(look.rng.random() ** (1 / weight)) if weight else 0.0 for _, weight in weighted]
    return [weighted[at][0] for at in sorted(range(len(keys)), key=keys.__getitem__)]


def _least_busy(members: Members, look: Look) -> list[UsableChannel]:
    """Fewest running requests for its weight first; ties are drawn."""
    return sorted(
        _by_weight(members, look), key=lambda one: (look.health.of(one).busy + 1) / (one.row.weight or 0.001)
    )


def _quickest(members: Members, look: Look) -> list[UsableChannel]:
    """The better of two drawn at random first: the best of all would be run into by everybody at once."""
    drawn = _by_weight(members, look)
    rivals = sorted(drawn[:2], key=lambda one: look.health.of(one).load)
    return [rivals[0], *sorted([*rivals[1:], *drawn[2:]], key=lambda one: look.health.of(one).load)]


def _cheapest(members: Members, look: Look) -> list[UsableChannel]:
    """Lowest price of a million tokens each way first; what has no price comes last, ties are drawn."""
    return sorted(_by_weight(members, look), key=lambda one: _price(one, look))


def _price(member: UsableChannel, look: Look) -> float:
    try:
        price = look.snapshot.price(look.model, member)
    except GatewayError:
        return math.inf
    return cost(_MILLION_EACH, price, channel_ratio=member.row.ratio)


def _sticky(members: Members, look: Look) -> list[UsableChannel]:
    """The same conversation to the same channel, in proportion to weights, whatever others come and go."""
    # Rendezvous hashing: each channel draws from the conversation's own numbers, and the highest wins.
    conversation = _conversation(look)

    def score(member: UsableChannel) -> float:
        digest = blake2b(b"%d " % member.row.id + conversation, digest_size=8).digest()
        drawn = (int.from_bytes(digest) + 1) / 2**64
        return drawn ** (1 / member.row.weight) if member.row.weight else 0.0

    return sorted(members, key=score, reverse=True)


_MODES: Mapping[str, Callable[[Members, Look], list[UsableChannel]]] = {
    "priority": _by_weight,
    "least_busy": _least_busy,
    "latency": _quickest,
    "cheapest": _cheapest,
    "sticky": _sticky,
}


class _Message(msgspec.Struct):
    role: str = ""


_messages = msgspec.json.Decoder(list[msgspec.Raw])
_message = msgspec.json.Decoder(_Message)
_MOST_OPENING = 8


def _conversation(look: Look) -> bytes:
    """What is the same in every request of a conversation: whom the client names, or how it opens."""
    if look.body is None:
        return look.caller.encode()
    for name in ("prompt_cache_key", "user"):
        if named := look.body.part(name):
            return look.caller.encode() + named
    return look.caller.encode() + _opening(look.body.part("messages") or look.body.part("input"))


def _opening(raw: bytes) -> bytes:
    """The messages up to the first of the user; a text's beginning where there are none."""
    try:
        opening = []
        for one in _messages.decode(raw)[:_MOST_OPENING]:
            opening.append(bytes(one))
            if _message.decode(one).role == "user":
                break
        return b"".join(opening)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return raw[:1024]
