"""Every adapter gets out of the recorded traffic of its providers what an independent reader got."""

from pathlib import Path

import pytest
from canalgate.adapters import BUILTIN
from canalgate.plugins.manager import PluginManager
from canalgate.proxy.conformance import SPLITS, cases, channel_for, differences, kit, replay
from canalgate.proxy.conformance.subject import subject
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
               "rerank", "responses", "models"}  # fmt: skip

APIS = {"openai": OPENAI_APIS, "ollama": OPENAI_APIS, "ollama-native": {"ollama.chat"}}
"""The interfaces of an adapter, where its providers have others too."""

WIRE = Path(__file__).resolve().parents[1] / "wire"

ADAPTERS = PluginManager(BUILTIN).adapters
PAIRS = [
    (name, case)
    for name in sorted(ADAPTERS)
    if PROVIDERS.get(name)
    for case in (cases(RECORDINGS, PROVIDERS[name]) if RECORDINGS.is_dir() else ())
    if case.api in APIS.get(name, {case.api})
]


def test_every_built_in_adapter_is_in_the_table():
    assert set(ADAPTERS) == set(PROVIDERS)


@pytest.mark.parametrize("include_usage", [True, False], ids=["usage", "no-usage"])
@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize(("name", "case"), PAIRS, ids=[f"{name}-{case.title}" for name, case in PAIRS])
def test_a_recorded_answer_is_understood(recordings, name, case, split, include_usage):
    replayed = replay(ADAPTERS[name], case, split, include_usage=include_usage)
    assert differences(case, replayed) == []


@pytest.mark.parametrize("name", sorted(ADAPTERS))
def test_a_built_in_adapter_passes_the_kit(name):
    """With what was recorded of its providers, where that is at hand, and what was written of them here."""
    written = [
        case
        for case in cases(WIRE, PROVIDERS[name])
        if case.api != "models" and case.api in APIS.get(name, {case.api})
    ]
    recorded = [case for other, case in PAIRS if other == name]
    made = subject(ADAPTERS[name], channel_for(ADAPTERS[name]), [*recorded, *written])
    if made.wire == "own" and not made.cases:
        pytest.skip("a wire of its own needs recorded traffic")
    found = kit.run(made)
    assert [failure for section in found.sections for failure in section.failures] == []
