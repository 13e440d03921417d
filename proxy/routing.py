"""Choose the channels a request may use, best first.

Pure: the snapshot and the random source come in as arguments. Nothing here waits or logs.
"""

from __future__ import annotations

import random
from itertools import groupby

from ..plugins import Endpoint
from .errors import GatewayError, no_such_model
from .snapshot import Snapshot, UsableChannel


def candidates(
    snapshot: Snapshot, group: str, model: str, endpoint: Endpoint, rng: random.Random
) -> list[UsableChannel]:
    """Return the channels for a model: highest priority first, in weighted random order inside a priority.

    Raises GatewayError: 404 if no channel offers the model to this group, 400 if none that does serves
    the endpoint.
    """
    offered = snapshot.by_model.get((group, model))
    if not offered:
        raise no_such_model(model)
    able = [member for member in offered if endpoint in member.adapter.endpoints]
    if not able:
        raise _unserved(model, endpoint)
    if len(able) == 1:
        return able
    ordered: list[UsableChannel] = []
    for _, tier in groupby(able, key=lambda member: member.row.priority):
        ordered += _shuffled(list(tier), rng)
    return ordered


def pinned(snapshot: Snapshot, channel_id: int, endpoint: Endpoint | None = None) -> UsableChannel:
    """Return the channel an administrator asked for, disabled or not; one for `endpoint` if that is named."""
    member = snapshot.usable.get(channel_id)
    if member is None:
        reason = snapshot.problems.get(channel_id, "no such channel")
        raise GatewayError(400, f"channel {channel_id}: {reason}", code="channel_not_usable")
    if endpoint is not None and endpoint not in member.adapter.endpoints:
        raise _unserved(member.row.name, endpoint)
    return member


def _unserved(name: str, endpoint: Endpoint) -> GatewayError:
    return GatewayError(
        400, f"{name[:200]!r} is not served under {endpoint}", param="model", code="unsupported_endpoint"
    )


def _shuffled(usable: list[UsableChannel], rng: random.Random) -> list[UsableChannel]:
    """Weighted random order; a weight of zero comes last."""
    if len(usable) == 1:
        return usable
    # Efraimidis and Spirakis 2006: sorting by u^(1/w) draws without replacement in proportion to w.
    return sorted(
        usable, key=lambda member: -(rng.random() ** (1 / member.row.weight)) if member.row.weight else 0.0
    )
