"""Another channel is tried until a byte was sent: the client sees one answer, or the last failure."""

import pytest
import support
from support import CUT, RESET, STREAM_END, STREAM_HEAD, chunk, delta, json_answer

GOOD = json_answer({"id": "x", "choices": []})
STREAM = (STREAM_HEAD, chunk(delta("hi", "stop")), chunk(b"data: [DONE]\n\n"), STREAM_END)


def error(status, **fields):
    return json_answer({"error": {"message": "no", **fields}}, status)


FAILURES = {
    "refuses": (CUT,),
    "resets": (RESET,),
    "garbage": (b"nonsense\r\n\r\n",),
    "half a head": (b"HTTP/1.1 200 OK\r\ncontent", CUT),
    "half a json": (b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{", CUT),
    "500": (error(500),),
    "503": (error(503),),
    "429": (error(429),),
    "bad key": (error(401, code="invalid_api_key"),),
    "arrears": (error(429, code="insufficient_quota"),),
    "no such model": (error(404, code="model_not_found"),),
    "error in a 200": (json_answer({"error": {"message": "no", "code": 500}}),),
    "empty stream": (STREAM_HEAD, STREAM_END),
    "error as first event": (STREAM_HEAD, chunk(b'data: {"error":{"message":"no"}}\n\n'), STREAM_END),
}


@pytest.fixture
async def two(tmp_path, provider):
    """A gateway whose model `m` is served by `provider` first and by another one after it."""
    async with support.provider() as second, support.gateway(tmp_path) as gateway:
        await gateway.add_channel(provider, "m", priority=2)
        await gateway.add_channel(second, "m", priority=1)
        yield gateway, second


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", FAILURES)
async def test_a_failure_before_the_first_byte_is_never_seen(two, provider, name, stream):
    gateway, second = two
    provider.says(*FAILURES[name])
    second.says(*(STREAM if stream else (GOOD,)))
    answer = await gateway.chat(stream=stream)
    assert (answer.status, answer.complete) == (200, True)
    assert (len(provider.asked), len(second.asked)) == (1, 1)
    assert second.asked[0].body == provider.asked[0].body


@pytest.mark.parametrize("stream", [False, True])
async def test_the_clients_own_fault_is_answered_at_once(two, provider, stream):
    gateway, second = two
    provider.says(error(400, type="invalid_request_error"))
    answer = await gateway.chat(stream=stream)
    assert (answer.status, answer.error["message"], second.asked) == (400, "no", [])


async def test_the_last_failure_is_answered_when_all_fail(two, provider):
    gateway, second = two
    provider.says(error(500))
    second.says(error(429))
    answer = await gateway.chat()
    assert (answer.status, answer.error["code"]) == (429, "rate_limit_exceeded")


async def test_no_other_channel_is_asked_after_the_first_byte(two, provider):
    gateway, second = two
    provider.says(STREAM_HEAD, chunk(delta("hi")), CUT)
    answer = await gateway.chat(stream=True)
    assert (answer.status, answer.complete, second.asked) == (200, False, [])


async def test_four_channels_at_the_most_are_tried(tmp_path, provider):
    provider.says(error(500))
    async with support.gateway(tmp_path) as gateway:
        for number in range(7):
            await gateway.add_channel(provider, "m", priority=number)
        assert (await gateway.chat()).status == 502
    assert len(provider.asked) == 4


async def test_a_pinned_channel_is_the_only_one(two, provider):
    gateway, second = two
    provider.says(error(500))
    answer = await gateway.chat(key=f"{gateway.key}-1")
    assert (answer.status, second.asked) == (502, [])


async def test_each_channel_gets_its_own_name_of_the_model(tmp_path, provider):
    answers = iter([error(500), GOOD])
    provider.script = lambda asked: (next(answers),)
    async with support.gateway(tmp_path) as gateway:
        await gateway.add_channel(provider, "m", priority=2, mapping={"m": "first"})
        await gateway.add_channel(provider, "m", priority=1, mapping={"m": "second"})
        assert (await gateway.chat()).status == 200
    assert [asked.json["model"] for asked in provider.asked] == ["first", "second"]
