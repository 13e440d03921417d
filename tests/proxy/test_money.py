"""Amounts and ratios as people write them."""

import pytest
from canalgate.proxy.billing.money import (
    MOST_QUOTA,
    parse_balance,
    parse_change,
    parse_quota,
    parse_ratio,
    show_quota,
    show_ratio,
)
from canalgate.proxy.config import Config, Quota, check
from canalgate.proxy.errors import ConfigError
from hypothesis import given
from hypothesis import strategies as st

QUOTA = [
    ("0", 0), ("5000000", 5_000_000), ("10usd", 5_000_000), ("10USD", 5_000_000), ("$10", 5_000_000),
    ("0.5usd", 250_000), ("$0.000002", 1), ("1.10usd", 550_000), ("$0.0000020", 1),
    (str(MOST_QUOTA), MOST_QUOTA), ("$9223372036854.775806", MOST_QUOTA), ("007", 7),
]  # fmt: skip


@pytest.mark.parametrize(("text", "quota"), QUOTA)
def test_an_amount_is_read_exactly(text, quota):
    assert parse_quota(text) == quota


HOSTILE = [
    "", " ", "-1", "-5usd", "-$5", "$-5", "+1", "NaN", "nan", "Infinity", "inf", "-0", "1e400", "1e5",
    "1E400usd", "$1e2", str(MOST_QUOTA + 1), str(2**63), "9" * 5000, f"{'9' * 40}usd",
    "$9223372036854.775808", "usd", "$", "$$1", "$1usd", "1 usd", " 1", "1\n", "10usd\n", "1_000",
    "1,000", "1.5", "0x10", "１０", "²", "٣usd", ".5usd", "5.usd", "$1.2.3", "$0.000001", "$0.0000001",
    f"$0.{'0' * 30}1", "unlimited", "10eur", "1\0", "$1/3", "00usd",
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text)[:30])
def test_what_is_no_amount_is_refused_in_a_line_that_says_what_is(text):
    with pytest.raises(ValueError, match=r"expected an amount like|in steps of|too much") as caught:
        parse_quota(text)
    assert len(str(caught.value)) < 200
    assert "\n" not in str(caught.value)


@given(st.integers(0, MOST_QUOTA))
def test_what_is_shown_reads_back_as_the_same_amount(quota):
    assert parse_quota(show_quota(quota)) == quota
    assert parse_quota(f"{quota}") == quota


@pytest.mark.parametrize(
    ("quota", "text"),
    [
        (0, "$0"), (1, "$0.000002"), (6_172_839, "$12.345678"), (500_000, "$1"), (50_000_000, "$100"),
        (-2_500_000, "-$5"), (-1, "-$0.000002"), (2**62, "$9223372036854.775808"),
    ],
)  # fmt: skip
def test_money_is_shown_without_zeros_at_its_end(quota, text):
    assert show_quota(quota) == text


@pytest.mark.parametrize(
    ("text", "change"), [("-5usd", -2_500_000), ("-$5", -2_500_000), ("-7", -7), ("7", 7)]
)
def test_a_change_may_be_negative(text, change):
    assert parse_change(text) == change


@pytest.mark.parametrize("text", ["--5", "-", "0", "-0", "0usd", "-NaN", "- 5", "unlimited", "-1e400", ""])
def test_what_is_no_change_is_refused(text):
    with pytest.raises(ValueError, match=r"expected an amount|changes nothing"):
        parse_change(text)


def test_a_balance_may_be_without_limit_and_only_by_that_word():
    assert parse_balance("unlimited") is None
    assert parse_balance("0") == 0
    with pytest.raises(ValueError, match="'Unlimited'"):
        parse_balance("Unlimited")


@pytest.mark.parametrize(
    ("text", "ratio"), [("0.8", 800_000), ("1", 1_000_000), ("0", 0), ("0.000001", 1), ("1000000", 10**12)]
)
def test_a_ratio_is_read_and_shown_exactly(text, ratio):
    assert parse_ratio(text) == ratio
    assert show_ratio(ratio) == text


@pytest.mark.parametrize(
    "text",
    ["", "-1", "NaN", "1e2", "0.0000001", "1000000.000001", "9" * 5000, "1,5", "x", "1\n", "٣", "inf"],
    ids=lambda text: ascii(text)[:30],
)  # fmt: skip
def test_what_is_no_ratio_is_refused(text):
    with pytest.raises(ValueError, match="expected a ratio like"):
        parse_ratio(text)


@pytest.mark.parametrize(
    ("name", "value"),
    [("new_user", "lots"), ("invited", "-1usd"), ("invited", "unlimited"), ("inviter", "NaN")],
)
def test_a_setting_that_is_no_amount_is_named(name, value):
    with pytest.raises(ConfigError, match=rf"quota\.{name} = '{value}'"):
        check(Config(quota=Quota(**{name: value})))
