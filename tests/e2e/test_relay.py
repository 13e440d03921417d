"""A request through the whole gateway: bytes, streaming, failures before and after the first byte."""

import asyncio
import gc
import time

import pytest
import support
from canalgate.plugins import JsonBody
from canalgate.proxy.relaying.exchange import Exchange
from support import STREAM_END, STREAM_HEAD, chunk, delta, json_answer

ANSWER = (
    b'{"id":"x","choices":[{"index":0,"message":{"content":"hi"}}],'
    b'"usage":{"prompt_tokens":3,"completion_tokens":1}}'
)


async def test_request_bytes_go_up_and_answer_bytes_come_back_unchanged(gateway, provider):
    provider.says(json_answer(ANSWER))
    body = (
        b'{"seed": 9223372036854775807,"model":"m" , "temperature":1.0e0,"x":{"model":"other"},"messages":[]}'
    )
    answer = await gateway.post("/v1/chat/completions", body)
    assert provider.asked[0].body == body
    assert (answer.status, answer.body) == (200, ANSWER)


async def test_a_stream_comes_back_byte_for_byte(gateway, provider):
    events = delta("a") + delta("b", "stop") + b"data: [DONE]\n\n"
    provider.says(STREAM_HEAD, *map(chunk, support.cuts(events, "random")), STREAM_END)
    answer = await gateway.chat(stream=True, stream_options={"include_usage": True})
    assert answer.body == events
    assert answer.complete


async def test_events_arrive_while_the_stream_runs(gateway, provider):
    provider.says(STREAM_HEAD + chunk(delta("a")), 5.0, STREAM_END)
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(gateway.request("/v1/chat/completions", {"model": "m", "messages": [], "stream": True}))
    async with asyncio.timeout(2):
        got = await reader.readuntil(b"\n\n\r\n")
    writer.close()
    assert delta("a") in got


async def test_a_client_that_leaves_closes_the_upstream_at_once(gateway, provider):
    provider.says(STREAM_HEAD + chunk(delta("a")), 30.0)
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(gateway.request("/v1/chat/completions", {"model": "m", "messages": [], "stream": True}))
    await reader.readuntil(b"\n\n\r\n")
    left_at = time.monotonic()
    writer.transport.abort()
    async with asyncio.timeout(2):
        await provider.gone.wait()
    assert provider.gone_at[0] - left_at < 0.25


async def test_connections_are_reused(gateway, provider):
    provider.says(json_answer(ANSWER))
    for _ in range(3):
        await gateway.chat()
    assert provider.connections == 1


async def test_a_slow_client_holds_the_upstream_back(gateway, provider):
    big = chunk(b"data: " + b"x" * 65536 + b"\n\n")
    sent = 0

    def script(asked):
        nonlocal sent
        yield STREAM_HEAD
        while sent < 2000:
            sent += 1
            yield big

    provider.script = script
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port, limit=1024)
    writer.write(gateway.request("/v1/chat/completions", {"model": "m", "messages": [], "stream": True}))
    await asyncio.sleep(0.5)
    stalled = sent
    await asyncio.sleep(0.3)
    assert sent == stalled < 500
    writer.transport.abort()
    assert reader is not None


USAGE = b'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":1}}\n\n'
ENDS = {
    "answer": ({}, json_answer(ANSWER)),
    "stream": (
        {"stream": True},
        STREAM_HEAD + chunk(delta("a", "stop") + USAGE + b"data: [DONE]\n\n") + STREAM_END,
    ),
    "an error of the client's": ({}, json_answer({"error": {"message": "no"}}, 400)),
    "an error of the provider's": ({}, json_answer({"error": {"message": "no"}}, 500)),
    "a wrong request": ({"model": 7}, b""),
}


def requests_in_memory():
    return {id(one) for one in gc.get_objects() if isinstance(one, (Exchange, JsonBody))}


@pytest.mark.parametrize("case", ENDS)
async def test_a_request_and_its_body_are_gone_with_the_answer(gateway, provider, case):
    """Not only when the collector comes, which it does seldom: a body may have megabytes."""
    fields, said = ENDS[case]
    provider.says(said)
    await gateway.chat(**fields)
    gc.collect()
    gc.disable()
    before = requests_in_memory()
    try:
        await gateway.chat(**fields)
        await asyncio.sleep(0.05)
        assert requests_in_memory() <= before
    finally:
        gc.enable()
