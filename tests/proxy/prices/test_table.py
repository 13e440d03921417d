"""The shipped table: whole, and found by the names that channels use."""

import datetime
import re

import msgspec
import pytest
from canalgate.adapters import BUILTIN
from canalgate.plugins.manager import PluginManager
from canalgate.proxy.billing.pricing import Price
from canalgate.proxy.prices.book import EVERYTHING_FREE
from canalgate.proxy.prices.table import PROVIDERS, Table, shipped


def test_it_says_where_it_is_from():
    table = shipped()
    assert table.source.startswith("genai-prices ")
    assert table.licence == "MIT"
    datetime.date.fromisoformat(table.date)


def test_no_price_is_below_zero():
    for rows in shipped().providers.values():
        for row in rows.values():
            assert all(value is None or value >= 0 for value in msgspec.structs.astuple(row)[:13])


def test_adapters_and_providers_that_are_named_exist(tmp_path):
    adapters = PluginManager(BUILTIN, tmp_path, (), ()).adapters
    assert set(PROVIDERS) <= set(adapters)
    assert {provider for names in PROVIDERS.values() for provider in names} <= set(shipped().providers)


@pytest.mark.parametrize(
    ("adapter", "model", "prompt", "completion"),
    [
        ("openai", "gpt-4o", 2_500_000, 10_000_000),
        ("openai", "gpt-4o-mini", 150_000, 600_000),
        ("openai", "gpt-4o-2024-08-06", 2_500_000, 10_000_000),
        ("openai", "text-embedding-3-small", 20_000, 0),
        ("azure", "gpt-4o", 2_500_000, 10_000_000),
        ("anthropic", "claude-3-haiku-20240307", 250_000, 1_250_000),
    ],
)
def test_models_are_found_by_their_usual_names(adapter, model, prompt, completion):
    price = shipped().find(model, adapter)
    assert (price.prompt, price.completion) == (prompt, completion)
    assert price.name.startswith(shipped().source)


@pytest.mark.parametrize(
    ("adapter", "model"),
    [("ollama", "gpt-4o"), ("vllm", "deepseek-chat"), ("openai", ""), ("openai", "gpt"),
     ("openai", "no-such-model"),
     ("nobody", "gpt-4o"), ("anthropic", "gpt-4o"), ("openai", "x" * 100_000)],
)  # fmt: skip
def test_what_is_not_known_has_no_price(adapter, model):
    assert shipped().find(model, adapter) is None


FOUND = [
    ("openai", "GPT-4o", "openai/gpt-4o"), ("openai", "openai/gpt-4o", "openai/gpt-4o"),
    ("openai", "gpt-4o-2024-05-13", "openai/gpt-4o-2024-05-13"),
    ("openai", "gpt-4o-20240513", "openai/gpt-4o-2024-05-13"),
    ("openai", "gpt-4o-2031-01-01", "openai/gpt-4o"), ("openai", "gpt-4o-20310101", "openai/gpt-4o"),
    ("openai", "o4-mini", "openai/o4-mini"), ("openai", "whisper-1", "openai/whisper-1"),
    ("openai", "gpt-4o-audio-preview-2024-12-17", "openai/gpt-4o-audio-preview"),
    ("openai", "claude-sonnet-4-5-20250929", "anthropic/claude-sonnet-4-5"),
    ("openai", "deepseek-chat", "deepseek/deepseek-chat"), ("openai", "glm-4.5", "zai/GLM-4.5"),
    ("azure", "gpt-35-turbo", "openai/gpt-3.5-turbo"), ("azure", "o1", "azure/o1"),
    ("anthropic", "claude-opus-5-20260801", "anthropic/claude-opus-5"),
    ("anthropic", "claude-3-5-sonnet-latest", "anthropic/claude-3-5-sonnet"),
    ("gemini", "models/gemini-2.5-pro", "google/gemini-2.5-pro"),
    ("gemini", "gemini-2.5-pro-preview-05-06", "google/gemini-2.5-pro"),
    ("gemini", "gemini-2.5-pro-preview-tts", "google/gemini-2.5-pro-tts"),
    ("gemini", "gemini-2.0-flash-001", "google/gemini-2.0-flash"),
    ("bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
     "aws/regional.anthropic.claude-sonnet-4-5-20250929-v1:0"),
    ("bedrock", "anthropic.claude-3-haiku-20240307-v1:0",
     "aws/regional.anthropic.claude-3-haiku-20240307-v1:0"),
    ("bedrock", "us.amazon.nova-2-lite-v1:0", "aws/regional.amazon.nova-2-lite-v1:0"),
    ("deepseek", "deepseek-reasoner", "deepseek/deepseek-reasoner"),
    ("zhipu", "glm-4.6", "zai/GLM-4.6"), ("zhipu", "GLM-4-Plus", "zhipuai/GLM-4-Plus"),
    ("moonshot", "kimi-k2-0905-preview", "moonshotai/kimi-k2-0905-preview"),
    ("moonshot", "moonshot-v1-8k", "moonshotai/moonshot-v1-8k"),
    ("mistral", "mistral-large-latest", "mistral/mistral-large"), ("xai", "grok-4", "x-ai/grok-4-0709"),
    ("minimax", "MiniMax-M2", "minimax/MiniMax-M2"), ("cohere", "command-a-03-2025", "cohere/command-a"),
    ("groq", "qwen/qwen3-32b", "groq/qwen/qwen3-32b"), ("perplexity", "sonar-pro", "perplexity/sonar-pro"),
    ("openrouter", "openai/gpt-4o-mini", "openrouter/openai/gpt-4o-mini"),
    ("openrouter", "anthropic/claude-sonnet-4.5", "openrouter/anthropic/claude-sonnet-4.5"),
]  # fmt: skip


@pytest.mark.parametrize(("adapter", "model", "row"), FOUND, ids=lambda text: text)
def test_a_name_means_the_model_that_its_provider_means(adapter, model, row):
    assert shipped().find(model, adapter).name == f"{shipped().source} {row}"


@pytest.mark.parametrize(
    "model",
    ["qwen-max", "llama3.1:8b", "deepseek-ai/DeepSeek-V3", "Qwen/Qwen3-32B", "local/gpt-4o", "my-gpt-4o",
     "gpt-4o:free",
     "gpt-4o-", "gpt-4o-2024", "gpt-4o-mini-2", "-20240513", "openai/", "models/gpt-4o"],
)  # fmt: skip
def test_a_name_that_nobody_means_is_not_guessed(model):
    assert shipped().find(model, "openai") is None


def test_another_host_of_a_model_is_not_its_maker():
    assert shipped().find("claude-3-haiku-20240307", "openrouter") is None


def test_a_table_knows_its_own_models_alone():
    assert Table().find("gpt-4o", "openai") is None


def test_every_model_is_found_by_its_own_name_where_no_other_provider_comes_first():
    table = shipped()
    for adapter, (provider, *others) in PROVIDERS.items():
        for model in table.providers[provider] if not others else ():
            assert table.find(model, adapter).name == f"{table.source} {provider}/{model}"


def test_every_number_is_whole_and_every_expression_an_expression():
    for rows in shipped().providers.values():
        for row in rows.values():
            assert all(type(value) in (int, type(None)) for value in msgspec.structs.astuple(row)[:13])
            re.compile(row.like)
            assert all(
                text and text == text.lower() for text in (*row.names, *row.starts, *row.ends, *row.within)
            )


def test_a_free_book_is_free_of_what_the_shipped_one_knows():
    assert EVERYTHING_FREE.find("gpt-4o", "gpt-4o", "openai") == Price("unpriced")
