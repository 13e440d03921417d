"""Which price wins, and what no price may be."""

import re
from pathlib import Path

import pytest
from canalgate.proxy.billing.pricing import Price
from canalgate.proxy.config import Prices
from canalgate.proxy.errors import ConfigError
from canalgate.proxy.prices.amounts import BOUNDS, EACH, read_amount, read_price, show_amount, show_price
from canalgate.proxy.prices.book import make_book
from hypothesis import given
from hypothesis import strategies as st

SET = Price("set now", 1, 2)


def book(tmp_path, text="", in_store=None, **settings):
    path = tmp_path / "prices.toml"
    path.write_text(text)
    return make_book(Prices(file=str(path) if text else "", **settings), in_store or {})


def test_what_is_set_wins_over_the_file_and_the_file_over_the_table(tmp_path):
    text = '["gpt-4o"]\nprompt = "7"\n["mine"]\nprompt = 0.5\n'
    prices = book(tmp_path, text, {"mine": SET})
    assert prices.find("mine", "mine", "openai") is SET
    assert prices.find("gpt-4o", "gpt-4o", "openai").prompt == 7_000_000
    assert prices.find("gpt-4o-mini", "gpt-4o-mini", "openai").prompt == 150_000


def test_the_clients_name_wins_over_the_providers(tmp_path):
    prices = book(tmp_path, in_store={"alias": SET, "gpt-4o": Price("other", 9, 9)})
    assert prices.find("alias", "gpt-4o", "openai") is SET
    assert prices.find("another", "gpt-4o", "openai").prompt == 9
    assert prices.find("gpt-4o", "deployment", "openai").prompt == 9


def test_the_providers_name_is_what_the_table_knows(tmp_path):
    assert book(tmp_path).find("alias", "gpt-4o", "openai").prompt == 2_500_000


@pytest.mark.parametrize(
    ("unpriced", "price"),
    [("free", Price("unpriced")), ("refuse", None), ("default", Price("default", 1_500_000, 3_000_000))],
)
def test_a_model_without_a_price_is_what_the_operator_says(tmp_path, unpriced, price):
    prices = book(tmp_path, unpriced=unpriced, default_prompt="1.5", default_completion="3")
    assert prices.find("no-such", "no-such", "openai") == price
    assert prices.stated("no-such", "no-such", "openai") is None


HOSTILE = [
    "-1",
    -1,
    "nan",
    "inf",
    "-inf",
    "1e400",
    1e308,
    2**63,
    "",
    "abc",
    True,
    None,
    [],
    {},
    "1,5",
    "9" * 5000,
    10**5000,
    "1e99999999999",
    "1e-99999999999",
    "١",
    "0x10",
    "1 000",
    "--1",
    b"1",
    2.0**200,
]


@pytest.mark.parametrize("value", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("part", ["prompt", "call"])
def test_what_is_no_amount_is_refused(part, value):
    with pytest.raises(ValueError, match=part):
        read_amount(part, value)


@pytest.mark.parametrize("value", ['"-1"', "-1", "nan", "inf", '"1e400"', '"abc"', "true", "[]", "1e300"])
def test_a_file_with_one_is_refused_by_name(tmp_path, value):
    with pytest.raises(ConfigError, match=r"prices\.toml: \[gpt-4o\] prompt = "):
        book(tmp_path, f'["gpt-4o"]\nprompt = {value}\n')


HUGE = ["9" * 5000, f"0x{'f' * 5000}", "[" * 5000, "1e99999999999999999999"]


@pytest.mark.parametrize("value", HUGE, ids=lambda value: value[:8])
def test_a_number_that_breaks_readers_is_refused_by_name(tmp_path, value):
    with pytest.raises(ConfigError, match=r"prices\.toml: "):
        book(tmp_path, f'["gpt-4o"]\nprompt = {value}\n')


def test_a_name_with_a_dot_and_no_quotes_is_explained(tmp_path):
    with pytest.raises(ConfigError, match=r"\[gpt-4\] '1' is a table: write a name .* in quotes"):
        book(tmp_path, "[gpt-4.1]\nprompt = 2\n")


def test_numbers_as_toml_has_them_are_read(tmp_path):
    text = "[m]\nprompt = +1_000.5\ncompletion = 2e-3\ncached = 3\n"
    price = book(tmp_path, text).find("m", "m", "openai")
    assert (price.prompt, price.completion, price.cached) == (1_000_500_000, 2_000, 3_000_000)


def test_a_file_that_breaks_while_a_gateway_runs_keeps_no_change_from_it(tmp_path):
    prices = book(tmp_path, '["mine"]\nprompt = 0.5\n')
    (tmp_path / "prices.toml").write_text("[")
    changed = prices.with_set({"other": SET})
    assert changed.find("mine", "mine", "openai").prompt == 500_000
    assert changed.find("other", "other", "openai") is SET
    assert prices.find("other", "other", "openai") == Price("unpriced")


@pytest.mark.parametrize(
    ("text", "what"),
    [("x = 1\n", "expected a table"), ("[a]\npromt = 1\n", "unknown field 'promt'"),
     ("[a\n", "not valid TOML"),
     ("[a]\ncontext = -5\n", "context = -5"), ('[a]\noutput = "5"\n', "output = '5'")],
)  # fmt: skip
def test_other_mistakes_of_a_file_are_named(tmp_path, text, what):
    with pytest.raises(ConfigError, match=what.replace("[", r"\[")):
        book(tmp_path, text)


def test_a_file_that_is_not_there_is_said(tmp_path):
    with pytest.raises(ConfigError, match="check the path"):
        make_book(Prices(file=str(tmp_path / "nowhere.toml")), {})


@pytest.mark.parametrize("name", ["default_prompt", "default_completion"])
def test_a_default_that_is_no_amount_is_named(tmp_path, name):
    with pytest.raises(ConfigError, match=rf"prices\.{name} = '-3'"):
        book(tmp_path, unpriced="default", **{name: "-3"})


@pytest.mark.parametrize(
    ("text", "pico"),
    [("0.0000001", 1), ("1e-999", 1), (f"1.{'0' * 50}1", 1_000_001), ("$2.5", 2_500_000), (".5", 500_000)],
)
def test_a_part_of_a_pico_dollar_is_rounded_up(text, pico):
    assert read_amount("prompt", text) == pico


@given(st.integers(0, 10**15))
def test_what_is_shown_reads_as_it_was(pico):
    assert read_amount("prompt", show_amount("prompt", pico)) == pico
    assert read_amount("image", show_amount("image", pico)) == pico


def test_a_price_reads_as_it_is_shown():
    price = read_price("x", {"prompt": "2.5", "completion": 10, "cached": 0.125, "call": "0.01"})
    assert show_price(price) == {"prompt": "2.5", "completion": "10", "cached": "0.125", "call": "0.01"}


def test_the_file_on_the_page_of_prices_has_every_field(tmp_path):
    page = Path(__file__).resolve().parents[3] / "docs" / "prices.md"
    (text,) = re.findall(r"```toml\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    price = book(tmp_path, text).find("gpt-4.1", "deployment", "azure")
    assert all(getattr(price, part) for part in (*EACH, *BOUNDS))
