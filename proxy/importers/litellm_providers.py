"""LiteLLM's providers by their prefix, and the parameters of a model that mean something here. Pure.

Source: LiteLLM's page "Providers", each with the variable of its key.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .values import text


@dataclass(frozen=True, slots=True)
class Entry:
    """A provider: our adapter, the variable LiteLLM takes its key from, its address if ours is another."""

    adapter: str
    key_variable: str = ""
    base_url: str = ""


_NO_ADAPTER = "canalgate has no adapter for it"

ENTRIES: Mapping[str, Entry | str] = {
    "openai": Entry("openai", "OPENAI_API_KEY"),
    "text-completion-openai": Entry("openai", "OPENAI_API_KEY"),
    "custom_openai": Entry("openai", "OPENAI_API_KEY"),
    "litellm_proxy": Entry("openai", "LITELLM_PROXY_API_KEY"),
    "azure": Entry("azure", "AZURE_API_KEY"),
    "azure_ai": Entry("azure", "AZURE_AI_API_KEY"),
    "anthropic": Entry("anthropic", "ANTHROPIC_API_KEY"),
    "bedrock": Entry("bedrock"),
    "gemini": Entry("gemini", "GEMINI_API_KEY"),
    "vertex_ai": "canalgate has no adapter for Vertex AI; the same models have the type gemini",
    "cohere": Entry("cohere", "COHERE_API_KEY"),
    "cohere_chat": Entry("cohere", "COHERE_API_KEY"),
    "mistral": Entry("mistral", "MISTRAL_API_KEY"),
    "groq": Entry("groq", "GROQ_API_KEY"),
    "deepseek": Entry("deepseek", "DEEPSEEK_API_KEY"),
    "openrouter": Entry("openrouter", "OPENROUTER_API_KEY"),
    "perplexity": Entry("perplexity", "PERPLEXITYAI_API_KEY"),
    "together_ai": Entry("together", "TOGETHERAI_API_KEY"),
    "xai": Entry("xai", "XAI_API_KEY"),
    "ollama": Entry("ollama-native"),
    "ollama_chat": Entry("ollama-native"),
    "huggingface": Entry("huggingface", "HF_TOKEN"),
    "nvidia_nim": Entry("nvidia", "NVIDIA_NIM_API_KEY"),
    "cerebras": Entry("cerebras", "CEREBRAS_API_KEY"),
    "hosted_vllm": Entry("vllm", "HOSTED_VLLM_API_KEY"),
    "vllm": Entry("vllm"),
    "lm_studio": Entry("lm-studio", "LM_STUDIO_API_KEY"),
    "llamafile": Entry("llama-cpp"),
    "xinference": Entry("xinference"),
    "github": Entry("github", "GITHUB_API_KEY"),
    "moonshot": Entry("moonshot", "MOONSHOT_API_KEY"),
    "dashscope": Entry("dashscope-compatible", "DASHSCOPE_API_KEY"),
    "volcengine": Entry("doubao", "VOLCENGINE_API_KEY"),
    "novita": Entry("novita", "NOVITA_API_KEY"),
    "minimax": Entry("minimax", "MINIMAX_API_KEY"),
    "zai": Entry("zhipu", "ZAI_API_KEY", "https://api.z.ai/api/paas/v4"),
    "fireworks_ai": Entry("openai", "FIREWORKS_AI_API_KEY", "https://api.fireworks.ai/inference/v1"),
    "deepinfra": Entry("openai", "DEEPINFRA_API_KEY", "https://api.deepinfra.com/v1/openai"),
    "sambanova": Entry("openai", "SAMBANOVA_API_KEY", "https://api.sambanova.ai/v1"),
    "jina_ai": Entry("openai", "JINA_AI_API_KEY", "https://api.jina.ai/v1"),
    **dict.fromkeys(("sagemaker", "databricks", "replicate", "watsonx", "predibase", "voyage"), _NO_ADAPTER),
}

PARAMETERS = frozenset(
    {
        "model", "api_key", "api_base", "base_url", "api_version", "custom_llm_provider", "order", "weight",
        "aws_access_key_id", "aws_secret_access_key", "aws_session_token", "aws_region_name", "tenant_id",
        "client_id", "client_secret",
    }
)  # fmt: skip
"""What of a model's parameters has a place here; prices have one too."""

_GUESSES = (
    ("openai", re.compile(r"(gpt-|o\d|chatgpt-|text-embedding-|dall-e|whisper|tts-|davinci|babbage).*")),
    ("anthropic", re.compile(r"claude-.*")),
    ("cohere", re.compile(r"command.*|embed-.*|rerank-.*")),
)


def guess(model: str) -> str:
    """Return the provider of a model without a prefix, as LiteLLM knows it by its name; empty if none."""
    return next((name for name, pattern in _GUESSES if pattern.fullmatch(model)), "")


def options_of(entry: Entry, parameters: Mapping[str, Any]) -> tuple[str, dict[str, str]]:
    """Return a channel's key and its options."""
    given = {name: text(value) for name, value in parameters.items()}
    key, options = given.get("api_key", ""), {}
    if entry.adapter == "bedrock":
        parts = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
        key = "|".join(given[name] for name in parts if given.get(name)) or key
        options = {"region": given.get("aws_region_name", "")}
    elif entry.adapter == "azure":
        options = {"api_version": given.get("api_version", ""), "dots": "keep"}
        if given.get("client_secret"):
            key = given["client_secret"]
            options |= {"auth": "entra", "tenant_id": given.get("tenant_id", "")}
            options["client_id"] = given.get("client_id", "")
    return key, {name: value for name, value in options.items() if value}
