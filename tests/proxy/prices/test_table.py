"""The shipped table: whole, and found by the names that channels use."""

import datetime

import msgspec
import pytest
from canalgate.adapters import BUILTIN
from canalgate.plugins.manager import PluginManager
from canalgate.proxy.prices.table import PROVIDERS, shipped
from canalgate.proxy.pricing import Price


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


@pytest.mark.parametrize(("adapter", "model"), [("deepseek", "deepseek-chat"), ("gemini", "gemini-2.5-flash"),
                                                ("xai", "grok-4")])  # fmt: skip
def test_other_makers_are_there(adapter, model):
    assert isinstance(shipped().find(model, adapter), Price)
