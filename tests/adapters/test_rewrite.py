"""Finish reasons put into OpenAI's words: which bytes change, which never do, and what is no finish."""

import pytest
import support
from canalgate.adapters.parts.rewrite import ChunkRewriter, by_table, rewritten
from canalgate.adapters.parts.usage import UsageFilter
from canalgate.plugins import ErrorKind, Reply, UpstreamError, Usage

RULE = by_table(
    {"normal": "stop", "eos": "stop", "": None, "sensitive": "content_filter", "lost": ErrorKind.BUSY}
)
HOWS = ("whole", "events", "bytes", "random")
DONE = b"data: [DONE]\n\n"


def failure(chunk):
    error = chunk.get("error")
    return UpstreamError(ErrorKind.RATE, error["message"]) if error else None


def chunk(inner: bytes) -> bytes:
    return b'data: {"id":"x", "choices" : [' + inner + b"]}\n\n"


def run(translator, pieces) -> bytes:
    return b"".join([*map(translator.feed, pieces), translator.close()])


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize(
    ("before", "after"),
    [
        (chunk(b'{"finish_reason":"normal"}'), chunk(b'{"finish_reason":"stop"}')),
        (chunk(b'{"finish_reason" : "eos","n":1.0e0}'), chunk(b'{"finish_reason" : "stop","n":1.0e0}')),
        (chunk(b'{"finish_reason":""}'), chunk(b'{"finish_reason":null}')),
        (
            chunk(b'{"index":0,"finish_reason":"sensitive"},{"index":1,"finish_reason":"normal"}'),
            chunk(b'{"index":0,"finish_reason":"content_filter"},{"index":1,"finish_reason":"stop"}'),
        ),
        (
            chunk(b'{"index":0,"finish_reason":null},{"index":1,"finish_reason":"eos"}'),
            chunk(b'{"index":0,"finish_reason":null},{"index":1,"finish_reason":"stop"}'),
        ),
        (
            b'data:{"choices":[{"finish_reason":"eos"}]}\r\n\r\n',
            b'data:{"choices":[{"finish_reason":"stop"}]}\r\n\r\n',
        ),
        (
            b'data: {"choices":[{"finish_reason":"eos"}]}\r\r',
            b'data: {"choices":[{"finish_reason":"stop"}]}\r\r',
        ),
        (
            b'\xef\xbb\xbfdata: {"choices":[{"finish_reason":"eos"}]}\n\n',
            b'\xef\xbb\xbfdata: {"choices":[{"finish_reason":"stop"}]}\n\n',
        ),
    ],
)
def test_only_the_bytes_of_the_word_change_in_any_split(before, after, how):
    stream = b": hello\n\n" + before + DONE
    assert run(ChunkRewriter(RULE, failure), support.cuts(stream, how)) == b": hello\n\n" + after + DONE


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize(
    "stream",
    [
        chunk(b'{"delta":{"content":"\\"finish_reason\\":\\"normal\\""},"finish_reason":null}') + DONE,
        chunk(b'{"finish_reason":"stop"}') + DONE,
        chunk(b'{"finish_reason":"brand_new"}') + DONE,
        b'data: {"choices":null,"finish_reason":"normal"}\n\n' + DONE,
        b'data: {"choices":[7,{"finish_reason":1}]}\n\n' + DONE,
        b'data: ["finish_reason","eos"]\n\n' + DONE,
        b'data: {"finish_reason":"eos",\n\n' + DONE,
        'data: {"choices":[{"delta":{"content":"\u2028\u0085é"}}]}\n\n'.encode() + DONE,
        b'event: x\nid: "finish_reason":"normal"\ndata: {}\n\n' + DONE,
        b'data: {"code":"200","error":null,"choices":[]}\n\n' + DONE,
    ],
)
def test_what_needs_no_change_passes_byte_for_byte(stream, how):
    assert run(ChunkRewriter(RULE, failure), support.cuts(stream, how)) == stream


@pytest.mark.parametrize(
    ("chunks", "last"),
    [
        ([b'{"delta":{"tool_calls":[{"index":0}]}}', b'{"finish_reason":"normal"}'], b'"tool_calls"'),
        ([b'{"delta":{"tool_calls":[{"index":0}]},"finish_reason":"stop"}'], b'"tool_calls"'),
        ([b'{"delta":{"tool_calls":[{"index":0}]}}', b'{"finish_reason":"sensitive"}'], b'"content_filter"'),
        ([b'{"delta":{"tool_calls":[]}}', b'{"finish_reason":"normal"}'], b'"stop"'),
        ([b'{"delta":{"tool_calls":null}}', b'{"finish_reason":"normal"}'], b'"stop"'),
        (
            [b'{"index":1,"delta":{"tool_calls":[{"index":0}]}}', b'{"index":0,"finish_reason":"eos"}'],
            b'"stop"',
        ),
    ],
)
def test_a_choice_that_called_a_tool_never_just_stops(chunks, last):
    translator = ChunkRewriter(RULE, failure)
    assert b'"finish_reason":' + last in b"".join(translator.feed(chunk(inner)) for inner in chunks)


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize(
    ("bad", "kind"),
    [
        (b'data: {"error":{"message":"slow"}}\n\n', ErrorKind.RATE),
        (b'{"error":{"message":"a line without a field"}}\n', ErrorKind.RATE),
        (chunk(b'{"finish_reason":"lost"}'), ErrorKind.BUSY),
    ],
)
def test_what_came_before_a_failure_is_passed_on_in_any_split(bad, kind, how):
    first = chunk(b'{"delta":{"content":"a"}}')
    translator = ChunkRewriter(RULE, failure)
    sent = []
    with pytest.raises(UpstreamError) as caught:
        for piece in support.cuts(first + bad + DONE, how):
            sent.append(translator.feed(piece))
        translator.close()
    assert (caught.value.kind, b"".join(sent)) == (kind, first)


