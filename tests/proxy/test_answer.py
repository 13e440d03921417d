"""Framing of answers: what bytes reach a client's transport, and how they end."""

import asyncio

import pytest
from canalgate.proxy.errors import GatewayError
from canalgate.proxy.wire.answer import Answer
from support import parse_answer

TYPE = [("content-type", "text/plain")]


class Recorder(asyncio.Transport):
    """A transport that keeps what it is given."""

    def __init__(self):
        super().__init__()
        self.writes = []
        self.closed = False

    def write(self, data):
        self.writes.append(bytes(data))

    def writelines(self, pieces):
        self.writes.append(b"".join(pieces))

    def close(self):
        self.closed = True

    @property
    def sent(self):
        return b"".join(self.writes)


@pytest.fixture
def wire():
    return Recorder()


PIECES = {
    "none": [],
    "one": [b"abc"],
    "many": [b"a", b"bc" * 40, b"\r\n0\r\n\r\n"],
    "big": [b"x" * 70_000],
    "edges": [b"x" * 2047, b"x" * 2048, b"x" * 2049],
    "with empty ones": [b"", b"a", b""],
}


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("name", PIECES)
async def test_a_body_arrives_as_it_was_written(wire, name, known):
    body = b"".join(PIECES[name])
    answer = Answer(wire, "id")
    answer.start(200, TYPE, len(body) if known else None)
    for piece in PIECES[name]:
        answer.write(piece)
    answer.finish()
    got = parse_answer(wire.sent)
    assert (got.body, got.complete, answer.bytes_sent) == (body, True, len(body))
    assert ("content-length" in got.headers) == known == ("transfer-encoding" not in got.headers)


@pytest.mark.parametrize("size", [1, 5000])
async def test_the_head_leaves_with_the_first_bytes(wire, size):
    answer = Answer(wire, "id")
    answer.start(200, TYPE)
    before = list(wire.writes)
    answer.write(b"x" * size)
    assert (before, len(wire.writes)) == ([], 1)


async def test_an_empty_piece_is_no_end(wire):
    answer = Answer(wire, "id")
    answer.start(200, TYPE)
    answer.write(b"")
    assert wire.writes == []


async def test_a_cut_shows(wire):
    answer = Answer(wire, "id")
    answer.start(200, TYPE)
    answer.write(b"abc")
    answer.cut()
    assert wire.closed and not parse_answer(wire.sent).complete
    assert (answer.ended, answer.keep_alive) == (True, False)


async def test_an_old_client_gets_no_frames(wire):
    answer = Answer(wire, "id", http11=False)
    answer.start(200, TYPE)
    answer.write(b"abc")
    answer.finish()
    got = parse_answer(wire.sent)
    assert got.body == b"abc" and got.headers["connection"] == "close"
    assert not {"transfer-encoding", "content-length"} & set(got.headers)


@pytest.mark.parametrize("length", [3, None])
async def test_an_answer_to_head_has_no_body(wire, length):
    answer = Answer(wire, "id", is_head=True)
    answer.start(200, TYPE, length)
    answer.write(b"abc")
    answer.finish()
    assert wire.sent.endswith(b"\r\n\r\n") and wire.sent.count(b"\r\n\r\n") == 1


@pytest.mark.parametrize("keep_alive", [True, False])
async def test_a_connection_that_ends_says_so(wire, keep_alive):
    answer = Answer(wire, "id", keep_alive=keep_alive)
    answer.send_json({"a": 1})
    assert ("connection" in parse_answer(wire.sent).headers) is not keep_alive


async def test_an_error_has_openais_shape_its_fields_and_the_id(wire):
    Answer(wire, "the-id").send_error(GatewayError(429, "slow", code="c", headers={"retry-after": "3"}))
    got = parse_answer(wire.sent)
    assert (got.status, got.error["message"], got.error["code"]) == (429, "slow", "c")
    assert (got.headers["retry-after"], got.headers["x-request-id"]) == ("3", "the-id")


@pytest.mark.parametrize("value", ["a\r\nb: c", "a\nb", "a\x00", "a\x7f", "…"])
async def test_a_value_that_could_end_its_line_is_refused(wire, value):
    with pytest.raises(ValueError, match="content-type"):
        Answer(wire, "id").start(200, [("content-type", value)], 0)
    assert wire.writes == []


async def test_a_start_that_fails_leaves_the_answer_open(wire):
    answer = Answer(wire, "id")
    with pytest.raises(ValueError, match="content-type"):
        answer.start(200, [("content-type", "a\nb")])
    assert not answer.started


@pytest.mark.parametrize(
    ("status", "line"), [(200, b"200 OK"), (404, b"404 Not Found"), (299, b"299 Unknown")]
)
async def test_the_first_line_names_the_status(wire, status, line):
    Answer(wire, "id").send(status, b"", TYPE)
    assert wire.sent.startswith(b"HTTP/1.1 " + line + b"\r\n")
