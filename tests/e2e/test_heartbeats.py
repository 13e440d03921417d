"""Comments in a silent stream: when they come, where they stand, and what they leave possible."""

import asyncio

import pytest
import support
from support import CUT, STREAM_END, STREAM_HEAD, chunk, delta, event, json_answer

BEAT = b": keep-alive\n\n"
DONE = b"data: [DONE]\n\n"
SILENCE = 0.3
BODY = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": True}
EVERY = {"heartbeat_s": 0.04}
EARLY = {"heartbeat_s": 0.04, "early_heartbeat_s": 0.08}
ERROR = json_answer({"error": {"message": "no", "type": "t"}}, 500)
STREAM = (STREAM_HEAD, chunk(delta("a")), chunk(delta("b", "stop")), chunk(DONE), STREAM_END)
EVENTS = delta("a") + delta("b", "stop") + DONE


def gateway_with(settings):
    @pytest.fixture
    async def made(tmp_path, provider):
        async with support.gateway(tmp_path, server=settings) as gateway:
            await gateway.add_channel(provider, "m")
            yield gateway

    return made


beating = gateway_with(EVERY)
early = gateway_with(EARLY)
patient = gateway_with({"heartbeat_s": 0.2})
silent = gateway_with({"heartbeat_s": 0.0})


def without(body):
    return body.replace(BEAT, b"")


async def test_a_silent_stream_gets_comments_and_is_otherwise_unchanged(beating, provider):
    provider.says(*STREAM[:2], SILENCE, *STREAM[2:])
    answer = await beating.chat(stream=True)
    assert (answer.status, answer.complete, without(answer.body)) == (200, True, EVENTS)
    assert answer.body.startswith(delta("a") + BEAT + BEAT)


async def test_a_stream_that_flows_gets_none(patient, provider):
    steps = [step for text in "abcdefgh" for step in (chunk(delta(text)), 0.03)]
    provider.says(STREAM_HEAD, *steps, *STREAM[2:])
    answer = await patient.chat(stream=True)
    assert answer.complete
    assert BEAT not in answer.body


async def test_the_setting_0_turns_them_off(silent, provider):
    provider.says(*STREAM[:2], SILENCE, *STREAM[2:])
    assert (await silent.chat(stream=True)).body == EVENTS


INSIDE = {
    "in a value": (b'data: {"choi', b'ces":[]}\n\n'),
    "behind a line": (b'data: {"choices":[]}\n', b"\n"),
    "between the lines of an event": (b"event: x\n", b'data: {"choices":[]}\n\n'),
    "between CR and LF of a line": (b'data: {"choices":[]}\r', b"\n\r\n"),
    "behind a line with CRLF": (b'data: {"choices":[]}\r\n', b"\r\n"),
}


@pytest.mark.parametrize("name", INSIDE)
async def test_no_comment_stands_inside_an_event(beating, provider, name):
    before, after = INSIDE[name]
    provider.says(STREAM_HEAD, chunk(delta("a") + before), SILENCE, chunk(after), *STREAM[2:])
    answer = await beating.chat(stream=True, stream_options={"include_usage": True})
    assert answer.body == delta("a") + before + after + delta("b", "stop") + DONE


BETWEEN = {"LF": b"\n\n", "CRLF": b"\r\n\r\n", "CR": b"\r\r"}


@pytest.mark.parametrize("name", BETWEEN)
async def test_a_comment_stands_between_events_whatever_ends_their_lines(beating, provider, name):
    first = b'data: {"choices":[]}' + BETWEEN[name]
    provider.says(STREAM_HEAD, chunk(first), SILENCE, *STREAM[2:])
    answer = await beating.chat(stream=True)
    assert answer.body.startswith(first + BEAT)
    assert without(answer.body) == first + delta("b", "stop") + DONE


async def test_an_answer_that_is_no_stream_gets_none(early, provider):
    whole = json_answer({"choices": []})
    provider.says(whole[:-5], SILENCE, whole[-5:])
    answer = await early.chat()
    assert answer.json == {"choices": []}


async def test_a_whole_answer_on_its_way_to_a_client_that_asked_for_a_stream_keeps_its_head(early, provider):
    whole = json_answer({"choices": []})
    provider.says(whole[:-5], SILENCE, whole[-5:])
    answer = await early.chat(stream=True)
    assert answer.headers["content-type"] == "application/json"
    assert answer.json == {"choices": []}


async def test_before_the_first_event_there_are_none_as_things_are_set(beating, provider):
    provider.says(SILENCE, ERROR)
    answer = await beating.chat(stream=True)
    assert (answer.status, answer.error["code"]) == (502, "upstream_error")


SILENT_STARTS = {
    "before the head": (SILENCE, *STREAM),
    "after the head": (STREAM_HEAD, SILENCE, *STREAM[1:]),
    "inside the first event": (STREAM_HEAD, chunk(b"da"), SILENCE, chunk(delta("a")[2:]), *STREAM[2:]),
}


@pytest.mark.parametrize("name", SILENT_STARTS)
async def test_early_ones_come_ahead_of_the_first_event(early, provider, name):
    provider.says(*SILENT_STARTS[name])
    answer = await early.chat(stream=True)
    assert (answer.status, answer.complete, without(answer.body)) == (200, True, EVENTS)
    assert answer.body.startswith(BEAT + BEAT)
    assert answer.headers["content-type"] == "text/event-stream"
    assert {"x-request-id", "cache-control", "x-accel-buffering"} <= set(answer.headers)


