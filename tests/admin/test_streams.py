"""Answers that come bit by bit: how they begin, break off and end."""

import json
import socket

import pytest
import support
from aiohttp import web
from canalgate.proxy.admin.streams import EVENTS, LINES, TABLE, Stream, event, line, send
from canalgate.proxy.errors import GatewayError


async def whole():
    yield line({"n": 1})
    yield line({"n": 2})


async def broken():
    yield line({"n": 1})
    raise GatewayError(409, "it broke", code="broken")


async def nothing():
    return
    yield b""


@pytest.fixture
async def ask():
    """Ask a server of its own for a stream; returns the bytes it sent."""
    streams = {"whole": whole, "broken": broken, "nothing": nothing}
    media = {"lines": LINES, "events": EVENTS, "table": TABLE}

    async def handle(request):
        return await send(request, Stream(streams[request.match_info["what"]](),
                                          media[request.match_info["media"]], "x.csv"))  # fmt: skip

    app = web.Application()
    app.router.add_get("/{what}/{media}", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
        await web.SockSite(runner, sock).start()
        gateway = support.Gateway(port, "", None, None, None)

        async def asked(path, method="GET"):
            return await gateway.raw(gateway.request(path, None, method, key="none"))

        yield asked
        await runner.cleanup()


async def test_pieces_come_in_order_and_the_answer_ends(ask):
    raw = await ask("/whole/lines")
    assert support.parse_answer(raw).body == b'{"n":1}\n{"n":2}\n'
    assert raw.endswith(b"0\r\n\r\n")
    assert support.parse_answer(await ask("/nothing/lines")).body == b""


async def test_a_browser_keeps_it_as_a_file_and_nobody_caches_it(ask):
    headers = support.parse_answer(await ask("/whole/table")).headers
    assert headers["content-disposition"] == 'attachment; filename="x.csv"'
    assert headers["cache-control"] == "no-store"


async def test_lines_and_events_that_break_off_end_with_the_error(ask):
    last = support.parse_answer(await ask("/broken/lines")).body.splitlines()[-1]
    assert json.loads(last)["error"]["code"] == "broken"
    body = support.parse_answer(await ask("/broken/events")).body
    assert b'event: error\ndata: {"error":' in body
    assert body.endswith(b"\n\n")


async def test_a_table_that_breaks_off_is_not_taken_for_whole(ask):
    try:
        raw = await ask("/broken/table")
    except ConnectionError:
        return
    assert not raw.endswith(b"0\r\n\r\n")


async def test_a_head_has_no_body(ask):
    assert (await ask("/whole/lines", "HEAD")).endswith(b"\r\n\r\n")


def test_an_event_has_a_name_if_it_is_given():
    assert event({"a": "b\n"}) == b'data: {"a":"b\\n"}\n\n'
    assert event(1, "missed") == b"event: missed\ndata: 1\n\n"
