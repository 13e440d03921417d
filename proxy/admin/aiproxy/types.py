"""AI Proxy's numbers of channel types, and what each is here: an adapter and where its address begins.

Several numbers are one adapter of ours. Which was meant is kept beside the channel where nothing else tells
(store/numbers.py). A number without an adapter here (Vertex AI, Doubao audio, Doc2X) is not offered.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import get_args
from urllib.parse import urlsplit

from ....plugins import Adapter, Endpoint
from ...manage.refused import Refused
from ...records import ChannelRow

OPENAI = 1
_SUFFIXES = tuple(sorted((*get_args(Endpoint), "messages"), key=len, reverse=True))


@dataclass(frozen=True, slots=True)
class Kind:
    """A type. `base_url` is its address where a channel states none, `path` what our adapter has behind it.

    `options` are the adapter's that make the type what it is. Without `has_default` a channel must state one.
    """

    number: int
    name: str
    adapter: str
    base_url: str = ""
    key_help: str = ""
    path: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    has_default: bool = True

    @property
    def address(self) -> str:
        """The address of a channel that states none, as the adapter takes it."""
        return self.base_url + self.path

    def stored_base(self, text: str, adapter: Adapter) -> str:
        """Return what is kept for a base URL somebody entered. Raises Refused where one is missing."""
        url = _trimmed(text)
        if url in ("", self.base_url, self.address):
            if not self.has_default:
                raise Refused("base_url", f"{self.name} has no address of its own; enter the provider's")
            return "" if self.address in ("", adapter.base_url) else self.address
        if self.path and urlsplit(url).path == urlsplit(self.base_url).path:
            url += self.path
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


_AZURE = ("https://{resource_name}.openai.azure.com", "key or key|api-version")
_QIANFAN = "https://qianfan.baidubce.com/v2"

_KINDS = (
    Kind(OPENAI, "openai", "openai", "https://api.openai.com/v1"),
    Kind(4, "azure", "azure", *_AZURE, options={"dots": "keep"}, has_default=False),
    Kind(3, "azure (deprecated)", "azure", *_AZURE, options={"dots": "strip"}, has_default=False),
    Kind(12, "google gemini (openai)", "openai", "https://generativelanguage.googleapis.com/v1beta/openai"),
    Kind(13, "baidu v2", "qianfan", _QIANFAN, "ak|sk"),
    Kind(14, "anthropic", "anthropic", "https://api.anthropic.com/v1"),
    Kind(15, "baidu", "wenxin", "https://aip.baidubce.com", "client_id|client_secret",
         "/rpc/2.0/ai_custom/v1/wenxinworkshop"),
    Kind(16, "zhipu", "zhipu", "https://open.bigmodel.cn/api/paas/v4"),
    Kind(17, "ali", "dashscope-compatible", "https://dashscope.aliyuncs.com", path="/compatible-mode/v1"),
    Kind(18, "xunfei", "spark", "https://spark-api-open.xf-yun.com/v1", "app_id|app_token"),
    Kind(19, "ai360", "ai360", "https://ai.360.cn/v1"),
    Kind(20, "openrouter", "openrouter", "https://openrouter.ai/api/v1"),
    Kind(23, "tencent", "hunyuan", "https://api.hunyuan.cloud.tencent.com/v1"),
    Kind(24, "google gemini", "gemini", "https://generativelanguage.googleapis.com", path="/v1beta"),
    Kind(25, "moonshot", "moonshot", "https://api.moonshot.cn/v1"),
    Kind(26, "baichuan", "baichuan", "https://api.baichuan-ai.com/v1"),
    Kind(27, "minimax", "minimax", "https://api.minimaxi.com/v1", "api_key or api_key|group_id"),
    Kind(28, "mistral", "mistral", "https://api.mistral.ai/v1"),
    Kind(29, "groq", "groq", "https://api.groq.com/openai/v1"),
    Kind(30, "ollama", "ollama-native", "http://localhost:11434"),
    Kind(31, "lingyiwanwu", "yi", "https://api.lingyiwanwu.com/v1"),
    Kind(32, "stepfun", "stepfun", "https://api.stepfun.com/v1"),
    Kind(33, "aws", "bedrock", "", "region|ak|sk or region|apikey"),
    Kind(34, "coze", "coze", "https://api.coze.com", "token|user_id"),
    Kind(35, "Cohere", "cohere", "https://api.cohere.ai"),
    Kind(36, "deepseek", "deepseek", "https://api.deepseek.com/v1"),
    Kind(37, "cloudflare", "openai", "https://api.cloudflare.com", has_default=False),
    Kind(40, "doubao", "doubao", "https://ark.cn-beijing.volces.com", path="/api/v3"),
    Kind(41, "novita", "novita", "https://api.novita.ai/v3/openai"),
    Kind(43, "siliconflow", "siliconflow", "https://api.siliconflow.cn/v1"),
    Kind(45, "xai", "xai", "https://api.x.ai/v1"),
    Kind(47, "jina", "openai", "https://api.jina.ai/v1"),
    Kind(48, "huggingface text-embeddings-inference", "openai", "https://api.text-embeddings.net"),
    Kind(49, "qianfan", "qianfan", _QIANFAN, "bce-v3/aaa/bbb"),
    Kind(50, "Sangfor AICP", "openai", has_default=False),
    Kind(51, "Streamlake", "openai", "https://wanqing.streamlakeapi.com/api/gateway/v1/endpoints"),
    Kind(52, "zhipu coding", "zhipu", "https://open.bigmodel.cn", path="/api/coding/paas/v4"),
    Kind(53, "fake", "demo", "https://fake.local/v1", "any non-empty value"),
    Kind(54, "antling", "openai", "https://api.tbox.cn/api"),
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
        return Kind(OPENAI, "openai", row.type, adapter.base_url if adapter else "")
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
