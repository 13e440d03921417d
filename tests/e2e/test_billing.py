"""Money through the whole gateway: what is reserved, what is charged, what is written down."""

import asyncio
import time
from contextlib import asynccontextmanager

import orjson
import pytest
import support
from canalgate.proxy.billing.pricing import Price
from canalgate.proxy.records import DEFAULT_GROUP, ENABLED, ROLES, User
from canalgate.proxy.store.requests import Filters
from support import CUT, STREAM_END, STREAM_HEAD, chunk, delta, event, json_answer

PRICE = Price("", prompt=2_000_000, completion=4_000_000, cached=1_000_000, reasoning=8_000_000)
"""Quota a token: one of the prompt, two of the completion, half from the cache, four of reasoning."""

USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}


@pytest.fixture
async def provider():
    async with support.provider() as made:
        yield made


def answer(usage=None, text="hello there"):
    whole = {"object": "chat.completion", "choices": [{"index": 0, "message": {"content": text}}]}
    return json_answer(whole | ({"usage": usage} if usage is not None else {}))


def stream(*texts, usage=None, done=True):
    pieces = [chunk(delta(text)) for text in texts]
    if usage is not None:
        pieces.append(chunk(event({"object": "chat.completion.chunk", "choices": [], "usage": usage})))
    if done:
        pieces.append(chunk(b"data: [DONE]\n\n"))
    return (STREAM_HEAD, *pieces, STREAM_END)


@asynccontextmanager
async def shop(folder, provider, *, quota=None, price=PRICE, models=("m",), **settings):
    """A gateway with one priced model and a customer; closed, its ledger is true."""
    async with support.gateway(folder, **settings) as gateway:
        store = gateway.parts.store
        for model in models:
            await store.prices.set(model, price)
        user = await store.add_user(User(0, "customer", ROLES["user"], DEFAULT_GROUP, ENABLED, 1), quota)
        gateway.account = f"user:{user.id}"
        gateway.customer = await gateway.add_token(user_id=user.id)
        await gateway.add_channel(provider, *models)
        yield gateway


async def booked(gateway, count=1):
    """The rows of the ledger, oldest first, once so many are there."""
    async with asyncio.timeout(5):
        while True:
            rows, _ = await gateway.parts.store.requests.page(Filters(), None, 2000)
            if len(rows) >= count:
                return rows[::-1]
            await asyncio.sleep(0.02)


async def remaining(gateway):
    return (await gateway.parts.store.accounts.state(gateway.account)).remaining


async def is_true(gateway):
    return await gateway.parts.store.accounts.violations() == []


