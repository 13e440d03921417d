"""OpenAI's chat shapes as translators read and write them."""

import base64
import struct

import orjson
import pytest
from canalgate.adapters.chat import ChunkWriter, completion, embeddings, inputs_of, message, tool_call
from canalgate.plugins import BodyError, Call, Channel, Credential, JsonBody


def call(**body) -> Call:
    channel = Channel(1, "c", "", "k")
    raw = JsonBody(orjson.dumps(body))
    return Call(
        "r", "chat/completions", "m", "m", False, raw, "application/json", channel, Credential("k"), 1.0
    )


def finish_of(chunk: bytes) -> str:
    return orjson.loads(chunk[6:])["choices"][0]["finish_reason"]


@pytest.mark.parametrize(
    ("native", "shown"), [("stop", "tool_calls"), ("length", "length"), ("content_filter", "content_filter")]
)
def test_a_plain_stop_after_a_tool_call_is_one_of_tool_calls(native, shown):
    out = ChunkWriter(call())
    out.tool_call(0, name="f", index=1)
    assert finish_of(out.finish(native, 1)) == shown
    assert finish_of(out.finish(native, 0)) == native


@pytest.mark.parametrize(("native", "shown"), [("stop", "tool_calls"), ("length", "length")])
def test_a_whole_answer_with_tool_calls_never_just_stops(native, shown):
    made = message(None, tool_calls=[tool_call(0, "f", {})])
    assert orjson.loads(completion(call(), made, native, None).body)["choices"][0]["finish_reason"] == shown


def test_vectors_are_packed_where_base64_is_asked_for():
    body = orjson.loads(embeddings(call(encoding_format="base64"), [[0.5, -2.0]], None).body)
    packed = base64.b64decode(body["data"][0]["embedding"])
    assert struct.unpack("<2f", packed) == (0.5, -2.0)


@pytest.mark.parametrize("body", [{}, {"encoding_format": "float"}, {"encoding_format": None}])
def test_vectors_are_lists_otherwise(body):
    assert orjson.loads(embeddings(call(**body), [[0.5]], None).body)["data"][0]["embedding"] == [0.5]


@pytest.mark.parametrize(("given", "texts"), [("a", ["a"]), (["a", "b"], ["a", "b"]), ("", [""])])
def test_inputs_are_texts(given, texts):
    assert inputs_of(call(input=given)) == texts


@pytest.mark.parametrize("given", [None, [], 1, [1, 2], [[1, 2]], ["a", 1], {"text": "a"}])
def test_inputs_of_another_kind_are_the_clients_fault(given):
    with pytest.raises(BodyError) as caught:
        inputs_of(call(input=given))
    assert caught.value.param == "input"
