"""Which lane serves what, and what the fast one does with connections: pieces, pipelines, stalls."""

import asyncio

import pytest
import support
from canalgate.proxy.lanes import fast
from support import STREAM_END, STREAM_HEAD, TURN, chunk, delta, json_answer, parse_answer

ANSWER = json_answer({"id": "x", "choices": []})
BODY = b'{"model":"m","messages":[]}'
CHAT = "POST /v1/chat/completions HTTP/1.1"


@pytest.fixture(scope="module", autouse=True)
def lane():
    """Both lanes are at work here, as in a gateway as it comes."""


def request(gateway, *lines, first=CHAT, body=BODY, sized=True):
    length = (f"Content-Length: {len(body)}",) if sized else ()
    auth = f"Authorization: Bearer {gateway.key}"
    return "\r\n".join((first, "Host: gateway", auth, *length, *lines, "", "")).encode() + body


FAST = {
    "chat": ((), {}),
    "without v1": ((), {"first": "POST /chat/completions HTTP/1.1"}),
    "a query": ((), {"first": "POST /v1/chat/completions?api-version=1 HTTP/1.1"}),
    "a last slash": ((), {"first": "POST /v1/embeddings/ HTTP/1.1"}),
    "responses": ((), {"first": "POST /v1/responses HTTP/1.1"}),
    "rerank": ((), {"first": "POST /v1/rerank HTTP/1.1"}),
    "models": ((), {"first": "GET /v1/models HTTP/1.1", "body": b"", "sized": False}),
    "health": ((), {"first": "GET /health/live HTTP/1.1", "body": b"", "sized": False}),
    "to be closed": (("Connection: close",), {}),
}
FULL = {
    "http 1.0": ((), {"first": "POST /v1/chat/completions HTTP/1.0"}),
    "absolute form": ((), {"first": "POST http://gateway/v1/chat/completions HTTP/1.1"}),
    "a percent sign": ((), {"first": "POST /v1/chat%2Fcompletions HTTP/1.1"}),
    "chunked": (("Transfer-Encoding: chunked",), {"body": chunk(BODY) + b"0\r\n\r\n", "sized": False}),
    "expect": (("Expect: 100-continue",), {}),
    "upgrade": (("Connection: upgrade", "Upgrade: websocket"), {}),
    "a doubled field": (("X-Other: a", "X-Other: b"), {}),
    "a compressed body": (("Content-Encoding: gzip",), {}),
    "trailers": (("TE: trailers",), {}),
    "no length": ((), {"sized": False, "body": b""}),
    "an unknown path": ((), {"first": "POST /v1/nothing HTTP/1.1"}),
    "a wrong method": ((), {"first": "PUT /v1/chat/completions HTTP/1.1"}),
    "a form": (
        ("Content-Type: multipart/form-data; boundary=b",),
        {"first": "POST /v1/audio/transcriptions HTTP/1.1"},
    ),
    "a page with a body": ((), {"first": "GET /v1/models HTTP/1.1"}),
    "a long head": (("X-Long: " + "a" * fast.MAX_HEAD_BYTES,), {}),
}


@pytest.mark.parametrize(
    ("name", "stays"), [*((name, True) for name in FAST), *((name, False) for name in FULL)]
)
async def test_each_request_has_its_lane(gateway, provider, name, stays):
    provider.says(ANSWER)
    lines, how = (FAST if stays else FULL)[name]
    handed_over = []
    fast_lane = gateway.front._fast
    full_lane = fast_lane.full
    fast_lane.full = lambda: handed_over.append(name) or full_lane()
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(request(gateway, *lines, **how))
    async with asyncio.timeout(3):
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 ")
    writer.close()
    assert (handed_over == []) is stays


async def test_a_connection_goes_on_in_the_full_lane(gateway, provider):
    provider.says(ANSWER)
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    for lines in ((), ("X-Other: a", "X-Other: b"), ()):
        writer.write(request(gateway, *lines))
        async with asyncio.timeout(3):
            assert b" 200 " in await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(len(ANSWER.partition(b"\r\n\r\n")[2]))
    writer.close()


@pytest.mark.parametrize("how", ["bytes", "random"])
async def test_a_request_may_come_in_any_pieces(gateway, provider, how):
    provider.says(ANSWER)
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    for piece in support.cuts(request(gateway, "Connection: close"), how):
        writer.write(piece)
        await asyncio.sleep(0)
    async with asyncio.timeout(3):
        answer = parse_answer(await reader.read())
    writer.close()
    assert (answer.status, provider.asked[0].body) == (200, BODY)


