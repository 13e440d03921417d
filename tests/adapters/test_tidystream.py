"""Odd streams become OpenAI's, in whatever pieces they arrive; proper ones keep every byte."""

import orjson
import pytest
import strict
import support
from canalgate.adapters.openai import OpenAIAdapter
from canalgate.adapters.parts.tidystream import TidyStream, as_events
from canalgate.plugins import (
    Call,
    Channel,
    Credential,
    ErrorKind,
    JsonBody,
    UpstreamError,
    UpstreamResponse,
    Usage,
)

HOWS = ("whole", "events", "bytes", "random")
EVENTS = UpstreamResponse(200, {"content-type": "text/event-stream"})
DONE = b"data: [DONE]\n\n"
ADAPTER = OpenAIAdapter()


def call(endpoint="chat/completions", usage=True) -> Call:
    asked = b'{"model":"m","stream":true,"stream_options":{"include_usage":true}}'
    body = JsonBody(asked if usage else b'{"model":"m","stream":true}')
    channel = Channel(1, "c", "", "k", {"tidy": "on"})
    return Call("r1", endpoint, "m", "m", True, body, "application/json", channel, Credential("k"), 1.0)


def stream_of(made: Call) -> TidyStream:
    stream = ADAPTER.stream(made, EVENTS)
    assert isinstance(stream, TidyStream)
    return stream


def data(**chunk) -> bytes:
    return b"data: " + orjson.dumps({"id": "c1", **chunk}) + b"\n\n"


def says(finish=None, **delta) -> bytes:
    return data(choices=[{"index": 0, "delta": delta, "finish_reason": finish}])


def calls(*tool_calls, finish=None) -> bytes:
    return says(finish, tool_calls=list(tool_calls))


def part(arguments="", name=None, **more) -> dict:
    function = {"arguments": arguments} if name is None else {"name": name, "arguments": arguments}
    return {"function": function, **more}


def fed(raw: bytes, how="whole", made=None) -> tuple[bytes, Usage | None]:
    stream = stream_of(made or call())
    sent = b"".join(map(stream.feed, support.cuts(raw, how))) + stream.close()
    return sent, stream.usage


def failed(raw: bytes, how="whole") -> tuple[bytes, UpstreamError]:
    """What came through before a stream failed, and how it failed."""
    stream = stream_of(call())
    sent = []
    with pytest.raises(UpstreamError) as caught:
        for piece in support.cuts(raw, how):
            sent.append(stream.feed(piece))
        sent.append(stream.close())
    return b"".join(sent), caught.value


