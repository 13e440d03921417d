"""Which recorded provider belongs to which adapter."""

from collections.abc import Iterator

from canalgate.proxy.conformance import Case, cases
from recordings import RECORDINGS

OPENAI_COMPATIBLE = {
    "openai", "chatglm-openai-api", "cerebras", "deepseek", "groq", "huggingface-router", "llama-cpp",
    "mistral", "openrouter", "perplexity", "ppio", "ppio-novita", "quirks", "siliconflow", "spark",
    "together", "vllm", "xai", "xinference",
}  # fmt: skip

UNRECORDED = ("hunyuan", "doubao", "baichuan", "stepfun", "yi", "ai360", "nvidia", "github", "lm-studio")

PROVIDERS = {
    "openai": OPENAI_COMPATIBLE,
    "cohere": {"cohere"},
    "dashscope": {"dashscope-native"},
    "hunyuan-native": {"tencent-hunyuan"},
    "ollama-native": {"ollama"},
    "coze": {"coze"},
    "dify": {"dify"},
    "azure": {"azure-openai"},
    "chatglm": {"zhipu-v3"},
    "demo": set(),
    "anthropic": {"anthropic"},
    "gemini": {"gemini"},
    "bedrock": {"bedrock"},
    "wenxin": {"wenxin"},
    "qianfan": {"qianfan-v2"},
    "zhipu": {"zhipu-v4"},
    "ppio": {"ppio"},
    "novita": {"ppio-novita"},
    "siliconflow": {"siliconflow"},
    "dashscope-compatible": {"dashscope-compatible"},
    "deepseek": {"deepseek"},
    "moonshot": {"moonshot"},
    "minimax": {"minimax"},
    "spark": {"spark"},
    "openrouter": {"openrouter"},
    "groq": {"groq"},
    "mistral": {"mistral"},
    "xai": {"xai"},
    "together": {"together"},
    "perplexity": {"perplexity"},
    "cerebras": {"cerebras"},
    "huggingface": {"huggingface-router"},
    "ollama": {"ollama"},
    "vllm": {"vllm"},
    "xinference": {"xinference"},
    "llama-cpp": {"llama-cpp"},
    "chatglm-openai-api": {"chatglm-openai-api"},
    **{name: set() for name in UNRECORDED},
}
"""The recorded providers of each adapter; one that is not named here is not built in."""

OPENAI_APIS = {"chat.completions", "completions", "embeddings", "moderations", "images.generations",
               "audio.transcriptions", "rerank", "responses", "models"}  # fmt: skip

APIS = {"openai": OPENAI_APIS, "ollama": OPENAI_APIS, "ollama-native": {"ollama.chat"}}
"""The interfaces of an adapter, where its providers have others too."""


def cases_of(adapter: str) -> Iterator[Case]:
    """The recorded cases of an adapter; none where the recordings are not at hand."""
    if not PROVIDERS.get(adapter) or not RECORDINGS.is_dir():
        return
    for case in cases(RECORDINGS, PROVIDERS[adapter]):
        if case.api in APIS.get(adapter, {case.api}):
            yield case
