"""The shipped table of prices. Its file says where it is from, of which date, and under which licence.

A name is looked up at the providers an adapter stands for, never at others: one model has different prices
at different hosts. At each provider it is tried as it stands, with a date of eight digits written with
dashes, and without its date; in front of it, the provider's own name and a slash do not count. It means the
model that has this name, whatever its case, else the first that the source says is meant by such names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache, cached_property
from importlib.resources import files
from types import MappingProxyType

import msgspec

from ..billing.pricing import Price

_MAKERS = (
    "openai", "anthropic", "google", "deepseek", "mistral", "moonshotai", "x-ai", "zhipuai", "zai", "minimax",
    "cohere",
)  # fmt: skip
"""Where the model of an OpenAI-compatible channel is looked up: whoever makes it sets its price."""

PROVIDERS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "openai": _MAKERS, "azure": ("azure", "openai", "anthropic", "deepseek", "x-ai", "moonshotai"),
        "anthropic": ("anthropic",), "gemini": ("google",), "bedrock": ("aws",), "deepseek": ("deepseek",),
        "mistral": ("mistral",), "moonshot": ("moonshotai",), "xai": ("x-ai",), "groq": ("groq",),
        "cohere": ("cohere",), "cerebras": ("cerebras",), "minimax": ("minimax",),
        "zhipu": ("zhipuai", "zai"), "chatglm": ("zhipuai", "zai"), "openrouter": ("openrouter",),
        "perplexity": ("perplexity",), "together": ("together",), "novita": ("novita",),
        "huggingface": ("huggingface_together", "huggingface_groq"),
    }
)  # fmt: skip
"""Providers of the table by adapter. An adapter that is not here has no shipped prices: servers of one's own,
and hosts the table does not know."""

_PREFIXES = MappingProxyType({"google": "models/"})
"""What stands before a provider's names where it is not `PROVIDER/`."""

_DATE = re.compile(r"[-@](\d{4})-?(\d\d)-?(\d\d)$", re.ASCII)
_MOST_NAME = 200


class Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A model: its prices as in `pricing.Price`, its other names, and what else means it.

    Names and parts of names are in lower case. `starts`, `ends`, `within`: what a name begins with, ends
    with or has in it. `like`: a regular expression for its beginning.
    """

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
    ends: tuple[str, ...] = ()
    within: tuple[str, ...] = ()
    like: str = ""

    def is_meant(self, name: str) -> bool:
        """Tell whether a name that is not one of `names` means this model."""
        return (
            name.startswith(self.starts)
            or name.endswith(self.ends)
            or any(part in name for part in self.within)
            or bool(self.like and re.match(self.like, name))
        )


_PRICED = tuple(name for name in Row.__struct_fields__ if name in Price.__struct_fields__)


class Table(msgspec.Struct, frozen=True, dict=True):
    """The file. `source` names a package and its version, `date` is when it was made."""

    source: str = ""
    licence: str = ""
    date: str = ""
    providers: dict[str, dict[str, Row]] = {}

    def find(self, model: str, adapter: str) -> Price | None:
        """Return the price of a model as an adapter's provider names it."""
        if len(model) > _MOST_NAME:
            return None
        for provider in PROVIDERS.get(adapter, ()):
            for name in _spellings(provider, model.lower()):
                found = self._find(provider, name)
                if found is not None:
                    return self._price(provider, found)
        return None

    def _find(self, provider: str, name: str) -> str | None:
        rows, known = self.providers.get(provider, {}), self._names.get(provider, {})
        return known.get(name) or next((model for model, row in rows.items() if row.is_meant(name)), None)

    def _price(self, provider: str, model: str) -> Price:
        row = self.providers[provider][model]
        return Price(f"{self.source} {provider}/{model}", **{part: getattr(row, part) for part in _PRICED})

    @cached_property
    def _names(self) -> dict[str, dict[str, str]]:
        """Models of each provider by every name they have."""
        return {
            provider: {name: model for model, row in rows.items() for name in row.names}
            | {model.lower(): model for model in rows}
            for provider, rows in self.providers.items()
        }


@cache
def shipped() -> Table:
    """Return the table that comes with the program."""
    data = (files("canalgate.proxy.prices") / "table.json").read_bytes()
    return msgspec.json.decode(data, type=Table)


def _spellings(provider: str, name: str) -> Iterator[str]:
    """Yield what a name is tried as, the nearest first."""
    own = name.removeprefix(_PREFIXES.get(provider, f"{provider}/"))
    yield name
    if own != name:
        yield own
    if date := _DATE.search(own):
        yield f"{own[: date.start()]}-{'-'.join(date.groups())}"
        yield own[: date.start()]
