"""Forms through the whole gateway: streamed, unchanged but for a mapped model, and never half."""

import asyncio
from contextlib import asynccontextmanager

import pytest
import support
from support import CUT, chunk, json_answer, parse_answer

ANSWER = json_answer({"text": "hello"})
TYPE = "Content-Type: multipart/form-data; boundary=b"
END = b"--b--\r\n"
AUDIO, IMAGE = "/v1/audio/transcriptions", "/v1/images/edits"


def part(name, value, filename=""):
    named = f'; filename="{filename}"' if filename else ""
    return f'--b\r\nContent-Disposition: form-data; name="{name}"{named}\r\n\r\n'.encode() + value + b"\r\n"


FILE = part("file", bytes(range(256)) * 300, "a.mp3")
MODEL = part("model", b"m")
FORMS = {
    "model first": MODEL + FILE + END,
    "model last": FILE + MODEL + END,
    "model between": FILE + MODEL + part("prompt", b"x") + FILE + END,
}


def top(gateway, path=AUDIO, *lines):
    fields = (
        "Host: x",
        f"Authorization: Bearer {gateway.key}",
        TYPE,
        *lines,
        "Connection: close",
        "",
        "",
    )
    return "\r\n".join((f"POST {path} HTTP/1.1", *fields)).encode()


def framed(form, framing, gateway, path=AUDIO):
    """A request with this form."""
    if framing == "length":
        return top(gateway, path, f"Content-Length: {len(form)}") + form
    pieces = b"".join(chunk(piece) for piece in support.cuts(form, "random") if piece)
    return top(gateway, path, "Transfer-Encoding: chunked") + pieces + b"0\r\n\r\n"


class Upload:
    """A provider that shows the raw bytes as they arrive; `answer` is sent once `wanted` is seen."""

    def __init__(self):
        self.got = b""
        self.arrived = asyncio.Event()
        self.closed = asyncio.Event()
        self.wanted = b"\x00never"
        self.answer = b""
        self.port = 0

    async def serve(self, reader, writer):
        try:
            while data := await reader.read(65536):
                self.got += data
                self.arrived.set()
                if self.answer and self.wanted in self.got:
                    writer.write(self.answer)
                    self.answer = b""
        except ConnectionError:
            pass
        self.closed.set()
        writer.close()

    async def until(self, text):
        async with asyncio.timeout(2):
            while text not in self.got:
                self.arrived.clear()
                await self.arrived.wait()


@pytest.fixture
async def upload(gateway):
    """A raw provider for the model `u`."""
    made = Upload()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    await gateway.add_channel(f"http://127.0.0.1:{made.port}/v1", "u")
    yield made
    server.close()
    await asyncio.sleep(0.01)


@asynccontextmanager
async def sending(gateway, data):
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    try:
        writer.write(data)
        yield reader, writer
    finally:
        writer.transport.abort()
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("path", [AUDIO, IMAGE])
@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("name", FORMS)
async def test_a_form_arrives_unchanged(gateway, provider, name, framing, path):
    provider.says(ANSWER)
    answer = parse_answer(await gateway.raw(framed(FORMS[name], framing, gateway, path)))
    asked = provider.asked[0]
    assert (answer.status, answer.json) == (200, {"text": "hello"})
    assert asked.body == FORMS[name] and asked.line == f"POST {path} HTTP/1.1"
    assert asked.header("content-type") == TYPE.removeprefix("Content-Type: ")
    length = str(len(FORMS[name])) if framing == "length" else None
    assert asked.header("content-length") == length


@pytest.mark.parametrize("mapped", ["x", "a-much-longer-name"])
@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("name", FORMS)
async def test_a_mapped_model_is_put_in(gateway, provider, name, framing, mapped):
    provider.says(ANSWER)
    await gateway.add_channel(provider, "mapped", mapping={"mapped": mapped})
    form = FORMS[name].replace(MODEL, part("model", b"mapped"))
    expected = FORMS[name].replace(MODEL, part("model", mapped.encode()))
    answer = parse_answer(await gateway.raw(framed(form, framing, gateway)))
    assert (answer.status, provider.asked[0].body) == (200, expected)


@pytest.mark.parametrize("framing", ["length", "chunked"])
async def test_the_provider_sees_the_beginning_while_the_client_holds_back_the_rest(gateway, upload, framing):
    first, rest = part("model", b"u") + part("file", b"begun", "a"), b"rest" + END
    upload.answer, upload.wanted = ANSWER, b"rest"
    if framing == "length":
        head, first = top(gateway, AUDIO, f"Content-Length: {len(first + rest)}"), first
    else:
        head, first, rest = top(gateway, AUDIO, "Transfer-Encoding: chunked"), chunk(first), chunk(rest)
        rest += b"0\r\n\r\n"
    async with sending(gateway, head + first) as (reader, writer):
        await upload.until(b"begun")
        assert b"rest" not in upload.got
        writer.write(rest)
        async with asyncio.timeout(2):
            assert parse_answer(await reader.read()).json == {"text": "hello"}


