"""The benchmark's client finds every answer that is not whole and right, so that no figure hides a loss."""

import asyncio
import json
import re

import pytest
from canalgate.bench.cells import Cell
from canalgate.bench.machine import compiled, find, free_port
from support import CUT, TURN, cuts, provider

pytestmark = pytest.mark.skipif(find("cc") is None, reason="there is no C compiler")

JSON = Cell("test", "", 1, 1)
STREAM = Cell("test", "", 1, 1, events=5)
PACED = Cell("test", "", 1, 1, events=5, pace_us=1000)
HIDDEN = Cell("test", "", 1, 1, events=5, hides_usage=True)


def request(cell):
    body = cell.body()
    head = (
        f"POST / HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


@pytest.fixture
async def upstream():
    """The benchmark's provider, on a port."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(compiled("upstream"), str(port))
    for _ in range(100):
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            break
        except ConnectionRefusedError:
            await asyncio.sleep(0.02)
    yield port
    process.kill()
    await process.wait()


async def said(port, cell):
    """What the provider answers, every byte."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request(cell))
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head)
    body = await (reader.readexactly(int(length[1])) if length else reader.readuntil(b"\r\n0\r\n\r\n"))
    writer.close()
    return head + body


async def load(port, cell, tmp_path, *options):
    """Ask once and return what the client says."""
    (tmp_path / "request").write_bytes(request(cell))
    command = [compiled("load"), "-p", str(port), "-f", str(tmp_path / "request"), *options]
    if cell.events:
        command += ["-e", str(cell.events)]
    if cell.events and not cell.hides_usage:
        command += ["-u"]
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    output, _ = await process.communicate()
    told = json.loads(output)
    assert ("problem" in told) == (process.returncode != 0)
    return told


@pytest.mark.parametrize("cell", [JSON, STREAM, PACED, HIDDEN], ids=["json", "stream", "paced", "hidden"])
@pytest.mark.parametrize("options", [[], ["-m"]], ids=["exact", "marks"])
async def test_what_the_provider_says_passes(upstream, tmp_path, cell, options):
    told = await load(upstream, cell, tmp_path, "-c", "3", "-n", "9", *options)
    assert (told["requests"], told["events"]) == (9, 9 * cell.events)


@pytest.mark.parametrize("how", ["events", "bytes"])
@pytest.mark.parametrize("cell", [JSON, STREAM], ids=["json", "stream"])
async def test_an_answer_passes_in_whatever_pieces_it_arrives(upstream, tmp_path, cell, how):
    answer = await said(upstream, cell)
    steps = [step for piece in cuts(answer, how) for step in (piece, TURN)]
    async with provider(*steps) as replay:
        told = await load(replay.port, cell, tmp_path)
    assert told["requests"] == 1


async def test_the_client_calls_for_each_event_of_a_stepped_stream(upstream, tmp_path):
    cell = Cell("test", "", 1, 1, events=50, kind="step")
    assert (await load(upstream, cell, tmp_path, "-k", str(upstream)))["events"] == 50


def chunks(answer):
    head, _, body = answer.partition(b"\r\n\r\n")
    return [head + b"\r\n\r\n", *re.split(rb"(?<=\n\n\r\n)", body)]


def without_an_event(answer):
    parts = chunks(answer)
    return b"".join(parts[:3] + parts[4:])


def without_the_last_event(answer):
    parts = chunks(answer)
    return b"".join(parts[:5] + parts[6:])


def with_an_event_twice(answer):
    parts = chunks(answer)
    return b"".join([*parts[:3], parts[2], *parts[3:]])


def with_two_events_exchanged(answer):
    parts = chunks(answer)
    return b"".join([*parts[:2], parts[3], parts[2], *parts[4:]])


def with_an_event_more(answer):
    parts = chunks(answer)
    more = parts[5].replace(b" 000004 ", b" 000005 ")
    return b"".join([*parts[:6], more, *parts[6:]])


def with_a_size_too_large(answer):
    parts = chunks(answer)
    size = int(parts[2].partition(b"\r\n")[0], 16)
    return b"".join([*parts[:2], parts[2].replace(b"%x\r\n" % size, b"%x\r\n" % (size + 1)), *parts[3:]])


BROKEN_EVENTS = {
    "an event less": without_an_event,
    "the last event less": without_the_last_event,
    "an event twice": with_an_event_twice,
    "two events exchanged": with_two_events_exchanged,
    "an event more": with_an_event_more,
    "no [DONE]": lambda answer: answer.replace(b"data: [DONE]\n\n", b": no done   \n\n"),
    "a wrong size of a chunk": with_a_size_too_large,
    "a size with more behind it": lambda answer: re.sub(
        rb"\r\n\r\n([0-9a-f]+)", rb"\r\n\r\n\1;x", answer, count=1
    ),
    "a size in words": lambda answer: answer.replace(b"\r\n\r\n", b"\r\n\r\nx", 1),
    "bytes after the end": lambda answer: answer + b"x",
    "a refusal": lambda answer: answer.replace(b" 200 ", b" 503 ", 1),
    "no framing": lambda answer: answer.replace(b"transfer-encoding", b"x-transfer-encod", 1),
}
BROKEN_BYTES = {
    "another byte in an event": lambda answer: answer.replace(
        b'"finish_reason":null', b'"finish_reason":mull', 1
    ),
    "a space more": lambda answer: answer.replace(b"data: {", b"data:  {", 1).replace(b"bench", b"benc", 1),
    "the usage of another": lambda answer: answer.replace(b'"completion_tokens":5', b'"completion_tokens":6'),
    "a body that arrived otherwise": lambda answer: re.sub(rb"fp_[0-9a-f]{4}", b"fp_0000", answer),
}


@pytest.mark.parametrize("name", BROKEN_EVENTS)
@pytest.mark.parametrize("options", [[], ["-m"]], ids=["exact", "marks"])
async def test_a_broken_stream_gives_no_figure(upstream, tmp_path, name, options):
    answer = BROKEN_EVENTS[name](await said(upstream, STREAM))
    async with provider(answer) as replay:
        assert "problem" in await load(replay.port, STREAM, tmp_path, *options)


@pytest.mark.parametrize("name", BROKEN_BYTES)
async def test_a_changed_stream_gives_no_figure_where_bytes_count(upstream, tmp_path, name):
    original = await said(upstream, STREAM)
    answer = BROKEN_BYTES[name](original)
    assert answer != original
    async with provider(answer) as replay:
        assert "problem" in await load(replay.port, STREAM, tmp_path)


@pytest.mark.parametrize("length", [0, 20, 500])
@pytest.mark.parametrize("cell", [JSON, STREAM], ids=["json", "stream"])
async def test_a_cut_answer_gives_no_figure(upstream, tmp_path, cell, length):
    answer = (await said(upstream, cell))[:length]
    async with provider() as replay:
        replay.says(answer, CUT)
        assert "broke off" in (await load(replay.port, cell, tmp_path))["problem"]


@pytest.mark.parametrize("old", [b"answer that", b'"total_tokens":191', b"fp_"])
async def test_a_changed_json_answer_gives_no_figure(upstream, tmp_path, old):
    answer = (await said(upstream, JSON)).replace(old, old[:-1] + b"?", 1)
    async with provider(answer) as replay:
        assert "problem" in await load(replay.port, JSON, tmp_path)


async def test_nobody_there_gives_no_figure(tmp_path):
    assert "connect" in (await load(free_port(), JSON, tmp_path))["problem"]
