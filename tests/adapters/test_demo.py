"""The demo channel: every endpoint, whole and streamed, and what it refuses."""

import base64
import struct

import orjson
import pytest
from canalgate.adapters.demo import DemoAdapter
from canalgate.adapters.sse import SSEDecoder
from canalgate.plugins import (
    BodyError,
    Call,
    Channel,
    Credential,
    ErrorKind,
    JsonBody,
    UpstreamError,
    Usage,
)

ADAPTER = DemoAdapter()
HI = [{"role": "user", "content": "hi there"}]
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"properties": {"city": {}}}}}


def call(endpoint="chat/completions", model="demo", **body) -> Call:
    body = {"model": model, **body}
    channel = Channel(1, "c", "", "", {})
    parsed = JsonBody(orjson.dumps(body))
    stream, key = body.get("stream", False), Credential("")
    return Call("r", endpoint, model, model, stream, parsed, "application/json", channel, key, 1.0)


def whole(made: Call) -> dict:
    return orjson.loads(b"".join(ADAPTER.answer(made).parts))


def streamed(made: Call) -> list[dict]:
    """The chunks of a stream, whose last event is [DONE]."""
    decoder = SSEDecoder()
    events = [event.data for part in ADAPTER.answer(made).parts for event in decoder.feed(part)]
    assert events.pop() == b"[DONE]"
    return list(map(orjson.loads, events))


def joined(chunks: list[dict], field: str) -> str:
    return "".join(c["delta"].get(field) or "" for chunk in chunks for c in chunk["choices"])


def test_a_chat_answer_has_text_and_usage():
    answer = whole(call(messages=HI))
    (choice,) = answer["choices"]
    assert choice["message"]["content"].endswith("You said: hi there")
    assert choice["finish_reason"] == "stop"
    assert answer["usage"]["prompt_tokens"] == 2


@pytest.mark.parametrize("field", ["content", "reasoning_content"])
def test_a_stream_says_what_the_whole_answer_says(field):
    message = whole(call(model="demo-reasoning", messages=HI))["choices"][0]["message"]
    chunks = streamed(call(model="demo-reasoning", messages=HI, stream=True))
    assert joined(chunks, field) == message[field]


def test_the_same_request_gets_the_same_bytes():
    made = call(messages=HI, stream=True)
    assert list(ADAPTER.answer(made).parts) == list(ADAPTER.answer(made).parts)


@pytest.mark.parametrize("endpoint", ["chat/completions", "completions"])
@pytest.mark.parametrize(
    ("options", "count"),
    [({}, 0), ({"stream_options": {"include_usage": True}}, 1)],
    ids=["not", "asked"],
)
def test_a_stream_has_usage_only_when_asked(endpoint, options, count):
    chunks = streamed(call(endpoint, messages=HI, prompt="hi", stream=True, **options))
    assert sum("usage" in chunk for chunk in chunks) == count


def test_usage_is_read_from_the_end_of_a_stream():
    made = call("completions", prompt="a b c", stream=True, stream_options={"include_usage": True})
    tail = b"".join(ADAPTER.answer(made).parts)[-8192:]
    assert ADAPTER.usage(made, tail) == Usage(3, 19)


def test_reasoning_is_shown_on_request():
    message = whole(call(messages=HI, reasoning_effort="low"))["choices"][0]["message"]
    assert message["reasoning_content"]


def test_the_first_tool_is_called():
    choice = whole(call(messages=HI, tools=[TOOL]))["choices"][0]
    (tool_call,) = choice["message"]["tool_calls"]
    assert tool_call["function"] == {"name": "f", "arguments": '{"city":"demo"}'}
    assert (choice["finish_reason"], choice["message"]["content"]) == ("tool_calls", None)


def test_a_streamed_tool_call_adds_up():
    chunks = streamed(call(messages=HI, tools=[TOOL], stream=True))
    calls = [c for chunk in chunks for c in chunk["choices"][0]["delta"].get("tool_calls", [])]
    assert "".join(c["function"]["arguments"] for c in calls) == '{"city":"demo"}'
    assert chunks[-1]["choices"][0]["finish_reason"] == "tool_calls"


@pytest.mark.parametrize(
    "more",
    [
        {"messages": HI, "tool_choice": "none"},
        {"messages": [*HI, {"role": "tool", "tool_call_id": "call_demo", "content": "sunny"}]},
    ],
    ids=["tools-off", "answered"],
)
def test_a_tool_is_not_called_when_it_should_not_be(more):
    assert whole(call(tools=[TOOL], **more))["choices"][0]["finish_reason"] == "stop"


