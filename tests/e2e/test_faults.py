"""A provider that misbehaves: the client gets a clean error or a visible cut, and never hangs."""

import asyncio
import gzip
import logging
import socket
import time
from itertools import cycle

import orjson
import pytest
import support
from support import CUT, RESET, STREAM_END, STREAM_HEAD, chunk, delta, json_answer

GOOD = b'{"id":"x","choices":[{"index":0,"message":{"content":"hi"},"finish_reason":"stop"}]}'
EVENTS = delta("a") + delta("b", "stop") + b"data: [DONE]\n\n"
LIMITS = {"first_byte_s": 0.2, "idle_s": 0.2, "connect_s": 1.0, "max_reply_bytes": 10_000}
JSON_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
OK = json_answer(GOOD)
ERROR = b'{"error":{"message":"m","type":"t"}}'
STATUS = b"HTTP/1.1 %d X\r\nlocation: http://elsewhere/\r\ncontent-length: 0\r\n\r\n"


@pytest.fixture
async def quick(tmp_path, provider):
    """A gateway with little patience and small limits."""
    async with support.gateway(tmp_path, upstream=LIMITS) as made:
        await made.add_channel(provider, "m")
        yield made


# name: (what the provider does, the status a client gets)
BEFORE = {
    "closes at once": ((CUT,), 502),
    "resets before the head": ((RESET,), 502),
    "half a head": ((b"HTTP/1.1 200 OK\r\ncontent-ty", CUT), 502),
    "a head without an end": ((b"HTTP/1.1 200 OK\r\n" + b"x-a: b\r\n" * 20_000,), 502),
    "one endless header": ((b"HTTP/1.1 200 OK\r\nx-a: " + b"b" * 200_000,), 502),
    "garbage": ((b"\x00\x01\x02 nonsense\r\n\r\n",), 502),
    "another protocol": ((b"SSH-2.0-OpenSSH_9.6\r\n",), 502),
    "a bad chunk size": ((JSON_HEAD + b"transfer-encoding: chunked\r\n\r\nZZ\r\n{}\r\n",), 502),
    "two lengths": ((JSON_HEAD + b"content-length: 2\r\ncontent-length: 3\r\n\r\n{}x",), 502),
    "length and chunks": (
        (JSON_HEAD + b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",),
        502,
    ),
    "a negative length": ((JSON_HEAD + b"content-length: -1\r\n\r\n{}", CUT), 502),
    "a length that is no number": ((JSON_HEAD + b"content-length: two\r\n\r\n{}", CUT), 502),
    "101": ((b"HTTP/1.1 101 X\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n",), 502),
    "301": ((STATUS % 301,), 502),
    "302": ((STATUS % 302,), 502),
    "307": ((STATUS % 307,), 502),
    "304": ((b"HTTP/1.1 304 X\r\n\r\n",), 502),
    "empty 200": ((JSON_HEAD + b"content-length: 0\r\n\r\n",), 502),
    "204": ((b"HTTP/1.1 204 X\r\n\r\n",), 502),
    "html": ((b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 6\r\n\r\n<html>",), 502),
    "json cut": ((JSON_HEAD + b"content-length: 500\r\n\r\n" + GOOD[:40], CUT), 502),
    "json reset": ((JSON_HEAD + b"content-length: 500\r\n\r\n" + GOOD[:40], RESET), 502),
    "chunked json cut": ((JSON_HEAD + b"transfer-encoding: chunked\r\n\r\n" + chunk(GOOD), CUT), 502),
    "json too long": ((JSON_HEAD + b"content-length: 20000\r\n\r\n" + b" " * 20_000,), 502),
    "error without an end": ((b"HTTP/1.1 500 X\r\ncontent-length: 9\r\n\r\n{", CUT), 502),
    "stream without an event": ((STREAM_HEAD, CUT), 502),
    "empty stream": ((STREAM_HEAD + STREAM_END,), 502),
    "half an event": ((STREAM_HEAD + chunk(b'data: {"id'), CUT), 502),
    "silence": ((10.0,), 504),
    "silence in the head": ((b"HTTP/1.1 200 OK\r\n", 10.0), 504),
    "silence after the head": ((JSON_HEAD + b"content-length: 50\r\n\r\n", 10.0), 504),
    "silence in json": ((JSON_HEAD + b"content-length: 50\r\n\r\n{", 10.0), 504),
    "silence before an event": ((STREAM_HEAD, 10.0), 504),
    "500": ((json_answer(ERROR, 500),), 502),
    "503": ((json_answer(ERROR, 503),), 503),
    "429": ((json_answer(ERROR, 429),), 429),
    "only 100 Continue": ((b"HTTP/1.1 100 Continue\r\n\r\n", CUT), 502),
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", BEFORE)
async def test_a_failure_before_the_answer_is_a_proper_error(quick, provider, name, stream):
    steps, status = BEFORE[name]
    provider.says(*steps)
    answer = await quick.chat(stream=stream, timeout=3)
    assert (answer.status, answer.complete) == (status, True)
    assert answer.error["message"]
    assert not {"location", "upgrade"} & set(answer.headers)
    assert await is_left_alone(provider, kept=name not in CLOSING)


CLOSING = set(BEFORE) - {
    "301",
    "302",
    "307",
    "304",
    "empty 200",
    "204",
    "html",
    "empty stream",
    "500",
    "503",
    "429",
}


async def is_left_alone(provider, *, kept):
    """Whether the provider's connections are closed, or kept where that is right."""
    for _ in range(50):
        if kept or not provider.tasks:
            return True
        await asyncio.sleep(0.01)
    return False


async def test_a_refused_connection_is_a_502(quick, unused_tcp_port):
    await quick.add_channel(f"http://127.0.0.1:{unused_tcp_port}/v1", "closed")
    answer = await quick.chat("closed")
    assert (answer.status, answer.error["code"]) == (502, "upstream_error")


async def test_a_provider_that_never_accepts_is_a_504(tmp_path):
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen(0)
        sock.setblocking(False)
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(sock.getsockname())
        async with support.gateway(tmp_path, upstream={"connect_s": 0.2, "first_byte_s": 0.2}) as gateway:
            await gateway.add_channel(f"http://127.0.0.1:{sock.getsockname()[1]}/v1", "m")
            answer = await gateway.chat()
        for filler in fillers:
            filler.close()
    assert answer.status == 504


# name: what the provider does after the first event
DURING = {
    "closes": (CUT,),
    "resets": (RESET,),
    "closes in an event": (chunk(b'data: {"id'), CUT),
    "closes in a chunk": (b"ff\r\ndata: ", CUT),
    "sends a bad chunk size": (b"ZZ\r\n",),
    "falls silent": (10.0,),
}


@pytest.mark.parametrize("name", DURING)
async def test_a_stream_that_breaks_off_ends_with_an_error_and_a_cut(quick, provider, name):
    provider.says(STREAM_HEAD + chunk(delta("a")), 0.01, *DURING[name])
    answer = await quick.chat(stream=True, stream_options={"include_usage": True})
    assert (answer.status, answer.complete) == (200, False)
    assert answer.body.startswith(delta("a")) and b"[DONE]" not in answer.body
    last = answer.body.removesuffix(b"\n\n").rpartition(b"\n\ndata: ")[2]
    assert set(orjson.loads(last)["error"]) == {"message", "type", "param", "code"}
    assert await is_left_alone(provider, kept=False)


@pytest.mark.parametrize("stream", [False, True])
async def test_audio_that_breaks_off_is_a_visible_cut(quick, provider, stream):
    provider.says(b"HTTP/1.1 200 OK\r\ncontent-type: audio/mpeg\r\ncontent-length: 900\r\n\r\nabc", CUT)
    answer = await quick.post("/v1/audio/speech", {"model": "m", "input": "x", "stream": stream})
    assert (answer.body, answer.complete) == (b"abc", False)


@pytest.mark.parametrize(
    "interim",
    [
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n",
        b"HTTP/1.1 100 X\r\ncontent-length: 5\r\n\r\n",
    ],
)
@pytest.mark.parametrize("together", [True, False])
async def test_an_interim_answer_is_not_the_answer(quick, provider, interim, together):
    provider.says(*([interim + OK] if together else [interim, 0.02, OK]))
    answer = await quick.chat()
    assert (answer.status, answer.body) == (200, GOOD)
    assert "link" not in answer.headers


BEHIND = {
    "bytes": b"leftover",
    "a line break": b"\r\n",
    "a second answer": json_answer(b'{"id":"poison"}'),
    "half an answer": b"HTTP/1.1 200 OK\r\ncontent-length: 9",
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", BEHIND)
async def test_what_follows_an_answer_never_answers_the_next_request(quick, provider, name, stream):
    first = STREAM_HEAD + chunk(EVENTS) + STREAM_END if stream else OK
    answers = iter([(first + BEHIND[name],), (json_answer(b'{"id":"right"}'),)])
    provider.script = lambda asked: next(answers)
    assert (await quick.chat(stream=stream, stream_options={"include_usage": True})).complete
    assert (await quick.chat()).body == b'{"id":"right"}'


async def test_bytes_that_come_later_close_the_idle_connection(quick, provider):
    answers = iter([(OK, 0.02, json_answer(b'{"id":"poison"}')), (json_answer(b'{"id":"right"}'),)])
    provider.script = lambda asked: next(answers)
    await quick.chat()
    await asyncio.sleep(0.06)
    assert (await quick.chat()).body == b'{"id":"right"}'
    assert provider.connections == 2


# Answers that are odd and still pass, byte for byte.

ODD = {
    "sse to a plain request": (b"text/event-stream", "", EVENTS),
    "gzip": (b"application/json", "content-encoding: gzip\r\n", gzip.compress(GOOD)),
    "gzip stream": (b"text/event-stream", "content-encoding: gzip\r\n", gzip.compress(EVENTS)),
    "plain text": (b"text/plain", "", b"just words"),
    "json with a charset": (b"application/json; charset=utf-8", "", GOOD),
    "spaces around": (b"application/json", "", b"\n\n  " + GOOD + b"\n"),
    "octets": (b"application/octet-stream", "", bytes(range(256))),
}


@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("name", ODD)
async def test_an_odd_answer_passes_byte_for_byte(quick, provider, name, framing):
    kind, fields, body = ODD[name]
    top = b"HTTP/1.1 200 OK\r\ncontent-type: " + kind + b"\r\n" + fields.encode()
    if framing == "length":
        provider.says(top + b"content-length: %d\r\n\r\n" % len(body) + body)
    else:
        pieces = [chunk(piece) for piece in support.cuts(body, "random") if piece]
        provider.says(top + b"transfer-encoding: chunked\r\n\r\n", *pieces, STREAM_END)
    answer = await quick.chat()
    assert (answer.status, answer.body, answer.complete) == (200, body, True)
    assert answer.headers["content-type"] == kind.decode()
    assert answer.headers.get("content-encoding") == ("gzip" if "gzip" in name else None)


async def test_json_to_a_stream_request_passes_byte_for_byte(quick, provider):
    provider.says(OK)
    answer = await quick.chat(stream=True)
    assert (answer.body, answer.headers["content-type"]) == (GOOD, "application/json")


async def test_json_that_ends_with_the_connection_passes(quick, provider):
    provider.says(JSON_HEAD + b"\r\n" + GOOD, CUT)
    assert (await quick.chat()).body == GOOD


@pytest.mark.parametrize("coding", ["gzip", "x-gzip"])
async def test_a_gzip_error_is_understood(quick, provider, coding):
    error = b'{"error":{"message":"too many words","type":"invalid_request_error","param":"messages"}}'
    provider.says(json_answer(gzip.compress(error), 400, f"content-encoding: {coding}\r\n"))
    answer = await quick.chat()
    assert (answer.status, answer.error["message"]) == (400, "too many words")


async def test_a_gzip_bomb_as_error_is_bounded(quick, provider):
    provider.says(json_answer(gzip.compress(b"[" * 50_000_000, 1), 400, "content-encoding: gzip\r\n"))
    begun = time.monotonic()
    assert (await quick.chat()).status >= 400
    assert time.monotonic() - begun < 1


@pytest.mark.parametrize("status", [429, 503, 500])
@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("7", "7"),
        ("999999", "3600"),
        ("1e400", None),
        ("-5", None),
        ("nan", None),
        ("soon", None),
        ("inf", None),
        ("9" * 5000, None),
        ("Wed, 21 Oct 2015 07:28:00 GMT", None),
        ("Fri, 31 Dec 9999 23:59:59 GMT", "3600"),
    ],
)
async def test_a_retry_after_is_bounded(quick, provider, status, given, shown):
    provider.says(json_answer(ERROR, status, f"retry-after: {given}\r\n"))
    answer = await quick.chat()
    assert answer.status == {429: 429, 503: 503, 500: 502}[status]
    got = answer.headers.get("retry-after")
    assert got == shown if shown else got is None or 1 <= int(got) <= 60


async def test_no_misbehaviour_is_logged_as_ours(quick, provider, caplog):
    caplog.set_level(logging.ERROR)
    behaviours = cycle([BEFORE[name][0] for name in ("garbage", "html", "101", "json cut", "two lengths")])
    provider.script = lambda asked: next(behaviours)
    answers = [await quick.chat() for _ in range(5)]
    assert {answer.status for answer in answers} <= {502, 503}
    assert caplog.records == []
