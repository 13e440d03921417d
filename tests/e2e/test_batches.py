"""Embeddings of more inputs than a provider takes at once."""

import asyncio

import orjson
import pytest
import support
from support import CUT, json_answer

LIMIT = 10  # of the adapter dashscope-compatible, as its provider documents it


def vectors(asked):
    """What a provider answers: a vector of each input's own number."""
    data = [
        {"object": "embedding", "index": at, "embedding": [float(text)]}
        for at, text in enumerate(asked.json["input"])
    ]
    usage = {"prompt_tokens": len(data), "total_tokens": len(data)}
    return json_answer({"object": "list", "data": data, "model": "up", "usage": usage})


@pytest.fixture
async def embedding(tmp_path, provider):
    provider.script = lambda asked: (vectors(asked),)
    async with support.gateway(tmp_path) as gateway:
        await gateway.add_channel(provider, "m", type="dashscope-compatible")
        yield gateway


async def ask(gateway, inputs, **more):
    return await gateway.post("/v1/embeddings", {"model": "m", "input": inputs, **more}, timeout=20)


def numbers(count):
    return [str(number) for number in range(count)]


@pytest.mark.parametrize("count", [LIMIT + 1, 2 * LIMIT, 95, 1000])
async def test_many_inputs_are_asked_for_in_parts_and_answered_as_one(embedding, provider, count):
    answer = await ask(embedding, numbers(count), dimensions=64, unknown={"a": 1})
    assert answer.status == 200
    assert [vector["embedding"] for vector in answer.json["data"]] == [[float(n)] for n in range(count)]
    assert [vector["index"] for vector in answer.json["data"]] == list(range(count))
    assert answer.json["usage"] == {"prompt_tokens": count, "total_tokens": count}
    assert len(provider.asked) == -(-count // LIMIT)
    assert {asked.json["dimensions"] for asked in provider.asked} == {64}
    assert all(asked.json["unknown"] == {"a": 1} for asked in provider.asked)


@pytest.mark.parametrize("inputs", [["1"], numbers(LIMIT), "one text"])
async def test_what_fits_goes_up_as_it_came(embedding, provider, inputs):
    provider.says(json_answer({"object": "list", "data": []}))
    body = orjson.dumps({"input": inputs, "model": "m"})
    await embedding.post("/v1/embeddings", body)
    assert [asked.body for asked in provider.asked] == [body]


async def test_a_list_of_numbers_is_one_input(embedding, provider):
    provider.says(json_answer({"object": "list", "data": []}))
    await ask(embedding, list(range(500)))
    assert len(provider.asked) == 1


async def test_vectors_in_base64_stay_as_they_are(embedding, provider):
    def answer(asked):
        data = [{"object": "embedding", "index": 0, "embedding": "AACAPw=="} for _ in asked.json["input"]]
        return (json_answer({"object": "list", "data": data}),)

    provider.script = answer
    got = await ask(embedding, numbers(15), encoding_format="base64")
    assert [vector["embedding"] for vector in got.json["data"]] == ["AACAPw=="] * 15


FAILURES = {
    "refused": (json_answer({"error": {"message": "bad input"}}, 400), 400),
    "limited": (json_answer({"error": {"message": "slow down"}}, 429), 429),
    "broken": (json_answer({"error": {"message": "oops"}}, 500), 502),
    "cut": (CUT, 502),
    "no json": (json_answer(b"nonsense"), 502),
    "a vector too few": (json_answer({"object": "list", "data": []}), 502),
    "data of another kind": (json_answer({"object": "list", "data": {"a": 1}}), 502),
    "vectors of another kind": (json_answer({"object": "list", "data": [1] * LIMIT}), 502),
    "two vectors of one input": (json_answer({"data": [{"index": 0}] * (LIMIT - 1) + [{"index": 7}]}), 502),
    "an error in a 200": (json_answer({"error": {"message": "oops", "code": 500}}), 502),
}


def failing(step):
    """Fail the part with input 12, answer the others."""
    return lambda asked: (step if "12" in asked.json["input"] else vectors(asked),)


@pytest.mark.parametrize("name", FAILURES)
async def test_one_part_that_fails_fails_the_request(embedding, provider, name):
    step, status = FAILURES[name]
    provider.script = failing(step)
    answer = await ask(embedding, numbers(35))
    assert (answer.status, bool(answer.error["message"])) == (status, True)


async def test_the_whole_goes_to_the_next_channel(tmp_path, provider):
    provider.script = failing(FAILURES["broken"][0])
    async with support.provider() as second, support.gateway(tmp_path) as gateway:
        second.script = lambda asked: (vectors(asked),)
        await gateway.add_channel(provider, "m", type="dashscope-compatible", priority=2)
        await gateway.add_channel(second, "m", type="dashscope-compatible", priority=1)
        answer = await ask(gateway, numbers(35))
    assert (answer.status, len(answer.json["data"]), len(second.asked)) == (200, 35, 4)


async def test_an_answer_that_the_adapter_cannot_read_goes_to_the_next_channel(tmp_path, provider):
    """Cohere's own shape, with a number where its vectors belong."""
    provider.says(json_answer({"embeddings": {"float": 7}}))
    async with support.provider() as second, support.gateway(tmp_path) as gateway:
        second.script = lambda asked: (vectors(asked),)
        await gateway.add_channel(provider, "m", type="cohere", priority=2)
        await gateway.add_channel(second, "m", priority=1)
        answer = await ask(gateway, numbers(97))
    assert (answer.status, len(answer.json["data"]), len(second.asked)) == (200, 97, 1)


async def test_vectors_go_by_their_index_in_whatever_order_they_come(embedding, provider):
    def answer(asked):
        data = [{"index": at, "embedding": [float(text)]} for at, text in enumerate(asked.json["input"])]
        return (json_answer({"object": "list", "data": data[::-1]}),)

    provider.script = answer
    got = await ask(embedding, numbers(25))
    assert [vector["embedding"] for vector in got.json["data"]] == [[float(n)] for n in range(25)]
    assert [vector["index"] for vector in got.json["data"]] == list(range(25))


async def test_no_usage_is_made_up(embedding, provider):
    provider.script = lambda asked: (
        json_answer({"data": [{"embedding": [1.0]} for _ in asked.json["input"]]}),
    )
    assert "usage" not in (await ask(embedding, numbers(15))).json


def large(asked):
    """A vector of a hundred thousand bytes for each input."""
    vector = [0.123456789012345] * 6000
    return (
        json_answer({"data": [{"index": i, "embedding": vector} for i in range(len(asked.json["input"]))]}),
    )


async def test_parts_may_be_as_large_as_any_answer(tmp_path, provider):
    """256 inputs a part at Doubao, about 26 MB."""
    provider.script = large
    async with support.gateway(tmp_path) as gateway:
        await gateway.add_channel(provider, "m", type="doubao")
        answer = await ask(gateway, numbers(257))
    assert (answer.status, len(answer.json["data"])) == (200, 257)


async def test_parts_are_together_no_larger_than_any_answer(tmp_path, provider):
    provider.script = large
    async with support.gateway(tmp_path, upstream={"max_reply_bytes": 2_500_000}) as gateway:
        await gateway.add_channel(provider, "m", type="dashscope-compatible")
        answers = [await ask(gateway, numbers(20)), await ask(gateway, numbers(30))]
    assert [answer.status for answer in answers] == [200, 502]


FILTER = """
from canalgate.plugins import AnswerFilter, hookimpl

class Renamed(AnswerFilter):
    def whole(self, body):
        return body.replace(b'"list"', b'"filtered"')

@hookimpl
def filter_answer(call):
    return Renamed()
"""


async def test_plugins_filter_the_joined_answer(tmp_path, provider):
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "renamed.py").write_text(FILTER)
    provider.script = lambda asked: (vectors(asked),)
    async with support.gateway(tmp_path) as gateway:
        await gateway.add_channel(provider, "m", type="dashscope-compatible")
        answer = await ask(gateway, numbers(15))
    assert (answer.json["object"], len(answer.json["data"])) == ("filtered", 15)