@pytest.mark.parametrize("count", [2, 50])
async def test_pipelined_refusals_do_not_nest(gateway, count):
    data = b"".join(request(gateway, body=b"{}") for _ in range(count - 1))
    raw = await gateway.raw(data + request(gateway, "Connection: close", body=b"{}"))
    assert raw.count(b"HTTP/1.1 400 ") == count


async def test_a_client_that_sends_ahead_is_not_read_from_without_bound(gateway, provider):
    provider.says(0.5, ANSWER)
    _reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(request(gateway))
    writer.write(b"POST " + b"x" * 20_000_000)
    await asyncio.sleep(0.2)
    (connection,) = gateway.front._fast.connections
    assert len(connection._ahead) < 1_000_000
    writer.transport.abort()


async def test_bytes_ahead_of_time_wait_for_their_turn(gateway, provider):
    provider.script = lambda asked: (0.1, json_answer(asked.body))
    bodies = [b'{"model":"m","user":"%d"}' % number for number in range(3)]
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    data = b"".join(request(gateway, body=body) for body in bodies)
    for piece in support.cuts(data, "random", 5):
        writer.write(piece)
        await asyncio.sleep(0)
    got = []
    for _ in bodies:
        async with asyncio.timeout(3):
            top = parse_answer(await reader.readuntil(b"\r\n\r\n"))
            got.append(await reader.readexactly(int(top.headers["content-length"])))
    writer.close()
    assert got == bodies


@pytest.mark.parametrize("cut", [1, 40, 120])
async def test_what_arrives_between_two_requests_stands_in_its_place(gateway, provider, cut):
    """The first request is refused at once, the next one's rest comes before its beginning is looked at."""
    provider.says(ANSWER)
    await gateway.chat()  # the token is known from now on, so that a refusal need not wait
    handed_over = []
    full_lane = gateway.front._fast.full
    gateway.front._fast.full = lambda: handed_over.append(True) or full_lane()
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    async with asyncio.timeout(3):
        while len(gateway.front._fast.connections) != 1:  # noqa: ASYNC110  nothing says when one is accepted
            await asyncio.sleep(0.01)
        (connection,) = gateway.front._fast.connections
        second = request(gateway, "Connection: close")
        connection.data_received(request(gateway, body=b"{}") + second[:cut])
        connection.data_received(second[cut:])
        raw = await reader.read()
    writer.close()
    assert [part[:3] for part in raw.split(b"HTTP/1.1 ")[1:]] == [b"400", b"200"]
    assert handed_over == []


async def test_a_body_has_its_own_time_from_the_beginning(tmp_path):
    async with support.gateway(tmp_path, server={"head_timeout_s": 0.1, "body_idle_s": 1.0}) as gateway:
        data = request(gateway, "Connection: close", body=b"{}")
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        writer.write(data[:-2])
        await asyncio.sleep(0.5)
        writer.write(data[-2:])
        answer = parse_answer(await reader.read())
        writer.close()
    assert (answer.status, answer.error["code"]) == (400, "invalid_request_body")


