"""The shipped table of prices. Its file says where it is from, of which date, and under which licence.

A name is looked up at the providers an adapter stands for, never at others': one model has different prices
at different hosts. It is a model's own name, one of the other names it has there, or begins as that
provider's names for the model do; the longest such beginning wins.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType

import msgspec

from ..pricing import Price

_MAKERS = (
    "openai", "anthropic", "google", "deepseek", "mistral", "moonshotai", "x-ai", "zhipuai", "zai", "minimax",
    "cohere",
)  # fmt: skip
"""Where the model of an OpenAI-compatible channel is looked up: whoever makes it sets its price."""

PROVIDERS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "openai": _MAKERS, "azure": ("azure", "openai"), "anthropic": ("anthropic",), "gemini": ("google",),
        "bedrock": ("aws",), "deepseek": ("deepseek",), "mistral": ("mistral",), "moonshot": ("moonshotai",),
        "xai": ("x-ai",), "groq": ("groq",), "cohere": ("cohere",), "cerebras": ("cerebras",),
        "minimax": ("minimax",), "zhipu": ("zhipuai", "zai"), "chatglm": ("zhipuai", "zai"),
        "openrouter": ("openrouter",), "perplexity": ("perplexity",), "together": ("together",),
        "novita": ("novita",), "huggingface": ("huggingface_together", "huggingface_groq"),
    }
)  # fmt: skip
"""Providers of the table by adapter. An adapter that is not here has no shipped prices: servers of one's own,
and hosts the table does not know."""


class _Row(msgspec.Struct, frozen=True):
    prompt: int = 0
    completion: int = 0
    cached: int | None = None
    cache_write: int | None = None
    reasoning: int | None = None
    audio_prompt: int | None = None
    audio_completion: int | None = None
    image_prompt: int | None = None
    image_completion: int | None = None
    call: int = 0
    second: int = 0
    character: int = 0
    context: int = 0
    names: tuple[str, ...] = ()
    starts: tuple[str, ...] = ()


class Table(msgspec.Struct, frozen=True):
    """The file. `source` names a package and its version, `date` is when it was made."""

    source: str
    licence: str
    date: str
    providers: dict[str, dict[str, _Row]]

    def find(self, model: str, adapter: str) -> Price | None:
        """Return the price of a model as an adapter's provider names it."""
        for provider in PROVIDERS.get(adapter, ()):
            found = _names(provider).get(model) or _longest_start(provider, model)
            if found is not None:
                return self._price(provider, found)
        return None

    def _price(self, provider: str, model: str) -> Price:
        row = self.providers[provider][model]
        values = {
            name: getattr(row, name) for name in _Row.__struct_fields__ if name not in ("names", "starts")
        }
        return Price(f"{self.source} {provider}/{model}", **values)


@cache
def shipped() -> Table:
    """Return the table that comes with the program."""
    data = (files("canalgate.proxy.prices") / "table.json").read_bytes()
    return msgspec.json.decode(data, type=Table)


@cache
def _names(provider: str) -> dict[str, str]:
    """Models of a provider by every name they have."""
    rows = shipped().providers.get(provider, {})
    return {name: model for model, row in rows.items() for name in row.names} | {
        model: model for model in rows
    }


def _longest_start(provider: str, name: str) -> str | None:
    rows = shipped().providers.get(provider, {})
    starts = [
        (len(start), model) for model, row in rows.items() for start in row.starts if name.startswith(start)
    ]
    return max(starts)[1] if starts else None
