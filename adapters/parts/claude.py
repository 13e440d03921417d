"""What the versions of Claude take: thinking by budget or by effort, sampling, schemas.

The same models answer at Anthropic and at Bedrock, so both adapters ask here. Sources: platform.claude.com,
"Thinking", "Effort", "Structured outputs" and the migration guides of each version.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import inf

from ...plugins import Call, Json
from .reasoning import effort_of
from .settings import max_tokens_of

MIN_BUDGET = 1024
"""The least that a thinking budget may be."""

_BUDGETS: Mapping[str, int] = {
    "minimal": 1024,
    "low": 2048,
    "medium": 8192,
    "high": 16384,
    "xhigh": 32768,
    "max": 32768,
}
"""Thinking tokens by reasoning effort. Ours: Anthropic names no budget for OpenAI's words."""

_ADAPTIVE_EFFORTS: Mapping[str, str] = {
    "minimal": "low",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "xhigh",
    "max": "max",
}

_VERSION = re.compile(r"claude-(?:v|instant-v|[a-z]+-)?(\d+)(?:[-.](\d{1,2}))?(?!\d)")


@dataclass(frozen=True, slots=True)
class Traits:
    """What a model takes, from its name."""

    thinks: bool = True
    """It can think at all: from 3.7 on."""
    is_adaptive: bool = False
    """It wants an effort and chooses the budget itself: from 4.6 on; 4.7 refuses a budget."""
    thinks_unasked: bool = False
    """Thinking is on unless it is turned off: from 5 on."""
    has_xhigh: bool = False
    """It knows the effort `xhigh`, and shows its thinking only on demand: from 4.7 on."""
    samples: bool = True
    """It takes temperature, top_p and top_k: until 4.6."""
    takes_both: bool = True
    """It takes temperature and top_p together: until 4.0."""
    takes_schema: bool = False
    """It can be held to a JSON schema: from 4.5 on."""


def traits(model: str) -> Traits:
    """Return what a model takes. Another maker's behind Anthropic's API is taken for a plain one."""
    match = _VERSION.search(model)
    if match:
        version = (float(match[1]), float(match[2] or 0))
    elif "claude" in model:  # no number in its name, as claude-mythos-preview: they are the newest
        version = (inf, 0.0)
    else:
        return Traits()
    return Traits(
        thinks=version >= (3, 7),
        is_adaptive=version >= (4, 6),
        thinks_unasked=version >= (5, 0),
        has_xhigh=version >= (4, 7),
        samples=version < (4, 7),
        takes_both=version < (4, 1),
        takes_schema=version >= (4, 5),
    )


@dataclass(frozen=True, slots=True)
class Thinking:
    """How to ask for thinking: fields of the request, and the tokens it may take beside the answer's."""

    fields: Json
    budget: int = 0

    @property
    def is_on(self) -> bool:
        """Whether the model will think because of these fields."""
        return self.fields.get("thinking", {}).get("type") in ("enabled", "adaptive")


def asked(call: Call, *, proven: bool, forced: bool) -> tuple[Thinking, frozenset[str]]:
    """Say how to ask for the thinking a request wants, and which of its fields cannot be had with it.

    A client that speaks of `thinking` in Anthropic's own words is not spoken over. `proven` says whether
    the tool calls being answered come with their signed thinking, without which a budget is refused.
    `forced` says whether a tool must be called, which a model that thinks refuses: the tool matters more.
    """
    assert call.body is not None
    tree, model = call.body.tree, traits(call.upstream_model)
    effort, own = effort_of(call), tree.get("thinking")
    wanted: Thinking | None = Thinking({}, _BUDGETS["high"] if model.thinks_unasked else 0)
    if own:
        wanted = None if effort else wanted
    elif effort:
        wanted = None if forced and effort != "none" else _thinking(call, effort, model, proven)
    unmet = frozenset() if wanted else frozenset({"reasoning_effort"})
    wanted = wanted or Thinking({})
    thinks = wanted.is_on or Thinking({"thinking": own} if isinstance(own, dict) else {}).is_on
    return wanted, unmet | _refused(model, thinks, tree.get("temperature") is not None)


def _thinking(call: Call, effort: str, model: Traits, proven: bool) -> Thinking | None:
    """How to ask for this effort, None where it cannot be. A budget stays below the client's own limit."""
    if effort == "none":
        return Thinking({"thinking": {"type": "disabled"}} if model.thinks_unasked else {})
    if model.is_adaptive:
        return Thinking(_adaptive(effort, model), _BUDGETS[effort])
    budget, limit = _BUDGETS[effort], max_tokens_of(call)
    if limit is not None:
        budget = max(MIN_BUDGET, min(budget, limit // 2))
    if not model.thinks or not proven or (limit is not None and budget >= limit):
        return None
    return Thinking({"thinking": {"type": "enabled", "budget_tokens": budget}}, budget)


def _adaptive(effort: str, model: Traits) -> Json:
    wanted = _ADAPTIVE_EFFORTS[effort]
    if wanted == "xhigh" and not model.has_xhigh:
        wanted = "max"
    made: Json = {"type": "adaptive"}
    if model.has_xhigh:
        made["display"] = "summarized"  # else the thinking comes without its text
    return {"thinking": made, "output_config": {"effort": wanted}}


def _refused(model: Traits, thinks: bool, has_temperature: bool) -> frozenset[str]:
    """The sampling fields that the model refuses, or refuses in this company."""
    if thinks or not model.samples:
        return frozenset({"temperature", "top_p", "top_k"})
    return frozenset({"top_p"}) if has_temperature and not model.takes_both else frozenset()