async def test_a_refusal_before_the_body_reaches_its_sender(gateway):
    """The rest of the body is still on its way; a plain close would reset the connection under the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    head = f"{CHAT}\r\nHost: x\r\nAuthorization: Bearer sk-wrong\r\nContent-Length: 5000000\r\n\r\n"
    writer.write(head.encode())
    for _ in range(50):
        writer.write(b"x" * 100_000)
        await asyncio.sleep(0.002)
    async with asyncio.timeout(3):
        answer = parse_answer(await reader.readuntil(b"}}"))
    writer.close()
    assert (answer.status, answer.headers["connection"]) == (401, "close")


async def test_a_refused_request_ends_at_once_though_its_body_does_not_come(gateway):
    head = f"{CHAT}\r\nHost: x\r\nAuthorization: Bearer sk-wrong\r\nContent-Length: 50\r\n\r\n"
    answer = parse_answer(await gateway.raw(head.encode() + b"{", timeout=1.0))
    assert (answer.status, answer.headers["connection"]) == (401, "close")


async def test_a_client_that_closes_its_sending_side_has_left(gateway, provider):
    provider.says(STREAM_HEAD, chunk(delta("a")), 3.0, STREAM_END)
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(request(gateway, body=b'{"model":"m","stream":true}'))
    await reader.readuntil(b"\r\n\r\n")
    writer.write_eof()
    async with asyncio.timeout(1):
        await provider.gone.wait()
    writer.close()


async def test_a_slow_reader_stalls_its_provider_and_then_gets_all(gateway, provider):
    piece = b"data: " + b"x" * 50_000 + b"\n\n"
    sent = 0

    def script(asked):
        nonlocal sent
        yield STREAM_HEAD
        for sent in range(400):  # noqa: B007  read from outside
            yield chunk(piece)
        yield STREAM_END

    provider.script = script
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port, limit=1024)
    writer.write(request(gateway, "Connection: close", body=b'{"model":"m","stream":true}'))
    await asyncio.sleep(0.5)
    stalled_at = sent
    async with asyncio.timeout(10):
        answer = parse_answer(await reader.read())
    writer.close()
    assert stalled_at < 300
    assert (answer.complete, answer.body) == (True, piece * 400)


async def test_a_reader_that_takes_nothing_is_cut_off(tmp_path, provider):
    provider.says(STREAM_HEAD, *[chunk(b"data: " + b"x" * 100_000 + b"\n\n")] * 300, STREAM_END)
    async with support.gateway(tmp_path, server={"send_idle_s": 0.3}) as gateway:
        await gateway.add_channel(provider, "m")
        _reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port, limit=1024)
        writer.write(request(gateway, body=b'{"model":"m","stream":true}'))
        async with asyncio.timeout(3):
            while gateway.front._fast.connections or not provider.asked:  # noqa: ASYNC110  nothing says when a connection is gone
                await asyncio.sleep(0.02)
        writer.close()


A, B = delta("a"), delta("b", "stop")
LIKE_FRAMES = b"data: 5\r\n\r\n5\r\nabcde\r\n\n"
FRAMES = {
    "one a read": ([chunk(A), chunk(B)], A + B),
    "two a read": ([chunk(A) + chunk(B)], A + B),
    "upper case": ([b"%X\r\n%b\r\n" % (len(A), A), chunk(B)], A + B),
    "leading zeros": ([b"000%x\r\n%b\r\n" % (len(A), A), chunk(B)], A + B),
    "an extension": ([b"%x;a=b\r\n%b\r\n" % (len(A), A), chunk(B)], A + B),
    "a size line by itself": ([chunk(A), b"%x\r\n" % len(B), B + b"\r\n"], A + B),
    "half a size line": ([chunk(A) + b"%x" % len(B), b"\r\n" + B + b"\r\n"], A + B),
    "a line break apart": ([chunk(A)[:-1], b"\n" + chunk(B)], A + B),
    "data like frames": ([chunk(LIKE_FRAMES[:11]), chunk(LIKE_FRAMES[11:]), chunk(B)], LIKE_FRAMES + B),
}
"""What a provider writes, a read each, and what it means."""


@pytest.mark.parametrize("asks", ["on", "off"])
@pytest.mark.parametrize("name", FRAMES)
async def test_every_framing_gives_the_same_stream(tmp_path, provider, name, asks):
    frames, meant = FRAMES[name]
    steps = [step for one in frames for step in (one, 0.02)]
    provider.says(STREAM_HEAD + chunk(delta("0")), TURN, *steps, STREAM_END)
    async with support.gateway(tmp_path) as gateway:
        await gateway.add_channel(provider, "m", options={"ask_usage": asks})
        answer = await gateway.chat(stream=True)
    assert (answer.status, answer.complete, answer.body) == (200, True, delta("0") + meant)


BAD_FRAMES = {
    "a size that is too small": [chunk(delta("a")), b"3\r\nabcdef\r\n"],
    "a size that is too large": [chunk(delta("a")), b"ff\r\nabc\r\n", STREAM_END],
    "a signed size": [chunk(delta("a")), b"+5\r\nabcde\r\n"],
    "an underscore": [chunk(delta("a")), b"1_0\r\n" + b"x" * 16 + b"\r\n"],
    "0x": [chunk(delta("a")), b"0x5\r\nabcde\r\n"],
    "a space": [chunk(delta("a")), b" 5\r\nabcde\r\n"],
    "no line break behind": [chunk(delta("a")), b"5\r\nabcdeXX"],
    "nothing": [chunk(delta("a")), b"\r\n\r\n"],
}


@pytest.mark.parametrize("name", BAD_FRAMES)
async def test_bad_framing_in_a_stream_never_looks_whole(gateway, provider, name):
    steps = [step for one in BAD_FRAMES[name] for step in (one, 0.02)]
    provider.says(STREAM_HEAD + chunk(delta("0")), TURN, *steps, support.CUT)
    answer = await gateway.chat(stream=True)
    assert answer.body.startswith(delta("0") + delta("a"))
    assert not answer.complete
