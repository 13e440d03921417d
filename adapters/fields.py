"""One rule for request fields that a provider cannot take: drop them, refuse the request, or let them pass.

Fields that nobody knows always pass: they may be newer than this program.
"""

from __future__ import annotations

from collections.abc import Collection

from ..plugins import BodyError, Call, Json, Option

UNSUPPORTED = Option(
    "unsupported_fields",
    "Fields the provider cannot take",
    default="drop",
    help="drop: leave them out and name them in x-canalgate-dropped; reject: answer 400; pass: send them",
    choices=("drop", "reject", "pass"),
)
"""The channel's rule. An adapter that calls `others` lists it among its options."""


def others(
    call: Call, handled: Collection[str], unsupported: Collection[str]
) -> tuple[Json, tuple[str, ...]]:
    """Return the body's fields that an adapter has not handled itself, and the names of those left out.

    `handled` are the names the adapter has translated, `unsupported` those the provider has no place for.
    A null counts as absent. Raises BodyError for an unsupported field where the channel's rule is to reject.
    """
    assert call.body is not None
    rest: Json = {}
    dropped: list[str] = []
    rule = call.channel.options.get(UNSUPPORTED.name, UNSUPPORTED.default)
    for name, value in call.body.tree.items():
        if name in handled:
            continue
        if name not in unsupported or rule == "pass":
            rest[name] = value
        elif value is None:
            continue
        elif rule == "reject":
            raise BodyError(f"this provider does not take {name!r}", name)
        else:
            dropped.append(name)
    return rest, tuple(dropped)
