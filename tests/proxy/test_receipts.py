"""Money as text, and the sum behind a cost."""

import re
from decimal import Decimal

import msgspec
import pytest
from canalgate.proxy.billing.pricing import RATIO_ONE, Price, cost
from canalgate.proxy.billing.receipts import decimal, dollars, explain, receipt
from canalgate.proxy.ledger.entry import Counts, Entry
from hypothesis import given
from hypothesis import strategies as st

ENTRY = Entry(
    "0" * 24, 0, 1, 2, "vip", 3, "chat/completions", "m", "m-1", False, 200, Counts(1000, 200, 400),
    "provider", 1234, 1234, "table:7", 5, 9, 1, "203.0.113.7", problem="dial 10.0.0.5",
)  # fmt: skip


@pytest.mark.parametrize(
    ("quota", "text"),
    [(0, "0"), (1, "0.000002"), (500_000, "1"), (617, "0.001234"), (750_000, "1.5"), (-1, "-0.000002"),
     (2**63 - 1, "18446744073709.551614")],
)  # fmt: skip
def test_quota_is_dollars_to_the_last_digit(quota, text):
    assert dollars(quota) == text


@given(st.integers(-(2**63), 2**63), st.sampled_from([500_000, 1_000_000, 10**12, 1000, 1]))
def test_decimals_are_exact(amount, one):
    text = decimal(amount, one)
    assert re.fullmatch(r"-?(0|[1-9]\d*)(\.\d*[1-9])?", text)
    assert Decimal(text) * one == amount


def test_a_receipt_has_every_field_of_the_row():
    shown = receipt(ENTRY, is_booked=True, for_admin=True)
    renamed = {"counts": "usage", **dict.fromkeys(("queue_ms", "first_byte_ms", "total_ms"), "timing")}
    for name in msgspec.structs.asdict(ENTRY):
        assert renamed.get(name, name) in shown
    assert shown["cost"] == {"quota": 1234, "dollars": "0.002468"}
    assert shown["usage"] == msgspec.structs.asdict(ENTRY.counts)


def test_a_client_is_not_told_what_is_written_for_operators():
    assert "problem" not in receipt(ENTRY, is_booked=True, for_admin=False)


def test_a_sum_is_shown_line_by_line():
    price = Price("table:7", prompt=2_500_000, completion=10_000_000, cached=1_250_000, call=1_000_000)
    entry = msgspec.structs.replace(ENTRY, group_ratio=1_500_000, cost=3001, charged=2000)
    assert explain(entry, price) == [
        "cached_tokens 400 x $0.00000125 = $0.0005",
        "prompt_tokens 600 x $0.0000025 = $0.0015",
        "completion_tokens 200 x $0.00001 = $0.002",
        "call 1 x $0.000001 = $0.000001",
        "together $0.004001",
        "x ratio of the group 1.5",
        "cost, rounded up: 3001 quota = $0.006002",
        "charged: 2000 quota = $0.004",
    ]


def test_without_the_price_the_counts_stand_alone():
    lines = explain(ENTRY, None)
    assert lines[:4] == [
        "prompt_tokens 1000", "completion_tokens 200", "cached_tokens 400",
        "price table:7: not at hand, so the sum cannot be shown",
    ]  # fmt: skip


prices = st.builds(
    Price, st.just("p"), *[st.integers(0, 10**9)] * 2, *[st.none() | st.integers(0, 10**9)] * 7,
    *[st.integers(0, 10**9)] * 4,
)  # fmt: skip
ratios = st.integers(0, 3 * RATIO_ONE)


@given(st.builds(Counts, *[st.integers(0, 10**6)] * 12), prices, ratios, ratios)
def test_the_sum_that_is_shown_makes_the_cost(counts, price, group, channel):
    entry = msgspec.structs.replace(ENTRY, counts=counts, group_ratio=group, channel_ratio=channel)
    lines = explain(entry, price)
    products = [Decimal(line.rpartition("= $")[2]) for line in lines if " x $" in line]
    (together,) = (Decimal(line.removeprefix("together $")) for line in lines if line.startswith("together"))
    assert sum(products) == together
    numerator, denominator = together.as_integer_ratio()
    exact = numerator * 500_000 * group * channel
    assert -(-exact // (denominator * RATIO_ONE**2)) == cost(counts, price, group, channel)
