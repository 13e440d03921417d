"""One rule for request fields that a provider cannot take: drop them, refuse the request, or let them pass.

Fields that nobody knows always pass: they may be newer than this program.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import orjson

from ..plugins import BodyError, Call, Json, Option

UNSUPPORTED = Option(
    "unsupported_fields",
    "Fields the provider cannot take",
    default="drop",
    help="drop: leave them out and name them in x-canalgate-dropped; reject: answer 400; pass: send them",
    choices=("drop", "reject", "pass"),
)
"""The channel's rule. An adapter that calls `others` lists it among its options."""


CHAT_FIELDS = frozenset(
    {
        *("audio", "frequency_penalty", "function_call", "functions", "logit_bias", "logprobs"),
        *("max_completion_tokens", "max_tokens", "metadata", "modalities", "n", "parallel_tool_calls"),
        *("prediction", "presence_penalty", "prompt_cache_key", "prompt_cache_retention"),
        *("reasoning_effort", "response_format", "safety_identifier", "seed", "service_tier", "stop"),
        *("store", "temperature", "tool_choice", "tools", "top_logprobs", "top_p", "user", "verbosity"),
        "web_search_options",
    }
)
"""What OpenAI's chat endpoint takes beside `model`, `messages`, `stream` and `stream_options`.

An adapter states which of them its provider has. Source: OpenAI's API reference, "Create chat completion".
"""

EMBEDDING_FIELDS = frozenset({"dimensions", "encoding_format", "user"})
"""The same for embeddings, beside `model` and `input`."""

_NO_LOSS = {
    "n": 1,
    "frequency_penalty": 0,
    "presence_penalty": 0,
    "logit_bias": {},
    "logprobs": False,
    "top_logprobs": 0,
    "store": False,
    "tool_choice": "auto",
    "parallel_tool_calls": True,
    "response_format": {"type": "text"},
    "modalities": ["text"],
    "service_tier": "auto",
    "temperature": 1,
    "top_p": 1,
}
"""Values that ask for what happens anyway, so that nothing is lost where they are left out."""


def others(
    call: Call, handled: Collection[str], unsupported: Collection[str]
) -> tuple[Json, tuple[str, ...]]:
    """Return the body's fields that an adapter has not handled itself, and the names of those left out.

    `handled` are the names the adapter has translated, `unsupported` those the provider has no place for.
    A null counts as absent, and so does a value that asks for what happens anyway. Raises BodyError for an
    unsupported field where the channel's rule is to reject.
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
        elif value is None or _NO_LOSS.get(name) == value:
            continue
        elif rule == "reject":
            raise BodyError(f"this provider does not take {name!r}", name)
        else:
            dropped.append(name)
    return rest, tuple(dropped)


def clamped(value: Any, low: float, high: float) -> Any:
    """Return a number moved into a range; anything else as it is, for the provider to judge."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return min(max(value, low), high) if is_number else value


def reshaped(
    call: Call,
    edits: Mapping[str, object],
    renames: Mapping[str, str] = {},
    unsupported: Collection[str] = (),
) -> tuple[bytes, tuple[str, ...]]:
    """Return a body for a provider that speaks OpenAI's API, and the names of the fields left out.

    `edits` are values to set, `renames` fields that have another name at the provider; where the client
    sent both names, the provider's own wins. As long as no field goes, only the bytes of `edits` differ from
    what the client sent. Raises BodyError as `others` does.
    """
    assert call.body is not None
    raw = call.body.raw
    gone = [name for name in (*renames, *unsupported) if b'"%b"' % name.encode() in raw]
    if not gone or not any(name in call.body.tree for name in gone):
        return (call.body.spliced(edits) if edits else raw), ()
    rest, dropped = others(call, (), unsupported)
    for name, new in renames.items():
        if name in rest:
            value = rest.pop(name)
            rest.setdefault(new, value)
    return orjson.dumps({**rest, **edits}), dropped
