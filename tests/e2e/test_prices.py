"""Which price a request is billed at, and what happens to one without a price."""

import asyncio

import pytest
import support
from canalgate.proxy.billing.pricing import Price
from canalgate.proxy.store.requests import Filters
from support import json_answer

USAGE = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}
ANSWER = json_answer(
    {
        "object": "chat.completion",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "hello"}}],
        "usage": USAGE,
    }
)


async def billed(gateway, model, before=0):
    """Ask for a model and return the row that is booked, after so many others."""
    assert (await gateway.chat(model=model)).status == 200
    async with asyncio.timeout(5):
        while True:
            rows, _ = await gateway.parts.store.requests.page(Filters(), None, 10)
            if len(rows) > before:
                return rows[0]
            await asyncio.sleep(0.02)


async def test_a_model_is_billed_by_its_providers_name_at_the_shipped_price(tmp_path, provider):
    provider.says(ANSWER)
    async with support.gateway(tmp_path) as gateway:
        await gateway.add_channel(provider, "alias", mapping={"alias": "gpt-4o"})
        row = await billed(gateway, "alias")
    assert row.cost == 1250 + 500
    assert row.price.startswith("genai-prices ") and row.price.endswith(" openai/gpt-4o")


async def test_what_an_operator_sets_is_billed_from_the_next_request_on(tmp_path, provider):
    provider.says(ANSWER)
    (tmp_path / "prices.toml").write_text('["gpt-4o"]\nprompt = 2\n')
    prices = {"file": str(tmp_path / "prices.toml")}
    async with support.gateway(tmp_path, prices=prices) as gateway:
        await gateway.add_channel(provider, "alias", mapping={"alias": "gpt-4o"})
        by_file = await billed(gateway, "alias")
        await gateway.parts.store.prices.set("alias", Price("", call=10**12))
        await gateway.live.catch_up()
        by_name = await billed(gateway, "alias", before=1)
    assert (by_file.cost, by_file.price) == (1000, "file gpt-4o")
    assert by_name.cost == 500_000
    assert by_name.price.startswith("set ") and by_name.price.endswith(" alias")


async def test_a_file_that_breaks_while_the_gateway_runs_stops_nothing(tmp_path, provider):
    provider.says(ANSWER)
    path = tmp_path / "prices.toml"
    path.write_text("[m]\nprompt = 2\n")
    async with support.gateway(tmp_path, prices={"file": str(path)}) as gateway:
        path.write_text("[")
        await gateway.add_channel(provider, "m")
        assert (await billed(gateway, "m")).cost == 1000


@pytest.mark.parametrize(
    ("settings", "cost", "price"),
    [
        ({}, 0, "unpriced"),
        ({"unpriced": "default", "default_prompt": "2", "default_completion": "20"}, 2000, "default"),
    ],
)
async def test_a_model_without_a_price_is_served_and_the_row_says_so(
    tmp_path, provider, settings, cost, price
):
    provider.says(ANSWER)
    async with support.gateway(tmp_path, prices=settings) as gateway:
        await gateway.add_channel(provider, "mystery")
        row = await billed(gateway, "mystery")
    assert (row.cost, row.price) == (cost, price)


async def test_where_such_models_are_refused_no_provider_is_asked(tmp_path, provider):
    async with support.gateway(tmp_path, prices={"unpriced": "refuse"}) as gateway:
        await gateway.add_channel(provider, "mystery")
        got = await gateway.chat(model="mystery")
    assert (got.status, got.json["error"]["code"]) == (403, "model_not_priced")
    assert not provider.asked


async def test_the_root_user_is_served_without_a_price_as_it_comes(tmp_path):
    async with support.gateway(tmp_path) as gateway:
        await gateway.live.catch_up()
        assert (await gateway.chat(model="demo")).status == 200
