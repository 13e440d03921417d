"""AI Proxy's numbers of channel types, as its forms know them; what each is here is the importer's table.

Several numbers are one adapter of ours. Which was meant is kept beside the channel where nothing else tells
(store/numbers.py). A number without an adapter here (Vertex AI, Doubao audio, Doc2X) is not offered.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, get_args
from urllib.parse import urlsplit

from ....plugins import Adapter, Endpoint
from ...importers.types import AI_PROXY, Target
from ...manage.refused import Refused
from ...records import ChannelRow

OPENAI = 1
_SUFFIXES = tuple(sorted((*get_args(Endpoint), "messages"), key=len, reverse=True))


@dataclass(frozen=True, slots=True)
class Kind:
    """A type. `target` is its adapter, its address where a channel states none, and what ours has behind it.

    `options` are the adapter's that make the type what it is. Without `has_default` a channel must state one.
    """

    number: int
    name: str
    target: Target
    key_help: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    has_default: bool = True

    @property
    def adapter(self) -> str:
        """The adapter's name."""
        return self.target.adapter

    @property
    def base_url(self) -> str:
        """The address of a channel that states none, as AI Proxy has it."""
        return self.target.default

    @property
    def address(self) -> str:
        """The same as the adapter takes it."""
        return self.target.default + self.target.path

    def stored_base(self, text: str, adapter: Adapter) -> str:
        """Return what is kept for a base URL somebody entered. Raises Refused where one is missing."""
        url = _trimmed(text)
        if url in ("", self.base_url, self.address):
            if not self.has_default:
                raise Refused("base_url", f"{self.name} has no address of its own; enter the provider's")
            return "" if self.address in ("", adapter.base_url) else self.address
        if self.target.path and urlsplit(url).path == urlsplit(self.base_url).path:
            url += self.target.path
        return url

    def shown_base(self, row: ChannelRow) -> str:
        """Return a channel's base URL as its form has it: empty for the type's own."""
        return "" if row.base_url == self.address else row.base_url


def _trimmed(text: str) -> str:
    """Return an address without the endpoint and the slashes that people paste along with it."""
    url = text.strip().rstrip("/")
    for suffix in _SUFFIXES:
        if url.endswith(f"/{suffix}"):
            return url.removesuffix(f"/{suffix}").rstrip("/")
    return url


def _kind(number: int, name: str, key_help: str = "", **more: Any) -> Kind:
    target = AI_PROXY[number]
    assert isinstance(target, Target)
    return Kind(number, name, target, key_help, **more)


_AZURE = "key or key|api-version"

_KINDS = (
    _kind(OPENAI, "openai"),
    _kind(4, "azure", _AZURE, options={"dots": "keep"}, has_default=False),
    _kind(3, "azure (deprecated)", _AZURE, options={"dots": "strip"}, has_default=False),
    _kind(12, "google gemini (openai)"), _kind(13, "baidu v2", "ak|sk"), _kind(14, "anthropic"),
    _kind(15, "baidu", "client_id|client_secret"), _kind(16, "zhipu"), _kind(17, "ali"),
    _kind(18, "xunfei", "app_id|app_token"), _kind(19, "ai360"), _kind(20, "openrouter"),
    _kind(23, "tencent"), _kind(24, "google gemini"), _kind(25, "moonshot"), _kind(26, "baichuan"),
    _kind(27, "minimax", "api_key or api_key|group_id"), _kind(28, "mistral"), _kind(29, "groq"),
    _kind(30, "ollama"), _kind(31, "lingyiwanwu"), _kind(32, "stepfun"),
    _kind(33, "aws", "region|ak|sk or region|apikey"), _kind(34, "coze", "token|user_id"),
    _kind(35, "Cohere"), _kind(36, "deepseek"), _kind(37, "cloudflare", has_default=False),
    _kind(40, "doubao"), _kind(41, "novita"), _kind(43, "siliconflow"), _kind(45, "xai"), _kind(47, "jina"),
    _kind(48, "huggingface text-embeddings-inference"), _kind(49, "qianfan", "bce-v3/aaa/bbb"),
    _kind(50, "Sangfor AICP", has_default=False), _kind(51, "Streamlake"), _kind(52, "zhipu coding"),
    Kind(53, "fake", Target("demo", "https://fake.local/v1"), "any non-empty value"), _kind(54, "antling"),
)  # fmt: skip

KINDS: Mapping[int, Kind] = MappingProxyType({kind.number: kind for kind in _KINDS})
"""Every type that is offered, by its number."""


def kind_numbered(number: int | None, adapters: Mapping[str, Adapter]) -> Kind:
    """Return the type of a number. Raises Refused for one that is none, or whose adapter is not loaded."""
    kind = KINDS.get(number or 0)
    if kind is None or kind.adapter not in adapters:
        known = ", ".join(str(one.number) for one in _offered(adapters))
        raise Refused("type", f"invalid channel type {number}; there are: {known}")
    return kind


def kind_of(row: ChannelRow, kept: int | None, adapters: Mapping[str, Adapter]) -> Kind:
    """Return the type of a channel. `kept` is the number it was made with, if that is known.

    A channel of an adapter that AI Proxy does not know is shown as OpenAI's.
    """
    alike = [kind for kind in _KINDS if kind.adapter == row.type]
    fitting = [kind for kind in alike if kind.options.items() <= row.options.items()] or alike
    named = [kind for kind in fitting if kind.number == kept]
    placed = [kind for kind in fitting if kind.address and kind.address == row.base_url]
    found = next(iter([*named, *placed, *fitting]), None)
    if found is None:
        adapter = adapters.get(row.type)
        return Kind(OPENAI, "openai", Target(row.type, adapter.base_url if adapter else ""))
    return found


def metas(adapters: Mapping[str, Adapter]) -> dict[str, dict[str, str]]:
    """Return what the form of a channel says about each type, by its number as text."""
    return {
        str(kind.number): {
            "name": kind.name,
            "keyHelp": kind.key_help or adapters[kind.adapter].key_help,
            "defaultBaseUrl": kind.base_url,
        }
        for kind in sorted(_offered(adapters), key=lambda kind: kind.number)
    }


def _offered(adapters: Mapping[str, Adapter]) -> list[Kind]:
    return [kind for kind in _KINDS if kind.adapter in adapters]
