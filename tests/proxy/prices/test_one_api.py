"""One API's ratios, as it saves them, become prices; what is no ratio is refused."""

import json

import pytest
from canalgate.proxy.billing.pricing import Price
from canalgate.proxy.prices.one_api import read_ratios


def prices(**tables):
    return read_ratios(json.dumps(tables))[0]


def price(model, ratio, **completion):
    found = prices(ModelRatio={model: ratio}, CompletionRatio=completion)
    return found[model].prompt, found[model].completion


@pytest.mark.parametrize(
    ("model", "ratio", "expected"),
    [
        ("mine", 1, (2_000_000, 2_000_000)),
        ("mine", 0, (0, 0)),
        ("mine", 0.1, (200_000, 200_000)),
        ("mine", 0.0000001, (1, 1)),
        ("gpt-4o", 1.25, (2_500_000, 10_000_000)),
        ("gpt-4o-2024-05-13", 2.5, (5_000_000, 15_000_000)),
        ("gpt-4", 15, (30_000_000, 60_000_000)),
        ("gpt-4-0125-preview", 5, (10_000_000, 30_000_000)),
        ("gpt-3.5-turbo", 0.25, (500_000, 1_500_000)),
        ("gpt-3.5-turbo-0613", 0.75, (1_500_000, 2_000_000)),
        ("claude-3-haiku-20240307", 0.125, (250_000, 1_250_000)),
        ("claude-2.1", 4, (8_000_000, 24_000_000)),
        ("gemini-1.5-pro", 0.625, (1_250_000, 3_750_000)),
        ("o1", 7.5, (15_000_000, 60_000_000)),
    ],
)
def test_a_ratio_of_one_is_two_dollars_a_million_and_completions_go_by_the_name(model, ratio, expected):
    assert price(model, ratio) == expected


def test_a_completion_ratio_that_is_stated_wins_over_the_name():
    assert price("gpt-4o", 1, **{"gpt-4o": 1.5}) == (2_000_000, 3_000_000)


@pytest.mark.parametrize(
    ("model", "ratio", "expected"),
    [
        ("dall-e-3", 20, Price("", image=40_000_000_000)),
        ("cogview-3", 7.1, Price("", image=14_200_000_000)),
        ("tts-1", 7.5, Price("", character=15_000_000)),
        ("whisper-1", 15, Price("", 30_000_000, second=100_000_000)),
    ],
)
def test_images_and_audio_have_the_price_that_one_api_charges(model, ratio, expected):
    assert prices(ModelRatio={model: ratio}) == {model: expected}


FORMS = {
    "options": {"ModelRatio": {"m": 1}, "GroupRatio": {"vip": 0.8}},
    "options as saved": {"ModelRatio": '{"m": 1}', "GroupRatio": '{"vip": 0.8}', "Theme": "default"},
    "answer of the API": {
        "success": True,
        "data": [
            {"key": "ModelRatio", "value": '{"m": 1}'},
            {"key": "GroupRatio", "value": '{"vip": 0.8}'},
        ],
    },
}


@pytest.mark.parametrize("form", FORMS)
def test_each_form_of_a_file_is_read(form):
    found, groups = read_ratios(json.dumps(FORMS[form]))
    assert found == {"m": Price("", 2_000_000, 2_000_000)}
    assert groups == {"vip": 800_000}


def test_models_ratios_alone_are_read():
    assert read_ratios('{"m": 1}') == ({"m": Price("", 2_000_000, 2_000_000)}, {})


HOSTILE = [
    "-1", "-0.5", "NaN", "Infinity", "-Infinity", "1e400", "1e99999999999999999999", "1e-99999999", "1000001",
    "9" * 5000, str(2**63), '"1"', "true", "null", "[]", "{}",
]  # fmt: skip


@pytest.mark.parametrize("table", ["ModelRatio", "CompletionRatio", "GroupRatio"])
@pytest.mark.parametrize("number", HOSTILE, ids=lambda number: number[:12])
def test_what_is_no_ratio_is_refused(table, number):
    with pytest.raises(ValueError, match=r"expected a ratio from 0|exponent"):
        read_ratios(f'{{"{table}": {{"m": {number}}}}}')


@pytest.mark.parametrize(
    "text",
    ["", "[", "5", "null", '"x"', "[]", '{"data": []}', '{"data": [{"key": [1], "value": 1}]}', "[" * 100_000,
     '{"ModelRatio": 5}', '{"ModelRatio": "{"}', '{"ModelRatio": ""}', '{"GroupRatio": []}',
     '{"data": [{"key": "ModelRatio", "value": "{bad"}]}'],
    ids=lambda text: text[:30],
)  # fmt: skip
def test_what_is_no_file_of_ratios_is_refused(text):
    with pytest.raises(ValueError, match=r"expected|not valid JSON"):
        read_ratios(text)
