"""A stream collected into one answer, for clients that did not ask for a stream."""

import orjson
import pytest
from canalgate.adapters.chat import ChunkWriter
from canalgate.adapters.collect import Collected
from canalgate.plugins import (
    Call,
    Channel,
    Credential,
    ErrorKind,
    JsonBody,
    StreamTranslator,
    UpstreamError,
    Usage,
)

CHANNEL = Channel(1, "c", "", "k")
CALL = Call(
    "r",
    "chat/completions",
    "m",
    "m",
    False,
    JsonBody(b'{"model":"m"}'),
    "application/json",
    CHANNEL,
    Credential("k"),
    1.0,
)


class Scripted(StreamTranslator):
    """Says what it was given, one piece a feed; the last one at its close."""

    def __init__(self, *pieces: bytes | UpstreamError, usage: Usage | None = None) -> None:
        self._pieces = list(pieces)
        self.usage = usage

    def feed(self, data: bytes) -> bytes:
        piece = self._pieces.pop(0)
        if isinstance(piece, UpstreamError):
            raise piece
        return piece

    def close(self) -> bytes:
        return self.feed(b"")


def collected(*pieces, usage=None) -> tuple[dict, Usage | None]:
    stream = Collected(CALL, Scripted(*pieces, usage=usage))
    for _ in pieces[1:]:
        assert stream.feed(b"") == b""
    return orjson.loads(stream.close()), stream.usage


def test_deltas_add_up_to_one_message():
    out = ChunkWriter(CALL)
    body, usage = collected(
        out.reasoning("I ") + out.reasoning("see"),
        out.text("a"),
        b"",
        out.text("b") + out.finish("length"),
        out.end(None),
        usage=Usage(3, 4),
    )
    assert body["choices"] == [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "ab", "reasoning_content": "I see"},
            "logprobs": None,
            "finish_reason": "length",
        }
    ]
    assert (body["object"], body["usage"]["total_tokens"], usage) == ("chat.completion", 7, Usage(3, 4))


def test_pieces_of_tool_calls_add_up_by_their_place():
    out = ChunkWriter(CALL)
    body, _ = collected(
        out.tool_call(1, id="y", name="g") + out.tool_call(0, id="x", name="f", arguments='{"a"'),
        out.tool_call(0, arguments=":1}") + out.tool_call(1, arguments="{}"),
        out.finish("stop") + out.end(None),
    )
    choice = body["choices"][0]
    functions = [(call["id"], call["function"]) for call in choice["message"]["tool_calls"]]
    assert functions == [
        ("x", {"name": "f", "arguments": '{"a":1}'}),
        ("y", {"name": "g", "arguments": "{}"}),
    ]
    assert (choice["message"]["content"], choice["finish_reason"]) == (None, "tool_calls")


def test_a_reason_is_kept_where_something_follows_it():
    out = ChunkWriter(CALL)
    body, _ = collected(out.text("a") + out.finish("length") + out.text("b") + out.end(None))
    assert body["choices"][0]["finish_reason"] == "length"


def test_choices_are_kept_apart():
    out = ChunkWriter(CALL)
    body, _ = collected(out.text("b", 1) + out.text("a", 0), out.finish("stop", 0) + out.end(None))
    assert [choice["message"]["content"] for choice in body["choices"]] == ["a", "b"]


@pytest.mark.parametrize("after", [(), (b"",), (ChunkWriter(CALL).text("half"),)])
def test_a_failure_is_raised_and_nothing_was_given_before(after):
    stream = Collected(CALL, Scripted(*after, UpstreamError(ErrorKind.RATE, "too fast")))
    assert [stream.feed(b"x") for _ in after] == [b""] * len(after)
    with pytest.raises(UpstreamError, match="too fast"):
        stream.close()


def test_the_client_gets_json():
    assert Collected(CALL, Scripted()).content_type == "application/json"