@pytest.mark.parametrize(
    "content", [[{"type": "text", "text": "hi there"}, {"type": "image_url"}], "hi there"]
)
def test_text_is_found_in_every_form_of_content(content):
    answer = whole(call(messages=[{"role": "user", "content": content}]))
    assert answer["choices"][0]["message"]["content"].endswith("hi there")


def test_a_streamed_completion_says_what_the_whole_one_says():
    text = whole(call("completions", prompt="hi"))["choices"][0]["text"]
    chunks = streamed(call("completions", prompt="hi", stream=True))
    assert "".join(choice["text"] for chunk in chunks for choice in chunk["choices"]) == text


@pytest.mark.parametrize(
    ("given", "count"), [("a", 1), (["a", "b"], 2), ([1, 2, 3], 1), ([[1, 2], [3]], 2)], ids=range(4)
)
def test_each_input_gets_an_embedding(given, count):
    rows = whole(call("embeddings", input=given))["data"]
    assert [(row["index"], len(row["embedding"])) for row in rows] == [(i, 256) for i in range(count)]


def test_an_embedding_has_length_one():
    vector = whole(call("embeddings", input="a", dimensions=7))["data"][0]["embedding"]
    assert sum(value * value for value in vector) == pytest.approx(1.0)


def test_base64_holds_the_same_numbers():
    floats = whole(call("embeddings", input="a", dimensions=8))["data"][0]["embedding"]
    text = whole(call("embeddings", input="a", dimensions=8, encoding_format="base64"))["data"][0][
        "embedding"
    ]
    assert struct.unpack("<8f", base64.b64decode(text)) == pytest.approx(floats)


@pytest.mark.parametrize(("given", "count"), [("a", 1), (["a", "b"], 2)])
def test_each_input_is_moderated(given, count):
    assert [r["flagged"] for r in whole(call("moderations", input=given))["results"]] == [False] * count


def test_documents_come_in_the_order_of_their_relevance():
    documents = ["nothing", "a red fox", "red"]
    results = whole(call("rerank", query="red fox", documents=documents))["results"]
    assert [(row["index"], row["relevance_score"]) for row in results] == [(1, 1.0), (2, 0.5), (0, 0.0)]


@pytest.mark.parametrize(
    ("made", "param"),
    [
        (call(), "messages"),
        (call(messages=[]), "messages"),
        (call(messages="hi"), "messages"),
        (call(messages=HI, tools=[{}]), "tools"),
        (call(messages=HI, tools=["f"]), "tools"),
        (call(messages=HI, tools=[{"function": {"name": "f", "parameters": None}}]), "tools"),
        (
            call(messages=HI, tools=[{"function": {"name": "f", "parameters": {"properties": 1}}}]),
            "tools",
        ),
        (call("completions"), "prompt"),
        (call("completions", prompt=[1]), "prompt"),
        (call("embeddings"), "input"),
        (call("embeddings", input=""), "input"),
        (call("embeddings", input=[]), "input"),
        (call("embeddings", input="a", dimensions=0), "dimensions"),
        (call("embeddings", input="a", dimensions=4097), "dimensions"),
        (call("embeddings", input="a", dimensions="8"), "dimensions"),
        (call("rerank"), "documents"),
        (call("rerank", query="a", documents=[]), "documents"),
        (call("rerank", query=1, documents=["a"]), "documents"),
    ],
)
def test_a_bad_request_names_its_field(made, param):
    with pytest.raises(BodyError) as caught:
        ADAPTER.answer(made)
    assert caught.value.param == param


@pytest.mark.parametrize("messages", [[1], [None], [{}], [{"content": 7}], [{"content": [1, {}]}]])
def test_odd_messages_are_no_crash(messages):
    assert whole(call(messages=messages))["choices"][0]["finish_reason"] == "stop"


def test_a_form_is_refused():
    made = call(messages=HI)
    form = Call(
        "r",
        made.endpoint,
        "m",
        "m",
        False,
        None,
        "multipart/form-data",
        made.channel,
        made.credential,
        1.0,
    )
    with pytest.raises(BodyError):
        ADAPTER.answer(form)


def test_there_is_no_provider_to_ask():
    with pytest.raises(UpstreamError) as caught:
        ADAPTER.request(call(messages=HI))
    assert caught.value.kind is ErrorKind.FAULT
