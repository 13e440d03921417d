"""What a client reads out of an answer: OpenAI's shapes, and the oddities that clients put up with."""

import orjson
import pytest
from canalgate.plugins import Usage
from canalgate.proxy.conformance import Choice, ToolCall, read_json, read_stream
from canalgate.proxy.conformance.responses import read_response, read_response_stream


def sse(*chunks, done=True):
    events = b"".join(b"data: " + orjson.dumps(chunk) + b"\n\n" for chunk in chunks)
    return events + (b"data: [DONE]\n\n" if done else b"")


def chunk(delta, finish=None, **more):
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}], **more}


HI = [chunk({"role": "assistant", "content": "H"}), chunk({"content": "i"}, "stop")]
WHOLE = sse(*HI)


@pytest.mark.parametrize(
    "body",
    [
        WHOLE,
        b"\xef\xbb\xbf" + WHOLE,
        WHOLE.replace(b"\n", b"\r\n"),
        WHOLE.replace(b"\n", b"\r"),
        WHOLE.replace(b"\n\n", b"\n"),
        WHOLE.replace(b"data: ", b"data:"),
        b": comment\n\n" + WHOLE,
        WHOLE.removesuffix(b"\n\n"),
        sse(*HI, done=False),
        sse({"choices": [{"index": 0, "message": {"content": "Hi"}, "finish_reason": "stop"}]}),
        sse(*HI, {"choices": [{"index": 0, "message": {"content": "Hi"}}]}),
        sse(*HI, chunk(None)),
    ],
)
def test_every_framing_of_a_stream_reads_the_same(body):
    outcome = read_stream(body)
    assert outcome.choices == (Choice(0, "Hi", finish_reason="stop"),)
    assert outcome.complete


@pytest.mark.parametrize(
    "body",
    [
        b"",
        sse(HI[0], done=False),
        sse(HI[0], chunk({}, "error"), done=True),
        sse(HI[0], chunk({}, "network_error"), done=True),
        sse(*HI, {"error": {"message": "no"}}),
        sse({"choices": [], "error": "no"}, *HI),
    ],
    ids=[
        "nothing",
        "cut",
        "error as a reason",
        "network error as a reason",
        "error at the end",
        "error first",
    ],
)
def test_a_stream_that_failed_is_not_complete(body):
    assert not read_stream(body).complete


def test_an_event_that_is_no_json_is_an_oddity():
    assert "not JSON" in read_stream(b"data: {\n\n" + WHOLE).oddities[0]


def piece(index, arguments="", **more):
    function = {"arguments": arguments, **({"name": more.pop("name")} if "name" in more else {})}
    return chunk({"tool_calls": [{"index": index, "function": function, **more}]})


@pytest.mark.parametrize(
    ("chunks", "calls"),
    [
        ([piece(0, "{", id="a", name="f"), piece(0, "}")], [ToolCall("a", "f", "{}")]),
        (
            [piece(0, "{", id="a", name="f"), piece(1, "[", id="b", name="g"), piece(0, "}"), piece(1, "]")],
            [ToolCall("a", "f", "{}"), ToolCall("b", "g", "[]")],
        ),
        (
            [piece(0, "{}", id="a", name="f"), piece(0, "{}", id="b", name="g")],
            [ToolCall("a", "f", "{}"), ToolCall("b", "g", "{}")],
        ),
        ([piece(0, "{", id="a", name="f"), piece(0, "}", id="a")], [ToolCall("a", "f", "{}")]),
        ([piece(0, {"x": 1}, name="f")], [ToolCall(None, "f", '{"x":1}')]),
        ([chunk({"function_call": {"name": "f", "arguments": "{}"}})], [ToolCall(None, "f", "{}")]),
    ],
)
def test_tool_calls_are_put_together(chunks, calls):
    assert list(read_stream(sse(*chunks)).choices[0].tool_calls) == calls


@pytest.mark.parametrize(
    ("message", "text", "reasoning"),
    [
        ({"content": "a", "reasoning_content": "b"}, "a", "b"),
        ({"content": "a", "reasoning": "b"}, "a", "b"),
        ({"content": "<think>b</think>a"}, "<think>b</think>a", ""),
        (
            {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "b"}]}, {"text": "a"}]},
            "a",
            "b",
        ),
        ({"content": None}, "", ""),
    ],
)
def test_thought_is_told_from_text(message, text, reasoning):
    body = orjson.dumps({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]})
    assert read_json(body).choices == (Choice(0, text, reasoning, (), "stop"),)


def test_the_last_usage_of_a_stream_counts():
    usage = {"prompt_tokens": 3, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 2}}
    body = sse(*HI, {"choices": [], "usage": {"prompt_tokens": 1}}, {"choices": [], "usage": usage})
    assert read_stream(body).usage == Usage(3, 1, 2, 0)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"choices":'])
def test_what_is_no_answer_is_incomplete(body):
    assert not read_json(body).complete
    assert not read_response(body).complete


RESPONSE = {
    "status": "completed",
    "output": [
        {"type": "reasoning", "summary": [{"text": "hm"}]},
        {"type": "message", "content": [{"text": "Hi"}]},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
    ],
    "usage": {"input_tokens": 3, "output_tokens": 2},
}


@pytest.mark.parametrize(
    ("changes", "finish", "complete"),
    [
        ({}, "tool_calls", True),
        ({"output": []}, "stop", True),
        ({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}, "length", True),
        (
            {"status": "incomplete", "incomplete_details": {"reason": "content_filter"}},
            "content_filter",
            True,
        ),
        ({"status": "failed", "error": {"message": "no"}}, None, False),
    ],
)
def test_a_response_is_read_whole_and_streamed_alike(changes, finish, complete):
    response = {**RESPONSE, **changes}
    kind = {"failed": "response.failed", "incomplete": "response.incomplete"}.get(response["status"])
    event = {"type": kind or "response.completed", "response": response}
    whole, streamed = read_response(orjson.dumps(response)), read_response_stream(sse(event, done=False))
    assert whole == streamed
    assert (whole.choices[0].finish_reason, whole.complete) == (finish, complete)


def test_a_response_that_broke_off_keeps_its_text():
    body = sse(
        {"type": "response.output_text.delta", "delta": "Hi"}, {"type": "error", "message": "x"}, done=False
    )
    outcome = read_response_stream(body)
    assert (outcome.choices[0].text, outcome.complete, bool(outcome.error)) == ("Hi", False, True)