@pytest.mark.parametrize("framing", ["length", "chunked"])
async def test_a_client_that_leaves_never_makes_half_a_form_look_whole(gateway, upload, framing):
    first = part("model", b"u") + part("file", b"begun", "a")
    line = "Content-Length: 5000" if framing == "length" else "Transfer-Encoding: chunked"
    data = top(gateway, AUDIO, line) + (first if framing == "length" else chunk(first))
    async with sending(gateway, data) as (_, writer):
        await upload.until(b"begun")
        writer.transport.abort()
        async with asyncio.timeout(1):
            await upload.closed.wait()
    assert not upload.got.endswith(b"0\r\n\r\n")
    assert len(upload.got.partition(b"\r\n\r\n")[2]) < 5000


async def test_a_body_broken_in_mid_form_never_looks_whole_to_the_provider(gateway, upload):
    data = top(gateway, AUDIO, "Transfer-Encoding: chunked") + chunk(part("model", b"u") + FILE)
    async with sending(gateway, data) as (reader, writer):
        await upload.until(b'name="model"')
        writer.write(b"ZZ\r\n")
        async with asyncio.timeout(4):
            answer = parse_answer(await reader.read())
            await upload.closed.wait()
    assert answer.status == 400
    assert not upload.got.endswith(b"0\r\n\r\n")


@pytest.mark.parametrize("status", [400, 413])
@pytest.mark.parametrize("framing", ["length", "chunked"])
async def test_an_answer_ahead_of_the_forms_end_reaches_the_client(gateway, upload, framing, status):
    error = {"error": {"message": "not this file", "type": "invalid_request_error"}}
    upload.answer, upload.wanted = json_answer(error, status), b"begun"
    first = part("model", b"u") + part("file", b"begun", "a")
    line = "Content-Length: 5000" if framing == "length" else "Transfer-Encoding: chunked"
    data = top(gateway, AUDIO, line) + (first if framing == "length" else chunk(first))
    async with sending(gateway, data) as (reader, _), asyncio.timeout(2):
        head = await reader.readuntil(b"\r\n\r\n")
        body = await reader.readuntil(b"}}")
    answer = parse_answer(head + body)
    assert (answer.status, answer.error["message"]) == (status, "not this file")
    assert answer.headers["connection"] == "close"


async def test_a_provider_that_hangs_up_in_mid_form_is_a_502(gateway, provider):
    provider.says(CUT)
    answer = parse_answer(await gateway.raw(framed(FORMS["model first"], "length", gateway)))
    assert answer.status == 502


async def test_a_stalled_form_gets_408(tmp_path, provider):
    async with support.gateway(tmp_path, server={"body_idle_s": 0.15}) as gateway:
        await gateway.add_channel(provider, "m")
        async with sending(gateway, top(gateway, AUDIO, "Content-Length: 5000") + MODEL) as (reader, _):
            async with asyncio.timeout(2):
                assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 408 ")


async def test_a_chunked_form_that_grows_too_long_gets_413(tmp_path, provider):
    async with support.gateway(tmp_path, server={"max_body_bytes": 1000}) as gateway:
        await gateway.add_channel(provider, "m")
        answer = parse_answer(await gateway.raw(framed(FORMS["model first"], "chunked", gateway)))
    assert answer.status == 413
    assert provider.asked == []


@pytest.mark.parametrize("path", [AUDIO, IMAGE])
@pytest.mark.parametrize(
    "kind",
    [
        "multipart/mixed; boundary=b",
        "multipart/form-data",
        "application/x-www-form-urlencoded",
        "text/plain",
        "application/octet-stream",
    ],
)
async def test_another_type_of_body_is_refused(gateway, provider, path, kind):
    answer = await gateway.post(path, FORMS["model first"], headers=f"Content-Type: {kind}\r\n")
    assert (answer.status, answer.error["type"]) == (400, "invalid_request_error")
    assert provider.asked == []


@pytest.mark.parametrize(
    ("path", "model"),
    [
        (AUDIO, "whisper-1"),
        ("/v1/audio/translations", "whisper-1"),
        (IMAGE, "dall-e-2"),
        ("/v1/images/variations", "dall-e-2"),
    ],
)
async def test_a_form_without_a_model_means_the_default(gateway, path, model):
    answer = parse_answer(await gateway.raw(framed(FILE + END, "length", gateway, path)))
    assert (answer.status, answer.error["code"]) == (404, "model_not_found")
    assert model in answer.error["message"]


async def test_a_form_without_a_model_is_served_by_the_defaults_channel(gateway, provider):
    provider.says(ANSWER)
    await gateway.add_channel(provider, "whisper-1")
    answer = parse_answer(await gateway.raw(framed(FILE + END, "length", gateway)))
    assert (answer.status, provider.asked[0].body) == (200, FILE + END)


@pytest.mark.parametrize("form", [FILE, FILE + b"--b\r\nContent-Disp", b"", b"no form at all"])
async def test_a_form_without_its_end_gets_400(gateway, provider, form):
    answer = parse_answer(await gateway.raw(framed(form, "length", gateway)))
    assert (answer.status, answer.error["type"]) == (400, "invalid_request_error")
    assert provider.asked == []