HI, END = says(content="Hi"), says("stop")
USAGE = data(choices=[], usage={"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5})

PROPER = {
    "plain": HI + says(content=" there") + END + USAGE + DONE,
    "nulls": says(content=None, reasoning=None, tool_calls=None) + says(content="Hi") + END + DONE,
    "comments": b": keep-alive\n\n\n:\n\n" + HI + b": ping\n\n" + END + DONE,
    "crlf": (HI + END + DONE).replace(b"\n", b"\r\n"),
    "cr": (HI + END + DONE).replace(b"\n", b"\r"),
    "named": b"event: message\nid: 1\nretry: 5\n" + HI + END + DONE,
    "no-space": (HI + END + DONE).replace(b"data: ", b"data:"),
    "content-that-looks-odd": says(content='"finish_reason":"eos","delta":null [DONE] event: error')
    + END + DONE,
    "unicode": says(content="日本語 🙂 a\u2028b\u0085c") + END + DONE,
    "tools": calls(part("{", "f", index=0, id="a", type="function")) + calls(part("}", index=0))
    + says("tool_calls") + DONE,
    "parallel": calls(part("{}", "f", index=0, id="a"), part("{}", "g", index=1, id="b"))
    + calls(part("", index=1)) + says("tool_calls") + DONE,
    "unknown-finish": HI + says("brand_new") + DONE,
    "message-beside-delta": data(choices=[{"delta": {"content": "Hi"}, "message": {"content": "Hi"}}])
    + END + DONE,
    "after-done": HI + END + DONE + USAGE,
    "not-json": HI + b"data: pardon?\n\n" + b"data: [1]\n\n" + END + DONE,
    "huge": says(content="x" * 200_000) + END + DONE,
    "finish-twice": HI + END + END + DONE,
}  # fmt: skip


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("name", PROPER)
def test_a_proper_stream_keeps_every_byte(name, how):
    assert fed(PROPER[name], how)[0] == PROPER[name]


def test_whole_plain_lines_are_passed_on_at_once():
    stream = stream_of(call())
    stream.feed(HI + HI)
    assert stream.feed(HI) is HI


ODD = {
    "reasoning": (says(reasoning="t") + says(reasoning="u", content="") + HI + END + DONE,
                  "Hi", "tu", "stop", []),
    "both-names": (says(reasoning="t", reasoning_content="") + HI + END + DONE, "Hi", "t", "stop", []),
    "content-parts": (
        says(content=[{"type": "thinking", "thinking": [{"type": "text", "text": "t"}]}])
        + says(content=[{"type": "text", "text": "Hi"}]) + END + DONE, "Hi", "t", "stop", [],
    ),
    "word": (HI + says("eos") + DONE, "Hi", "", "stop", []),
    "refused": (HI + says("sensitive") + DONE, "Hi", "", "content_filter", []),
    "empty-finish": (says("", content="Hi") + says("") + says("stop") + DONE, "Hi", "", "stop", []),
    "null-word": (says("null", content="Hi") + says("length") + DONE, "Hi", "", "length", []),
    "two-finishes": (HI + says("length") + says("stop") + DONE, "Hi", "", "length", []),
    "no-finish": (HI + says(content="") + USAGE + DONE, "Hi", "", "stop", []),
    "no-done": (HI + END, "Hi", "", "stop", []),
    "no-done-no-blank": ((HI + END).rstrip(), "Hi", "", "stop", []),
    "done-without-end": (HI + END + b"data: [DONE]", "Hi", "", "stop", []),
    "null-delta": (HI + data(choices=[{"index": 0, "delta": None, "finish_reason": "stop"}]) + DONE,
                   "Hi", "", "stop", []),
    "no-delta": (data(choices=[{"index": 0, "finish_reason": None}]) + HI + END + DONE, "Hi", "", "stop", []),
    "null-choices": (HI + data(choices=None) + END + DONE, "Hi", "", "stop", []),
    "message": (data(choices=[{"index": 0, "message": {"content": "Hi"}, "finish_reason": "stop"}]) + DONE,
                "Hi", "", "stop", []),
    "message-at-the-end": (
        HI + says(content="!") + HI + data(choices=[{"index": 0, "message": {"content": "Hi!Hi"}}])
        + END + DONE,
        "Hi!Hi", "", "stop", [],
    ),
    "one-newline": ((HI + END).replace(b"\n\n", b"\n") + DONE, "Hi", "", "stop", []),
    "bom": (b"\xef\xbb\xbf" + says(reasoning="t") + HI + END + DONE, "Hi", "t", "stop", []),
    "tools-that-stop": (calls(part("{}", "f", index=0, id="a")) + END + DONE,
                        "", "", "tool_calls", [["a", "f", "{}"]]),
    "tools-without-finish": (calls(part("{}", "f", index=0, id="a")) + DONE,
                             "", "", "tool_calls", [["a", "f", "{}"]]),
    "index-always-zero": (
        calls(part("{", "f", index=0, id="a")) + calls(part("}", index=0))
        + calls(part("[", "g", index=0, id="b")) + calls(part("]", index=0)) + says("tool_calls") + DONE,
        "", "", "tool_calls", [["a", "f", "{}"], ["b", "g", "[]"]],
    ),
    "no-index": (
        calls(part("{", "f", id="a")) + calls(part("}")) + calls(part("[]", "g", id="b")) + END + DONE,
        "", "", "tool_calls", [["a", "f", "{}"], ["b", "g", "[]"]],
    ),
    "no-index-no-id": (calls(part("{", "f")) + calls(part("}")) + calls(part("[]", "g")) + END + DONE,
                       "", "", "tool_calls", [["call_r1_0", "f", "{}"], ["call_r1_1", "g", "[]"]]),
    "empty-ids": (
        calls(part("{", "f", index=0, id="a")) + calls(part("}", index=0, id="")) + says("tool_calls") + DONE,
        "", "", "tool_calls", [["a", "f", "{}"]],
    ),
    "object-arguments": (calls(part({"a": 1}, "f", index=0, id="a"), finish="stop") + DONE,
                         "", "", "tool_calls", [["a", "f", '{"a":1}']]),
}  # fmt: skip
"""Streams with what is odd in them: bytes, and the text, thoughts, finish and tool calls they mean."""


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("name", ODD)
def test_an_odd_stream_is_understood_by_a_strict_client(name, how):
    raw, *wanted = ODD[name]
    sent, _ = fed(raw, how)
    choice = strict.read_stream(sent)[0]
    assert [choice.text, choice.reasoning, choice.finish, list(choice.calls.values())] == wanted
    assert sent.endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize("name", ODD)
def test_the_cuts_make_no_difference(name):
    sent = {fed(ODD[name][0], how)[0] for how in HOWS}
    assert len(sent) == 1


def test_choices_are_told_apart():
    def choice(index, finish=None, **delta):
        return data(choices=[{"index": index, "delta": delta, "finish_reason": finish}])

    raw = choice(0, content="a") + choice(1, content="b") + choice(1, "eos") + choice(0, "length") + DONE
    read = strict.read_stream(fed(raw)[0])
    assert [(read[i].text, read[i].finish) for i in (0, 1)] == [("a", "length"), ("b", "stop")]


def test_an_end_that_was_missing_is_a_chunk_of_the_same_answer():
    events = fed(HI + DONE)[0].split(b"\n\n")
    chunk = orjson.loads(events[1].removeprefix(b"data: "))
    assert (chunk["id"], chunk["object"], chunk["model"]) == ("c1", "chat.completion.chunk", "m")


def test_a_completion_has_text_instead_of_deltas():
    made = call("completions")
    raw = data(choices=[{"index": 0, "text": "Hi"}]) + DONE
    sent, _ = fed(raw, made=made)
    last = orjson.loads(sent.split(b"\n\n")[1].removeprefix(b"data: "))
    assert sent.startswith(raw.removesuffix(DONE))
    assert last["choices"] == [{"index": 0, "text": "", "finish_reason": "stop"}]
    assert last["object"] == "text_completion"


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_usage_is_hidden_from_a_client_that_did_not_ask(end, how):
    before, after = HI + END, DONE
    raw, wanted = (
        (b"".join(parts)).replace(b"\n", end) for parts in ((before, USAGE, after), (before, after))
    )
    assert fed(raw, how, call(usage=False)) == (wanted, Usage(3, 2))


@pytest.mark.parametrize("usage", [True, False])
@pytest.mark.parametrize("how", HOWS)
def test_usage_in_a_chunk_with_a_choice_is_read_and_stays(how, usage):
    counted = data(choices=[{"index": 0, "delta": {}}], usage={"prompt_tokens": 3, "completion_tokens": 2})
    raw = HI + counted + data(choices=[{"index": 0, "delta": {}}], usage=None) + END + DONE
    assert fed(raw, how, call(usage=usage)) == (raw, Usage(3, 2))


ERROR = b'data: {"error":{"message":"slow down","type":"rate_limit_error"}}\n\n'
FAILURES = {
    "error-event": (ERROR, ErrorKind.RATE),
    "with-done": (ERROR + DONE, ErrorKind.RATE),
    "error-text": (b'data: {"error":"boom"}\n\n', ErrorKind.FAULT),
    "named": (
        b'event: error\ndata: {"error":{"message":"m","code":"rate_limit_exceeded"}}\n\n',
        ErrorKind.RATE,
    ),
    "named-flat": (b'event: error\ndata: {"message":"m","code":"rate_limit_exceeded"}\n\n', ErrorKind.RATE),
    "named-text": (b"event:error\ndata: boom\n\n", ErrorKind.FAULT),
    "named-nothing": (b"event: error\ndata: {}\n\n", ErrorKind.FAULT),
    "bare-line": (b'{"error":{"message":"m","code":"invalid_api_key"}}\n', ErrorKind.CREDENTIAL),
    "bare-line-at-the-end": (b'{"error":{"message":"m","code":"invalid_api_key"}}', ErrorKind.CREDENTIAL),
    "status-inside": (
        b'data: {"error":{"message":"m","type":"invalid_request_error","status_code":400}}\n\n',
        ErrorKind.REQUEST,
    ),
    "request-word": (
        b'data: {"error":{"message":"m","type":"invalid_request_error"}}\n\n',
        ErrorKind.REQUEST,
    ),
    "beside-a-choice": (
        data(error={"code": 400, "message": "Token limit reached"}, choices=[{"index": 0, "delta": {}}]),
        ErrorKind.REQUEST,
    ),
    "in-a-choice": (
        data(choices=[{"delta": {}, "finish_reason": "error", "error": {"code": 429, "message": "m"}}]),
        ErrorKind.RATE,
    ),
    "numbered": (b'data:{"code":10014,"message":"m","sid":"s"}\n\n', ErrorKind.FAULT),
    "base-resp": (data(choices=[], base_resp={"status_code": 1039, "status_msg": "m"}), ErrorKind.RATE),
    "finish-error": (says("error"), ErrorKind.FAULT),
    "finish-no-resources": (says("insufficient_system_resource"), ErrorKind.BUSY),
    "cut": (b"", ErrorKind.FAULT),
    "cut-in-an-event": (b'data: {"choices":[{"index":0,"del', ErrorKind.FAULT),
}


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("name", FAILURES)
def test_a_failure_in_mid_stream_is_raised_after_what_came_before_it(name, how):
    raw, kind = FAILURES[name]
    sent, error = failed(HI + says(content=" there") + raw, how)
    assert error.kind is kind
    assert strict.read_stream(sent)[0].text == "Hi there"


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("name", [name for name in FAILURES if "cut" not in name])
def test_a_failure_before_anything_was_said_leaves_the_status_open(name, how):
    raw, kind = FAILURES[name]
    sent, error = failed(raw, how)
    assert error.kind is kind
    assert b"data:" not in sent


@pytest.mark.parametrize("after", [b'data: {"choices":[', b"data: [DO", b"dat"])
def test_half_an_event_behind_the_finish_is_a_cut(after):
    assert failed(HI + END + after)[1].kind is ErrorKind.FAULT


@pytest.mark.parametrize("raw", [b"", b"\n\n", b": ping\n\n", USAGE])
def test_a_stream_without_an_answer_is_a_fault(raw):
    assert failed(raw)[1].kind is ErrorKind.FAULT


def test_nothing_but_the_end_gets_no_finish():
    assert fed(DONE)[0] == DONE


def test_usage_that_came_before_a_failure_is_kept():
    stream = stream_of(call())
    stream.feed(HI + data(choices=[{"index": 0, "delta": {}}], usage={"prompt_tokens": 3}) + ERROR)
    with pytest.raises(UpstreamError):
        stream.close()
    assert stream.usage == Usage(3)


def test_an_endless_line_is_not_held():
    stream = stream_of(call())
    pieces = [b"data: " + b"x" * 700_000, b"y" * 700_000, b"z"]
    assert [len(stream.feed(piece)) for piece in pieces] == [0, 1_400_006, 0]


@pytest.mark.parametrize("usage", [True, False])
def test_a_whole_answer_becomes_a_stream(usage):
    message = {"role": "assistant", "content": "Hi", "tool_calls": [part("{}", "f", id="a")]}
    answer = {"id": "x", "object": "chat.completion", "usage": {"prompt_tokens": 3},
              "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]}  # fmt: skip
    events = as_events(call(), orjson.dumps(answer), shows_usage=usage)
    choice = strict.read_stream(events)[0]
    assert (choice.text, choice.finish, choice.calls) == ("Hi", "tool_calls", {0: ["a", "f", "{}"]})
    assert (b'"usage":{"prompt_tokens":3}' in events) is usage
    assert b'"object":"chat.completion.chunk"' in events
    assert events.endswith(DONE)


@pytest.mark.parametrize("body", [b"", b"no json", b"[]", b"{}", b'{"choices":null}', b'{"choices":[1]}'])
def test_what_is_no_answer_becomes_no_stream(body):
    assert as_events(call(), body, shows_usage=True) is None
