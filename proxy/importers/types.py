"""Channel types of other gateways: which adapter of ours serves one, and where its address begins.

One API's and New API's base URLs have no version in their path, ours do; AI Proxy's have it at most types.
Sources: One API's and AI Proxy's documented tables of types, New API's constants.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

OPENAI = "https://api.openai.com"
_CLOUDFLARE_GATEWAY = "https://gateway.ai.cloudflare.com"


@dataclass(frozen=True, slots=True)
class Target:
    """What a type becomes. `default` is the address it has if none is set, `path` what ours has behind it.

    A channel at the default address gets none of its own, as the adapter's is the same, unless `is_other`.
    """

    adapter: str
    default: str = ""
    path: str = ""
    is_other: bool = False

    def base_url(self, text: str) -> str:
        """Return the base URL of ours for what is set at the source."""
        base = text.strip().rstrip("/")
        if not base or base == self.default:
            if not self.is_other:
                return ""
            base = self.default
        if not base or base.endswith(self.path) or base.startswith(_CLOUDFLARE_GATEWAY):
            return base
        return base + self.path


def _same(adapter: str, default: str, path: str = "/v1") -> Target:
    return Target(adapter, default, path)


def _openai(default: str = "", path: str = "/v1") -> Target:
    return Target("openai", default, path, is_other=default != OPENAI)


_DASHSCOPE = "https://dashscope.aliyuncs.com"
_ARK = "https://ark.cn-beijing.volces.com"
_WENXIN_PATH = "/rpc/2.0/ai_custom/v1/wenxinworkshop"
_GEMINI = "https://generativelanguage.googleapis.com"
_AZURE = "https://{resource_name}.openai.azure.com"
_NO_SUCH = "canalgate has no adapter for it: "
_VERTEX = _NO_SUCH + "Vertex AI; the same models have the type gemini with a key of Google AI Studio"

Types = Mapping[int, Target | str]
"""What a type becomes, or why it becomes nothing."""

_COMMON: Types = {
    0: _openai(OPENAI),
    1: _openai(OPENAI),
    3: Target("azure"),
    6: _openai("https://api.openaimax.com"),
    7: _openai("https://api.ohmygpt.com"),
    8: _openai(),
    9: _openai("https://api.caipacity.com"),
    10: _openai("https://api.aiproxy.io"),
    11: "PaLM is no longer offered",
    12: _openai("https://api.api2gpt.com"),
    13: _openai("https://api.aigc2d.com"),
    14: _same("anthropic", "https://api.anthropic.com"),
    15: _same("wenxin", "https://aip.baidubce.com", _WENXIN_PATH),
    16: _same("zhipu", "https://open.bigmodel.cn", "/api/paas/v4"),
    17: _same("dashscope", _DASHSCOPE, "/api/v1"),
    18: Target("spark", "*"),
    19: _same("ai360", "https://ai.360.cn"),
    20: _same("openrouter", "https://openrouter.ai/api"),
    21: _NO_SUCH + "AI Proxy's library",
    22: _openai("https://fastgpt.run/api/openapi"),
    23: Target("hunyuan-native", "https://hunyuan.tencentcloudapi.com"),
    24: _same("gemini", _GEMINI, "/v1beta"),
    25: _same("moonshot", "https://api.moonshot.cn"),
    31: _same("yi", "https://api.lingyiwanwu.com"),
    33: Target("bedrock"),
}

ONE_API: Types = {
    **_COMMON,
    2: _openai("https://oa.api2d.net"),
    4: _openai("https://api.closeai-proxy.xyz"),
    5: _openai("https://api.openai-sb.com"),
    26: _same("baichuan", "https://api.baichuan-ai.com"),
    27: _same("minimax", "https://api.minimax.chat"),
    28: _same("mistral", "https://api.mistral.ai"),
    29: _same("groq", "https://api.groq.com/openai"),
    30: Target("ollama-native", "http://localhost:11434"),
    32: _same("stepfun", "https://api.stepfun.com"),
    34: Target("coze", "https://api.coze.com", is_other=True),
    35: Target("cohere", "https://api.cohere.ai"),
    36: _same("deepseek", "https://api.deepseek.com"),
    37: _openai("https://api.cloudflare.com"),
    38: _NO_SUCH + "DeepL",
    39: _same("together", "https://api.together.xyz"),
    40: _same("doubao", _ARK, "/api/v3"),
    41: Target("novita", "https://api.novita.ai/v3/openai"),
    42: _VERTEX,
    43: "a raw proxy, which has no models to route by",
    44: _same("siliconflow", "https://api.siliconflow.cn"),
    45: _same("xai", "https://api.x.ai"),
    46: _NO_SUCH + "Replicate",
    47: _same("qianfan", "https://qianfan.baidubce.com", "/v2"),
    48: _same("spark", "https://spark-api-open.xf-yun.com"),
    49: _same("dashscope-compatible", _DASHSCOPE, "/compatible-mode/v1"),
    50: _openai("", ""),
    51: _openai(_GEMINI + "/v1beta/openai", ""),
}

_MEDIA = "it makes pictures, music or videos by an interface of its own"

NEW_API: Types = {
    **_COMMON,
    2: _MEDIA,
    4: Target("ollama-native", "http://localhost:11434"),
    5: _MEDIA,
    8: _openai("", ""),
    26: _same("zhipu", "https://open.bigmodel.cn", "/api/paas/v4"),
    27: Target("perplexity", "https://api.perplexity.ai"),
    34: Target("cohere", "https://api.cohere.ai"),
    35: _same("minimax", "https://api.minimax.chat"),
    36: _MEDIA,
    37: _same("dify", "https://api.dify.ai"),
    38: _openai("https://api.jina.ai"),
    39: _openai("https://api.cloudflare.com"),
    40: _same("siliconflow", "https://api.siliconflow.cn"),
    41: _VERTEX,
    42: _same("mistral", "https://api.mistral.ai"),
    43: _same("deepseek", "https://api.deepseek.com"),
    44: _openai("https://api.moka.ai"),
    45: _same("doubao", _ARK, "/api/v3"),
    46: _same("qianfan", "https://qianfan.baidubce.com", "/v2"),
    47: _same("xinference", ""),
    48: _same("xai", "https://api.x.ai"),
    49: Target("coze", "https://api.coze.cn"),
    **dict.fromkeys((50, 51, 52, 54, 55), _MEDIA),
    53: _openai("https://llm.submodel.ai"),
    56: _NO_SUCH + "Replicate",
    57: _NO_SUCH + "Codex",
}

AI_PROXY: Types = {
    1: Target("openai", OPENAI + "/v1"),
    3: Target("azure", _AZURE),
    4: Target("azure", _AZURE),
    12: _openai(_GEMINI + "/v1beta/openai", ""),
    13: Target("qianfan", "https://qianfan.baidubce.com/v2"),
    14: Target("anthropic", "https://api.anthropic.com/v1"),
    15: _same("wenxin", "https://aip.baidubce.com", _WENXIN_PATH),
    16: Target("zhipu", "https://open.bigmodel.cn/api/paas/v4"),
    17: _same("dashscope-compatible", _DASHSCOPE, "/compatible-mode/v1"),
    18: Target("spark", "https://spark-api-open.xf-yun.com/v1"),
    19: Target("ai360", "https://ai.360.cn/v1"),
    20: Target("openrouter", "https://openrouter.ai/api/v1"),
    23: Target("hunyuan", "https://api.hunyuan.cloud.tencent.com/v1"),
    24: _same("gemini", _GEMINI, "/v1beta"),
    25: Target("moonshot", "https://api.moonshot.cn/v1"),
    26: Target("baichuan", "https://api.baichuan-ai.com/v1"),
    27: Target("minimax", "https://api.minimaxi.com/v1"),
    28: Target("mistral", "https://api.mistral.ai/v1"),
    29: Target("groq", "https://api.groq.com/openai/v1"),
    30: Target("ollama-native", "http://localhost:11434"),
    31: Target("yi", "https://api.lingyiwanwu.com/v1"),
    32: Target("stepfun", "https://api.stepfun.com/v1"),
    33: Target("bedrock"),
    34: Target("coze", "https://api.coze.com", is_other=True),
    35: Target("cohere", "https://api.cohere.ai"),
    36: Target("deepseek", "https://api.deepseek.com/v1"),
    37: _openai("https://api.cloudflare.com", ""),
    40: _same("doubao", _ARK, "/api/v3"),
    41: Target("novita", "https://api.novita.ai/v3/openai"),
    42: _VERTEX,
    43: Target("siliconflow", "https://api.siliconflow.cn/v1"),
    44: _NO_SUCH + "Doubao's audio interface",
    45: Target("xai", "https://api.x.ai/v1"),
    46: _NO_SUCH + "Doc2X",
    47: _openai("https://api.jina.ai/v1", ""),
    48: _openai("https://api.text-embeddings.net", ""),
    49: Target("qianfan", "https://qianfan.baidubce.com/v2"),
    50: _openai("", ""),
    51: _openai("https://wanqing.streamlakeapi.com/api/gateway/v1/endpoints", ""),
    52: Target("zhipu", "https://open.bigmodel.cn", "/api/coding/paas/v4", is_other=True),
    53: "a test double",
    54: _openai("https://api.tbox.cn/api", ""),
    55: "a test double",
}
