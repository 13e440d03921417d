"""One rounding, upwards, exact to the last pico-dollar before it."""

from fractions import Fraction
from math import ceil

import pytest
from canalgate.proxy.billing.pricing import PICO_PER_QUOTA, RATIO_ONE, Price, cost
from canalgate.proxy.ledger.entry import Counts
from hypothesis import given
from hypothesis import strategies as st

amounts = st.integers(0, 10**13)
counts = st.integers(0, 2**40)
ratios = st.integers(0, 10**9)


@given(counts, counts, counts, counts, amounts, amounts, amounts, amounts, ratios, ratios)
def test_it_is_the_exact_sum_rounded_up_once(
    prompt,
    completion,
    cached,
    reasoning,
    for_prompt,
    for_completion,
    for_cached,
    for_reasoning,
    group,
    channel,
):
    cached, reasoning = min(cached, prompt), min(reasoning, completion)
    price = Price("x", for_prompt, for_completion, for_cached, reasoning=for_reasoning)
    used = Counts(prompt, completion, cached, reasoning_tokens=reasoning)
    exact = Fraction(
        (prompt - cached) * for_prompt + cached * for_cached
        + (completion - reasoning) * for_completion + reasoning * for_reasoning
    ) * Fraction(group, RATIO_ONE) * Fraction(channel, RATIO_ONE) / PICO_PER_QUOTA  # fmt: skip
    assert cost(used, price, group, channel) == ceil(exact)


@given(counts, counts, amounts, amounts)
def test_more_never_costs_less(prompt, completion, for_prompt, for_completion):
    price = Price("x", for_prompt, for_completion)
    assert cost(Counts(prompt, completion), price) <= cost(Counts(prompt + 1, completion + 1), price)


@given(st.lists(counts, min_size=12, max_size=12), amounts)
def test_it_is_never_below_zero_even_where_parts_exceed_their_whole(used, amount):
    price = Price("x", amount, amount, *[amount] * 7)
    assert cost(Counts(*used), price) >= 0


@given(st.lists(counts, min_size=9, max_size=9), st.lists(amounts, min_size=9, max_size=9))
def test_parts_never_cost_more_than_their_whole_at_the_dearest_price(used, prices):
    price, counted = Price("x", *prices), Counts(*used)
    most = counted.prompt_tokens * max(prices[0], *prices[2:4], *prices[5:6], prices[7])
    most += counted.completion_tokens * max(prices[1], prices[4], prices[6], prices[8])
    assert cost(counted, price) <= ceil(Fraction(most, PICO_PER_QUOTA))


@given(st.lists(counts, min_size=12, max_size=12), amounts)
def test_parts_without_a_price_of_their_own_cost_as_their_whole(used, amount):
    price = Price("x", amount, amount)
    whole = Counts(used[0], used[1])
    assert cost(Counts(*used), price) == cost(whole, price)


@given(counts, counts, amounts, ratios, ratios)
def test_a_larger_ratio_never_costs_less(prompt, completion, amount, ratio, more):
    price, used = Price("x", amount, amount), Counts(prompt, completion)
    assert cost(used, price, ratio, ratio) <= cost(used, price, ratio + more, ratio)


def test_counts_beyond_any_sense_are_exact():
    assert cost(Counts(2**200), Price("x", 2**62), 2**60) == ceil(
        Fraction(2**322, PICO_PER_QUOTA * RATIO_ONE)
    )


@pytest.mark.parametrize("part", [name for name in Price.__struct_fields__ if name != "name"])
@pytest.mark.parametrize("value", [-1, -(2**63), 2**62 + 1, 2**64])
def test_a_price_that_is_a_gift_or_too_large_cannot_be_made(part, value):
    with pytest.raises(ValueError, match=f"{part} is out of range"):
        Price("x", **{part: value})


OVERLAPS = [
    (Price("x", 10, cached=2, audio_prompt=40), Counts(100, cached_tokens=100, audio_prompt_tokens=50), 200),
    (Price("x", 10, cached=2, audio_prompt=40), Counts(100, cached_tokens=80, audio_prompt_tokens=50), 960),
    (Price("x", 10, cached=2, audio_prompt=40), Counts(100, cached_tokens=30, audio_prompt_tokens=50), 2260),
    (Price("x", 10, audio_prompt=40), Counts(100, cached_tokens=80, audio_prompt_tokens=50), 2500),
    (Price("x", 0, 10, reasoning=20), Counts(0, 5, reasoning_tokens=10**9), 100),
    (Price("x", 10, cached=0), Counts(0, cached_tokens=10**9), 0),
]


@pytest.mark.parametrize(("price", "used", "pico"), OVERLAPS)
def test_of_parts_that_overlap_the_cached_come_first(price, used, pico):
    assert cost(used, price, RATIO_ONE * RATIO_ONE, PICO_PER_QUOTA) == pico


@pytest.mark.parametrize(
    ("price", "used", "quota"),
    [
        (Price("a dollar a million"), Counts(10**6, 10**6), 0),
        (Price("x", prompt=1_000_000), Counts(1_000_000), 500_000),
        (Price("x", prompt=1), Counts(1), 1),
        (Price("x", prompt=2_500_000, completion=10_000_000), Counts(1000, 500), 3750),
        (Price("x", call=40_000_000_000), Counts(), 20_000),
        (Price("x", image=40_000_000_000), Counts(images=3), 60_000),
        (Price("x", second=100_000_000), Counts(milliseconds=1500), 75),
        (Price("x", second=1), Counts(milliseconds=1), 1),
        (Price("x", character=15_000_000), Counts(characters=1000), 7500),
        (Price("x", prompt=10, audio_prompt=2_000_000), Counts(7, audio_prompt_tokens=7), 7),
        (Price("x", completion=10, image_completion=2_000_000), Counts(0, 7, image_completion_tokens=7), 7),
    ],
)
def test_known_sums(price, used, quota):
    assert cost(used, price) == quota
