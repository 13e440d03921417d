"""A model's thinking with its proof, and how much of it is wanted, in the shapes OpenAI's clients know.

Providers sign thinking and want it back unchanged in the next turn. `reasoning_content` has no place for
a signature, so signed blocks travel in `reasoning_details` as well: openrouter.ai/docs, "Reasoning
tokens". `reasoning_effort` is OpenAI's: API reference, "Create chat completion".
"""

from __future__ import annotations

from ...plugins import BodyError, Call, Json

EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
"""What `reasoning_effort` may say; `max` is Anthropic's own, above OpenAI's."""


def effort_of(call: Call) -> str:
    """Return the reasoning effort a request asks for, empty for none. BodyError for an unknown one."""
    effort = call.body.tree.get("reasoning_effort") if call.body is not None else None
    if effort is None:
        return ""
    if effort not in EFFORTS:
        raise BodyError(f"'reasoning_effort' must be one of {', '.join(EFFORTS)}", "reasoning_effort")
    return str(effort)


def signed(text: str, signature: str, index: int) -> Json:
    """Return the detail of a thinking block with its signature."""
    return {"type": "reasoning.text", "text": text, "signature": signature, "index": index}


def sealed(data: str, index: int) -> Json:
    """Return the detail of a thinking block that only its provider can read."""
    return {"type": "reasoning.encrypted", "data": data, "index": index}


def details_of(message: Json) -> list[Json]:
    """Return the details that an assistant's message carries back and that have their proof."""
    found = message.get("reasoning_details")
    if not isinstance(found, list):
        return []
    return [item for item in found if isinstance(item, dict) and (is_signed(item) or is_sealed(item))]


def is_signed(detail: Json) -> bool:
    """Whether this is a thinking block with its signature."""
    return detail.get("type") == "reasoning.text" and bool(detail.get("signature"))


def is_sealed(detail: Json) -> bool:
    """Whether this is a thinking block that only its provider can read."""
    return detail.get("type") == "reasoning.encrypted" and bool(detail.get("data"))
