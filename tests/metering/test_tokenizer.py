"""Tokens of texts: which tokenizer a model has, and how far the estimate is from it."""

import time

import pytest
import texts
from canalgate.proxy.metering import tokenizer
from canalgate.proxy.metering.tokenizer import count_tokens, encoding_of, estimate_tokens

MEAN_ERROR, WORST_ERROR = 0.06, 0.16
"""What the module's docstring says of the estimate."""


@pytest.mark.parametrize(
    ("model", "encoding"),
    [
        ("gpt-4o", "o200k_base"),
        ("gpt-4o-mini-2024-07-18", "o200k_base"),
        ("openai/gpt-4.1-nano", "o200k_base"),
        ("GPT-5.2-pro", "o200k_base"),
        ("o1", "o200k_base"),
        ("o3-mini", "o200k_base"),
        ("o4-mini-2025-04-16", "o200k_base"),
        ("chatgpt-4o-latest", "o200k_base"),
        ("ft:gpt-4o-2024-08-06:org::id", "o200k_base"),
        ("gpt-4", "cl100k_base"),
        ("gpt-4-turbo", "cl100k_base"),
        ("gpt-3.5-turbo-16k", "cl100k_base"),
        ("gpt-35-turbo", "cl100k_base"),
        ("text-embedding-3-large", "cl100k_base"),
        ("text-embedding-ada-002", "cl100k_base"),
        ("gpt-oss-120b", "o200k_harmony"),
        ("Qwen/Qwen3.5-27B", "qwen3.5"),
        ("text-davinci-003", None),
        ("qwen2.5-72b", None),
        ("deepseek-chat", None),
        ("claude-sonnet-4", None),
        ("o200", None),
        ("my-gpt-4o", None),
        ("", None),
    ],
)
def test_a_model_has_the_tokenizer_of_its_family(model, encoding):
    assert encoding_of(model) == encoding


def test_every_encoding_named_is_one_that_can_be_loaded():
    names = {name for name, _ in tokenizer._ENCODINGS}
    assert all(tokenizer._counter(name)(["hello world"]) == 2 for name in names)


@pytest.mark.parametrize(
    ("given", "model", "counted"),
    [
        ([], "gpt-4o", (0, True)),
        ([""], "gpt-4o", (0, True)),
        ([], "claude", (0, True)),
        (["hello world"], "gpt-4o", (2, True)),
        (["hello world", "", "hello"], "gpt-4", (3, True)),
        (["<|endoftext|>"], "gpt-4o", (7, True)),
        (["half a pair: \ud800"], "gpt-4o", (5, True)),
        (["hello world"], "claude", (3, False)),
        (["."], "claude", (1, False)),
        (["\ud800"], "claude", (2, False)),
    ],
)
def test_texts_are_counted_together(given, model, counted):
    assert count_tokens(given, model) == counted


def test_without_the_extra_everything_is_estimated(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "toktok", None)
    tokenizer._counter.cache_clear()
    try:
        assert count_tokens(["hello world"], "gpt-4o") == (3, False)
    finally:
        tokenizer._counter.cache_clear()


@pytest.mark.parametrize("model", ["gpt-4o", "gpt-4", "claude"])
@pytest.mark.parametrize("text", ["a" * 20_000, "ab" * 500_000, " " * 1_000_000, "字" * 20_000, "!" * 20_000])
def test_no_text_takes_seconds(text, model):
    count_tokens(["warm"], model)
    before = time.process_time()
    count_tokens([text], model)
    assert time.process_time() - before < 0.5


def test_a_long_text_counted_in_slices_differs_by_no_more_than_their_number():
    text = texts.ENGLISH * 400
    whole = tokenizer._counter("o200k_base")([text])
    slices = len(text) // tokenizer._SLICE_CHARS
    assert slices > 2
    assert abs(count_tokens([text], "gpt-4o")[0] - whole) <= slices


def test_a_very_long_text_is_estimated_by_sample():
    text = texts.ENGLISH * 1000
    assert abs(estimate_tokens(text) / (1000 * estimate_tokens(texts.ENGLISH)) - 1) < 0.02


def error(text):
    return abs(estimate_tokens(text) / count_tokens([text], "gpt-4o")[0] - 1)


KINDS = {**texts.NATURAL, **texts.DENSE}


@pytest.mark.parametrize("kind", KINDS)
def test_the_estimate_is_never_further_off_than_stated(kind):
    assert error(KINDS[kind]) <= WORST_ERROR


def test_the_estimate_is_on_average_as_near_as_stated():
    assert sum(map(error, KINDS.values())) / len(KINDS) <= MEAN_ERROR


@pytest.mark.parametrize("kind", ["python", "json", "markdown", "log"])
def test_the_estimate_holds_for_pieces_of_a_text_too(kind):
    text = KINDS[kind]
    half = len(text) // 2
    assert error(text[:half]) <= 2 * WORST_ERROR
    assert error(text[half:]) <= 2 * WORST_ERROR