async def test_a_first_event_that_is_quick_enough_gets_none(tmp_path, provider):
    provider.says(0.1, *STREAM)
    async with support.gateway(tmp_path, server={**EARLY, "early_heartbeat_s": 30.0}) as gateway:
        await gateway.add_channel(provider, "m")
        assert (await gateway.chat(stream=True)).body == EVENTS


FAILURES = {
    "an error": (SILENCE, ERROR),
    "a cut before the head": (SILENCE, CUT),
    "a cut before an event": (STREAM_HEAD, SILENCE, CUT),
    "an error as the first event": (STREAM_HEAD, SILENCE, chunk(event({"error": {"message": "no"}})), CUT),
    "an error in a whole answer": (SILENCE, json_answer({"error": {"message": "no"}})),
    "a picture": (SILENCE, b"HTTP/1.1 200 OK\r\ncontent-type: image/png\r\ncontent-length: 3\r\n\r\nPNG"),
    "packed events": (SILENCE, STREAM_HEAD.replace(b"\r\n\r\n", b"\r\ncontent-encoding: gzip\r\n\r\n"), CUT),
}


@pytest.mark.parametrize("name", FAILURES)
async def test_a_failure_after_early_ones_is_an_event_and_a_cut(early, provider, name):
    provider.says(*FAILURES[name])
    answer = await early.chat(stream=True)
    assert (answer.status, answer.complete) == (200, False)
    told = without(answer.body)
    assert told.startswith(b'data: {"error":{"message":') and told.endswith(b"}}\n\n")
    assert b"[DONE]" not in told


@pytest.mark.parametrize("name", FAILURES)
async def test_another_channel_is_tried_after_early_ones(early, provider, name):
    provider.says(*FAILURES[name])
    async with support.provider(*STREAM) as second:
        await early.add_channel(second, "m", priority=-1)
        answer = await early.chat(stream=True)
    assert (answer.status, answer.complete, without(answer.body)) == (200, True, EVENTS)
    assert BEAT in answer.body
    assert (len(provider.asked), len(second.asked)) == (1, 1)


async def test_the_head_of_a_promised_stream_names_no_channel(early, provider):
    provider.says(SILENCE, *STREAM)
    assert "x-canalgate-channel" not in (await early.chat(stream=True)).headers
    provider.says(*STREAM)
    assert "x-canalgate-channel" in (await early.chat(stream=True)).headers


async def test_a_whole_answer_after_early_ones_is_an_event(early, provider):
    provider.says(SILENCE, json_answer(b'{"choices":\n[]}'))
    answer = await early.chat(stream=True)
    assert (answer.complete, without(answer.body)) == (True, b'data: {"choices":\ndata: []}\n\n')


async def test_an_endpoint_whose_answer_may_be_no_stream_gets_no_early_ones(early, provider):
    provider.says(SILENCE, ERROR)
    answer = await early.post("/v1/audio/speech", {**BODY, "input": "hi"})
    assert answer.status == 502


async def test_a_client_that_leaves_before_the_first_event_lets_go_of_the_provider(early, provider):
    provider.says(10.0, *STREAM)
    reader, writer = await asyncio.open_connection("127.0.0.1", early.port)
    writer.write(early.request("/v1/chat/completions", BODY))
    async with asyncio.timeout(5):
        await reader.readuntil(BEAT)
        writer.close()
        await provider.gone.wait()


async def test_the_connection_serves_another_request_after_early_ones(early, provider):
    provider.says(SILENCE, *STREAM)
    request = early.request("/v1/chat/completions", BODY)
    both = request.replace(b"Connection: close\r\n", b"") + request
    raw = await early.raw(both)
    assert raw.count(b"HTTP/1.1 200 OK") == 2
    assert raw.count(b"[DONE]") == 2


async def test_a_client_of_http_1_0_gets_them_without_chunks(early, provider):
    provider.says(SILENCE, *STREAM)
    raw = await early.raw(early.request("/v1/chat/completions", BODY).replace(b"HTTP/1.1", b"HTTP/1.0", 1))
    head, _, body = raw.partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in head
    assert (body[: len(BEAT)], without(body)) == (BEAT, EVENTS)


async def test_a_client_that_takes_nothing_gets_none(patient, provider):
    """What waits for it is exactly the stream."""
    big = chunk(delta("x" * 60_000))
    provider.says(STREAM_HEAD, *[big] * 400, SILENCE, *STREAM[2:])
    reader, writer = await asyncio.open_connection("127.0.0.1", patient.port, limit=4096)
    writer.write(patient.request("/v1/chat/completions", BODY))
    await reader.readuntil(b"\r\n\r\n")
    await asyncio.sleep(SILENCE)
    async with asyncio.timeout(5):
        raw = await reader.read()
        while piece := await reader.read(1 << 20):
            raw += piece
    writer.close()
    assert raw.find(BEAT) > raw.rfind(b"xxxx") or BEAT not in raw
    assert raw.count(b'"content":"x') == 400


async def test_comments_are_neither_billed_nor_measured(beating, provider):
    receipts = []
    for pause in (0.01, SILENCE):
        provider.says(*STREAM[:2], pause, *STREAM[2:])
        answer = await beating.chat(stream=True)
        assert (BEAT in answer.body) is (pause == SILENCE)
        receipts.append((await beating.get(f"/v1/usage/{answer.headers['x-request-id']}")).json)
    assert receipts[0]["usage"]["completion_tokens"] > 0
    assert receipts[0]["usage"] == receipts[1]["usage"]