PRICED = {
    "plain": (USAGE, 20),
    "some from the cache": (USAGE | {"prompt_tokens_details": {"cached_tokens": 4}}, 6 + 2 + 10),
    "reasoning": (USAGE | {"completion_tokens_details": {"reasoning_tokens": 2}}, 10 + 6 + 8),
    "one token": ({"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}, 3),
}


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("name", PRICED)
async def test_an_answer_costs_what_its_usage_says(tmp_path, provider, name, streamed):
    usage, cost = PRICED[name]
    provider.says(*(stream("hello", usage=usage) if streamed else (answer(usage),)))
    async with shop(tmp_path, provider, quota=10**6) as gateway:
        got = await gateway.chat(key=gateway.customer, stream=streamed, max_tokens=100)
        (row,) = await booked(gateway)
        assert got.status == 200
        assert (row.cost, row.charged, row.usage_source, row.request_id) == (
            cost, cost, "provider", got.headers["x-request-id"],
        )  # fmt: skip
        assert await remaining(gateway) == 10**6 - cost
        assert await is_true(gateway)
        if not streamed:
            assert got.headers["x-canalgate-cost"] == str(cost)


async def test_ratios_of_group_and_channel_multiply(tmp_path, provider):
    provider.says(answer(USAGE))
    async with shop(tmp_path, provider, quota=10**6) as gateway:
        store = gateway.parts.store
        await store.prices.set_group_ratio(DEFAULT_GROUP, 1_500_000)
        (channel,) = await store.channels()
        await store.change_channel(support.replace(channel, ratio=333_333))
        await gateway.live.catch_up()
        await gateway.chat(key=gateway.customer)
        (row,) = await booked(gateway)
        assert row.cost == 10  # 20 x 1.5 x 0.333333 = 9.99999, rounded up


async def test_a_failed_attempt_costs_nothing_and_the_served_one_once(tmp_path, provider):
    async with support.provider(json_answer({"error": {"message": "no"}}, 500)) as broken:
        provider.says(answer(USAGE))
        async with shop(tmp_path, provider, quota=10**6) as gateway:
            await gateway.add_channel(broken, "m", priority=5)
            assert (await gateway.chat(key=gateway.customer)).status == 200
            (row,) = await booked(gateway)
            assert (row.attempts, row.cost) == (2, 20)
            assert await remaining(gateway) == 10**6 - 20


@pytest.mark.parametrize("status", [400, 401, 429, 500])
async def test_a_request_that_nobody_serves_is_written_down_and_costs_nothing(tmp_path, provider, status):
    provider.says(json_answer({"error": {"message": "no"}}, status))
    async with shop(tmp_path, provider, quota=1000) as gateway:
        got = await gateway.chat(key=gateway.customer, max_tokens=10)
        (row,) = await booked(gateway)
        assert (row.cost, row.status, row.usage_source) == (0, got.status, "none")
        assert row.error_type
        assert await remaining(gateway) == 1000


async def test_without_enough_money_nothing_is_asked(tmp_path, provider):
    provider.says(answer(USAGE))
    async with shop(tmp_path, provider, quota=100) as gateway:
        got = await gateway.chat(key=gateway.customer, max_tokens=1000)
        assert (got.status, got.error["code"]) == (402, "insufficient_quota")
        assert provider.asked == []
        assert await remaining(gateway) == 100


async def test_a_tokens_own_limit_holds_whatever_its_user_has(tmp_path, provider):
    provider.says(answer(USAGE))
    async with shop(tmp_path, provider) as gateway:
        store = gateway.parts.store
        (token,) = [one for one in await store.tokens() if one.name.startswith("user")]
        await store.accounts.set_balance(f"token:{token.id}", 90, "test", 1)
        await gateway.live.catch_up()
        assert (await gateway.chat(key=gateway.customer, max_tokens=1000)).status == 402
        assert (await gateway.chat(key=gateway.customer, max_tokens=1)).status == 200
        rows = await booked(gateway, 2)
        assert sorted(row.cost for row in rows) == [0, 20]
        assert (await store.accounts.state(f"token:{token.id}")).remaining == 70


async def test_a_top_up_is_there_at_once(tmp_path, provider):
    provider.says(answer(USAGE))
    async with shop(tmp_path, provider, quota=0) as gateway:
        assert (await gateway.chat(key=gateway.customer, max_tokens=10)).status == 402
        await gateway.parts.store.accounts.credit(gateway.account, 1000, "topup", "", "test", 1)
        await asyncio.sleep(0.25)  # a refusal is remembered for a moment
        assert (await gateway.chat(key=gateway.customer, max_tokens=10)).status == 200


async def test_five_hundred_at_once_against_a_balance_for_a_hundred(tmp_path, provider):
    cost = 100 + 2 * 50
    usage = {"prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150}
    provider.script = lambda asked: (0.02, answer(usage))
    async with shop(tmp_path, provider, quota=100 * cost) as gateway:
        body = {"model": "m", "messages": [{"role": "user", "content": "x" * 100}], "max_tokens": 50}
        asking = [
            gateway.post("/v1/chat/completions", body, key=gateway.customer, timeout=30) for _ in range(500)
        ]
        answers = await asyncio.gather(*asking)
        served = [one for one in answers if one.status == 200]
        assert {one.status for one in answers} == {200, 402}
        assert len(provider.asked) == len(served) <= 100
        await booked(gateway, 500)
        assert await remaining(gateway) == (100 - len(served)) * cost
        assert await is_true(gateway)
        # What is left is spent to the last unit.
        while (await gateway.post("/v1/chat/completions", body, key=gateway.customer)).status == 200:
            pass
        assert len(provider.asked) <= 100
        assert await remaining(gateway) >= 0


@pytest.mark.parametrize("tokens", [0, 1, 2, 5, 20])
@pytest.mark.parametrize("known", [False, True])
async def test_a_client_that_leaves_pays_for_what_was_made(tmp_path, provider, tokens, known):
    provider.says(*stream("one", usage=USAGE))
    async with shop(tmp_path, provider, quota=10**6) as gateway:
        if known:  # the channel has shown that it says what was used
            await gateway.chat(key=gateway.customer, stream=True)
            await booked(gateway)
        role = event({"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]})
        provider.says(STREAM_HEAD, chunk(role), *[chunk(delta(" word")) for _ in range(tokens)], 30.0)
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": True}
        writer.write(gateway.request("/v1/chat/completions", body, key=gateway.customer))
        seen = b""
        while seen.count(b" word") < tokens or b"assistant" not in seen:
            seen += await reader.read(65536)
        left_at = time.monotonic()
        writer.transport.abort()
        async with asyncio.timeout(5):
            await provider.gone.wait()
        assert provider.gone_at[-1] - left_at < 0.25
        row = (await booked(gateway, 1 + known))[-1]
        assert row.counts.completion_tokens == tokens
        assert row.counts.prompt_tokens > 0
        assert row.usage_source == ("estimate" if known else row.usage_source) != "none"
        assert row.error_type == "client_left"
        assert row.charged == row.cost == row.counts.prompt_tokens + 2 * tokens
        assert await is_true(gateway)


async def test_a_client_that_leaves_before_there_is_an_answer_pays_nothing(tmp_path, provider):
    provider.says(30.0)
    async with shop(tmp_path, provider, quota=1000) as gateway:
        _, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 9}
        writer.write(gateway.request("/v1/chat/completions", body, key=gateway.customer))
        async with asyncio.timeout(5):
            while not provider.asked:  # noqa: ASYNC110  a provider has no event for it
                await asyncio.sleep(0.01)
        writer.transport.abort()
        (row,) = await booked(gateway)
        assert (row.cost, row.status, row.error_type) == (0, 499, "client_left")
        assert await remaining(gateway) == 1000


async def test_a_stream_that_its_provider_cuts_is_paid_for_as_far_as_it_came(tmp_path, provider):
    provider.says(STREAM_HEAD, *[chunk(delta(" word")) for _ in range(7)], CUT)
    async with shop(tmp_path, provider, quota=10**6) as gateway:
        got = await gateway.chat(key=gateway.customer, stream=True)
        assert not got.complete
        (row,) = await booked(gateway)
        assert row.counts.completion_tokens == 7
        assert row.charged == row.cost > 14
        assert await is_true(gateway)


HOSTILE = {
    "null": None,
    "text": "many",
    "texts": {"prompt_tokens": "10", "completion_tokens": "5"},
    "negative": {"prompt_tokens": -(10**9), "completion_tokens": -5, "total_tokens": -7},
    "huge": {"prompt_tokens": 2**63, "completion_tokens": 10**30},
    "a list": [1, 2],
    "zeros": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
    "empty": {},
    "only a total below zero": {"total_tokens": -1},
}


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("name", HOSTILE)
async def test_a_hostile_usage_never_credits_and_is_never_nothing(tmp_path, provider, name, streamed):
    said = (
        orjson.dumps(HOSTILE[name])
        if name != "huge"
        else b'{"prompt_tokens":1e300,"completion_tokens":10e99}'
    )
    text = b"three words here"
    if streamed:
        usage = chunk(b'data: {"choices":[],"usage":' + said + b"}\n\n")
        provider.says(STREAM_HEAD, chunk(delta(text.decode())), usage, chunk(b"data: [DONE]\n\n"), STREAM_END)
    else:
        provider.says(
            json_answer(b'{"choices":[{"message":{"content":"' + text + b'"}}],"usage":' + said + b"}")
        )
    async with shop(tmp_path, provider, quota=10**6) as gateway:
        assert (await gateway.chat(key=gateway.customer, stream=streamed)).status == 200
        (row,) = await booked(gateway)
        assert row.usage_source in ("tokenizer", "estimate")
        assert 0 < row.counts.completion_tokens < 20
        assert 0 < row.counts.prompt_tokens < 60
        assert 0 < row.charged == row.cost < 100
        assert await is_true(gateway)


COUNTED = {
    "embeddings": (
        "/v1/embeddings", {"input": "one two three"}, {"data": [], "usage": {"prompt_tokens": 4}},
        "prompt_tokens", 4,
    ),
    "embeddings without usage": (
        "/v1/embeddings", {"input": ["one two three", "four"]}, {"data": []}, "prompt_tokens", None,
    ),
    "rerank": (
        "/v1/rerank", {"query": "a", "documents": ["one two", "three"]}, {"results": []},
        "prompt_tokens", None,
    ),
    "images": (
        "/v1/images/generations", {"prompt": "a cat", "n": 2}, {"data": [{"url": "x"}, {"url": "y"}]},
        "images", 2,
    ),
    "speech": ("/v1/audio/speech", {"input": "hello", "voice": "x"}, None, "characters", 5),
}  # fmt: skip


@pytest.mark.parametrize("name", COUNTED)
async def test_every_kind_of_answer_is_counted(tmp_path, provider, name):
    path, body, said, field, count = COUNTED[name]
    sound = b"HTTP/1.1 200 X\r\ncontent-type: audio/mpeg\r\ncontent-length: 4\r\n\r\nabcd"
    provider.says(sound if said is None else json_answer(said))
    price = Price(
        "", **{{"prompt_tokens": "prompt", "images": "image", "characters": "character"}[field]: 2_000_000}
    )
    async with shop(tmp_path, provider, quota=10**7, price=price) as gateway:
        got = await gateway.post(path, {"model": "m", **body}, key=gateway.customer)
        assert got.status == 200
        (row,) = await booked(gateway)
        counted = getattr(row.counts, field)
        assert counted == count if count is not None else counted > 0
        assert row.charged == row.cost == counted
        assert await is_true(gateway)


async def test_the_receipt_is_the_row_of_the_ledger(tmp_path, provider):
    provider.says(*stream("hello", usage=USAGE))
    async with shop(tmp_path, provider, quota=10**6) as gateway:
        got = await gateway.chat(key=gateway.customer, stream=True)
        path = f"/v1/usage/{got.headers['x-request-id']}"
        early = (await gateway.get(path, key=gateway.customer)).json
        (row,) = await booked(gateway)
        late = (await gateway.get(path, key=gateway.customer)).json
        assert early | {"booked": True} == late
        assert late["cost"]["quota"] == row.cost == 20
        assert (await gateway.get(path, key=await gateway.add_token())).status == 404


async def test_a_model_without_a_price_is_free_by_default_and_says_so(tmp_path, provider):
    provider.says(answer(USAGE))
    async with shop(tmp_path, provider, quota=10, models=("m",)) as gateway:
        await gateway.add_channel(provider, "unknown-model")
        assert (await gateway.chat("unknown-model", key=gateway.customer)).status == 200
        (row,) = await booked(gateway)
        assert (row.cost, row.price, row.counts.prompt_tokens) == (0, "unpriced", 10)


async def test_a_model_without_a_price_is_refused_where_the_operator_says_so(tmp_path, provider):
    async with shop(tmp_path, provider, quota=10, prices={"unpriced": "refuse"}) as gateway:
        await gateway.add_channel(provider, "unknown-model")
        got = await gateway.chat("unknown-model", key=gateway.customer)
        assert (got.status, got.error["code"]) == (403, "model_not_priced")
        assert provider.asked == []


async def test_a_channel_on_which_the_model_has_no_price_is_left_out(tmp_path, provider):
    provider.says(answer(USAGE))
    async with shop(tmp_path, provider, prices={"unpriced": "refuse"}) as gateway:
        first = await gateway.add_channel(provider, "alias", mapping={"alias": "m"})
        await gateway.add_channel(provider, "alias", mapping={"alias": "no-price"}, priority=9)
        got = await gateway.chat("alias", key=gateway.customer)
        assert (got.status, got.headers["x-canalgate-channel"]) == (200, str(first.id))


async def test_the_price_is_the_one_at_admission(tmp_path, provider):
    provider.script = lambda asked: (0.2, answer(USAGE))
    async with shop(tmp_path, provider, quota=10**6) as gateway:
        asking = asyncio.ensure_future(gateway.chat(key=gateway.customer))
        while not provider.asked:  # noqa: ASYNC110  a provider has no event for it
            await asyncio.sleep(0.01)
        await gateway.parts.store.prices.set("m", Price("", prompt=10**9, completion=10**9))
        await gateway.live.catch_up()
        await asking
        assert (await booked(gateway))[0].cost == 20


@pytest.mark.parametrize("value", ["-1", '"many"', "1e400", "9223372036854775808", "1.5", "[]", "true"])
@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens", "n"])
async def test_a_bound_that_is_none_is_refused_and_nothing_is_lost(tmp_path, provider, name, value):
    async with shop(tmp_path, provider, quota=1000) as gateway:
        body = f'{{"model":"m","messages":[],"{name}":{value}}}'.encode()
        got = await gateway.post("/v1/chat/completions", body, key=gateway.customer)
        assert (got.status, got.error["param"]) == (400, name)
        assert provider.asked == []
        assert await remaining(gateway) == 1000


@pytest.mark.parametrize("durability", ["process", "power", "database"])
async def test_the_end_of_an_answer_comes_with_every_kind_of_durability(tmp_path, provider, durability):
    provider.says(*stream("hello", usage=USAGE))
    async with shop(tmp_path, provider, quota=10**6, ledger={"durability": durability}) as gateway:
        answers = await asyncio.gather(*[gateway.chat(key=gateway.customer, stream=True) for _ in range(20)])
        assert all(one.complete and one.body.endswith(b"data: [DONE]\n\n") for one in answers)
        rows, _ = await gateway.parts.store.requests.page(Filters(), None, 100)
        if durability == "database":
            assert len(rows) == 20
        assert len(await booked(gateway, 20)) == 20
        assert await remaining(gateway) == 10**6 - 400


async def test_what_was_written_before_a_stop_is_there_after_it(tmp_path, provider):
    provider.says(answer(USAGE))
    async with shop(tmp_path, provider, quota=1000) as gateway:
        for _ in range(3):
            await gateway.chat(key=gateway.customer, max_tokens=9)
        account = gateway.account
    assert list((tmp_path / "ledger").iterdir()) == []
    async with support.opened_store(tmp_path) as store:
        rows, _ = await store.requests.page(Filters(), None, 10)
        state = await store.accounts.state(account)
        assert (len(rows), state.balance, state.leased, state.used) == (3, 940, 0, 60)