async def test_what_was_left_out_of_the_parts_is_told(tmp_path, provider):
    provider.script = lambda asked: (
        json_answer({"embeddings": {"float": [[1.0]] * len(asked.json["texts"])}}),
    )
    async with support.gateway(tmp_path) as gateway:
        await gateway.add_channel(provider, "m", type="cohere")
        answer = await ask(gateway, numbers(97), user="u")
    assert (answer.status, answer.headers.get("x-canalgate-dropped")) == (200, "user")


async def test_too_many_inputs_are_refused_before_anything_is_asked(embedding, provider):
    answer = await ask(embedding, ["1"] * (LIMIT * 1000 + 1))
    assert (answer.status, answer.error["param"], provider.asked) == (400, "input", [])


async def test_no_more_than_a_few_parts_are_under_way_at_once(embedding, provider):
    open_now, most = 0, 0

    def script(asked):
        nonlocal open_now, most
        open_now += 1
        most = max(most, open_now)
        yield 0.02
        open_now -= 1
        yield vectors(asked)

    provider.script = script
    assert (await ask(embedding, numbers(200))).status == 200
    assert 1 < most <= 4


async def test_a_client_that_leaves_ends_every_part(embedding, provider):
    provider.script = lambda asked: (5.0, vectors(asked))
    _, writer = await asyncio.open_connection("127.0.0.1", embedding.port)
    writer.write(embedding.request("/v1/embeddings", {"model": "m", "input": numbers(50)}))
    async with asyncio.timeout(2):
        while len(provider.asked) < 4:  # noqa: ASYNC110  nothing says when a request has come
            await asyncio.sleep(0.01)
        writer.transport.abort()
        while len(provider.gone_at) < 4:  # noqa: ASYNC110  nothing says when a connection is gone
            await asyncio.sleep(0.01)
    assert len(provider.asked) == 4
