"""Prices and ratios in the store, on each database."""

import re

import pytest
from canalgate.proxy.billing.pricing import Price
from canalgate.proxy.store import StoreError

PRICE = Price("", 2_500_000, 10_000_000, 0, call=2**62, context=128_000)


async def test_a_price_comes_back_whole_and_says_when_it_was_set(store):
    await store.prices.set("gpt-4o 主", PRICE)
    (found,) = (await store.prices.all()).values()
    assert re.fullmatch(r"set \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ gpt-4o 主", found.name)
    assert (found.prompt, found.completion, found.cached, found.call) == (2_500_000, 10_000_000, 0, 2**62)
    assert (found.cache_write, found.context) == (None, 128_000)


async def test_names_that_differ_in_case_alone_have_prices_of_their_own(store):
    await store.prices.set("GLM-4", Price("", 1))
    await store.prices.set("glm-4", Price("", 2))
    assert sorted(price.prompt for price in (await store.prices.all()).values()) == [1, 2]


async def test_a_price_set_again_is_replaced(store):
    await store.prices.set("m", PRICE)
    await store.prices.set("m", Price("", 1))
    assert [(model, price.prompt) for model, price in (await store.prices.all()).items()] == [("m", 1)]


async def test_a_price_that_is_unset_is_gone(store):
    await store.prices.set("m", PRICE)
    await store.prices.unset("m")
    assert await store.prices.all() == {}


async def test_groups_have_the_ratios_that_were_set(store):
    await store.prices.set_group_ratio("vip", 800_000)
    await store.prices.set_group_ratio("vip", 0)
    assert await store.prices.group_ratios() == {"vip": 0}


CHANGES = {
    "set": lambda store: store.prices.set("n", PRICE),
    "set many": lambda store: store.prices.set_all({"a": PRICE, "b": PRICE}, {"vip": 1}),
    "unset": lambda store: store.prices.unset("m"),
    "set a group": lambda store: store.prices.set_group_ratio("vip", 1),
}


@pytest.mark.parametrize("change", CHANGES)
async def test_each_change_moves_the_generation_by_one(store, change):
    await store.prices.set("m", PRICE)
    before = await store.generation()
    await CHANGES[change](store)
    assert await store.generation() == before + 1


REFUSED = {
    "no name": lambda store: store.prices.set("", PRICE),
    "a long name": lambda store: store.prices.set("x" * 192, PRICE),
    "a name with a zero": lambda store: store.prices.set("a\0b", PRICE),
    "a name of two lines": lambda store: store.prices.set("a\nb", PRICE),
    "half a character": lambda store: store.prices.set("\ud800", PRICE),
    "a group of half a character": lambda store: store.prices.set_group_ratio("\ud800", 1),
    "one bad name of many": lambda store: store.prices.set_all({"n": PRICE, "": PRICE}, {}),
    "nothing to unset": lambda store: store.prices.unset("nobody"),
    "no group": lambda store: store.prices.set_group_ratio("", 1),
    "a negative ratio": lambda store: store.prices.set_group_ratio("vip", -1),
    "a huge ratio": lambda store: store.prices.set_group_ratio("vip", 2**63),
    "a good price with a bad group": lambda store: store.prices.set_all({"n": PRICE}, {"vip": -1}),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_what_is_refused_changes_nothing(store, case):
    await store.prices.set("m", PRICE)
    before = await store.generation(), await store.prices.all(), await store.prices.group_ratios()
    with pytest.raises(StoreError):
        await REFUSED[case](store)
    assert (await store.generation(), await store.prices.all(), await store.prices.group_ratios()) == before


async def test_prices_are_set_and_forgotten_in_one_change(store):
    await store.prices.set_all({"m": PRICE, "n": PRICE}, {})
    before = await store.generation()
    await store.prices.set_all({"o": PRICE}, {"vip": 5}, ["m", "nobody"])
    assert set(await store.prices.all()) == {"n", "o"}
    assert await store.generation() == before + 1
    with pytest.raises(StoreError):
        await store.prices.set_all({}, {"vip": -1}, ["n"])
    assert set(await store.prices.all()) == {"n", "o"}