def test_a_failure_in_the_last_line_without_an_end_is_raised_at_the_close():
    translator = ChunkRewriter(RULE, failure)
    translator.feed(b'data: {"error":{"message":"slow"}}')
    with pytest.raises(UpstreamError) as caught:
        translator.close()
    assert caught.value.kind is ErrorKind.RATE


@pytest.mark.parametrize(
    "stream",
    [
        b"",
        chunk(b'{"delta":{"content":"a"}}'),
        chunk(b'{"finish_reason":""}'),
        chunk(b'{"delta":{"content":"a"}}') + b'data: {"choices":[{"finish_rea',
        b"data: [DON",
    ],
)
def test_a_stream_without_its_end_is_a_fault(stream):
    translator = ChunkRewriter(RULE, failure)
    translator.feed(stream)
    with pytest.raises(UpstreamError) as caught:
        translator.close()
    assert caught.value.kind is ErrorKind.FAULT


@pytest.mark.parametrize(
    "stream", [b"data: [DONE]", b"data:[DONE]\r\n", chunk(b'{"finish_reason":"eos"}')[:-2]]
)
def test_a_stream_may_end_without_its_last_blank_line(stream):
    translator = ChunkRewriter(RULE, failure)
    assert translator.feed(stream) + translator.close() == stream.replace(b"eos", b"stop")


@pytest.mark.parametrize(
    "half", [b'data: {"choices":[],"usage":{"prom', b"data: [DO", b"data: ", b": pin", b"dat"]
)
def test_half_an_event_after_the_end_is_left_out(half):
    end = chunk(b'{"finish_reason":"stop"}')
    translator = ChunkRewriter(RULE, failure)
    assert translator.feed(end + half) + translator.close() == end


def test_the_last_usage_counts():
    translator = ChunkRewriter(RULE, failure)
    for said in (
        b'{"prompt_tokens":1,"completion_tokens":1}',
        b'{"prompt_tokens":1,"completion_tokens":3}',
        b"{}",
    ):
        translator.feed(b'data: {"choices":[],"usage":' + said + b"}\n\n")
    assert translator.usage == Usage(1, 3)


@pytest.mark.parametrize("how", HOWS)
def test_a_filter_behind_it_gets_what_it_makes(how):
    usage = b'data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}\n\n'
    stream = chunk(b'{"finish_reason":"eos"}') + usage + DONE
    translator = ChunkRewriter(RULE, failure, UsageFilter())
    assert run(translator, support.cuts(stream, how)) == chunk(b'{"finish_reason":"stop"}') + DONE
    assert translator.usage == Usage(1, 2)


def test_an_endless_line_is_passed_on():
    translator = ChunkRewriter(RULE, failure)
    piece = b"x" * 700_000
    assert [len(translator.feed(piece)) for _ in range(2)] == [0, 1_400_000]


@pytest.mark.parametrize(
    ("body", "made"),
    [
        (
            b'{"choices":[{"finish_reason" :"normal"}], "x":1.0}',
            b'{"choices":[{"finish_reason" :"stop"}], "x":1.0}',
        ),
        (
            b'{"choices":[{"message":{"tool_calls":[{"id":"a"}]},"finish_reason":"stop"}]}',
            b'{"choices":[{"message":{"tool_calls":[{"id":"a"}]},"finish_reason":"tool_calls"}]}',
        ),
    ],
)
def test_a_whole_answer_gets_openais_words(body, made):
    reply = rewritten(Reply(body, Usage(1), "application/json; x"), RULE)
    assert reply == Reply(made, Usage(1), "application/json; x")


@pytest.mark.parametrize(
    "body",
    [
        b'{"choices":[{"finish_reason":"stop"}]}',
        b'{"choices":[{"message":{"content":"\\"finish_reason\\":\\"eos\\""},"finish_reason":null}]}',
        b'[{"finish_reason":"eos"}]',
        b'{"finish_reason":"eos"',
        b"",
    ],
)
def test_a_whole_answer_that_needs_no_change_is_the_same_object(body):
    reply = Reply(body)
    assert rewritten(reply, RULE) is reply


def test_a_whole_answer_that_was_broken_off_is_raised():
    with pytest.raises(UpstreamError) as caught:
        rewritten(Reply(b'{"choices":[{"finish_reason":"lost"}]}'), RULE)
    assert caught.value.kind is ErrorKind.BUSY
