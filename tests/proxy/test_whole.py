"""Bodies that break off where their framing says nothing of it, and whole ones that look odd."""

import pytest
from canalgate.proxy.relaying.whole import begins_as_json, is_cut_event, is_cut_json

WHOLE = [
    b"",
    b"null",
    b"words",
    b'"text"',
    b"{}",
    b'\n\n {"a":1}\r\n',
    b"[1]",
    b'\xef\xbb\xbf{"a":{}}',
    b"data: {",
]
CUT = [b"{", b'{"a":1', b"[1,", b'{"a":1}]', b'{"a":"', b'\n {"a":1,\n']
CUT_BETWEEN_BRACES = [b'{"a":{"b":1}', b"[[1]", b'{"a":"}', b'\xef\xbb\xbf{"a":{}']


@pytest.mark.parametrize("framed", [False, True])
@pytest.mark.parametrize("body", WHOLE)
def test_a_whole_answer_is_whole(body, framed):
    assert not is_cut_json(body, framed)


@pytest.mark.parametrize("framed", [False, True])
@pytest.mark.parametrize("body", CUT)
def test_an_answer_without_its_last_brace_is_cut(body, framed):
    assert is_cut_json(body, framed)


@pytest.mark.parametrize("body", CUT_BETWEEN_BRACES)
def test_where_only_the_connection_ended_it_an_answer_is_parsed(body):
    assert is_cut_json(body, framed=False)


@pytest.mark.parametrize(
    "tail",
    [
        b"",
        b"data: {}\n\n",
        b"data: {}",
        b'data: {"a":1}\n\ndata: [DONE]',
        b'data: {"a":1}\r\rdata: [1]',
        b"data: {}\n\n: still here",
        b"data: {}\n\nevent: end",
        b'"cut by the tail"}',
        b"\n\n\n",
    ],
)
def test_a_stream_may_end_behind_an_event(tail):
    assert not is_cut_event(tail)


@pytest.mark.parametrize(
    "tail", [b'data: {"a', b'data: {}\n\ndata: {"a":', b"data: {}\rdata: [DON", b"data:", b'"a":1, "b":"']
)
def test_a_stream_that_ends_in_an_event_is_cut(tail):
    assert is_cut_event(tail)


@pytest.mark.parametrize(
    ("data", "begins"),
    [(b"{", True), (b' \n{"a"', True), (b"\xef\xbb\xbf[", True), (b"data: {", False), (b": x", False),
     (b"\n\n", None), (b"\xef\xbb", None), (b"", None)],
)  # fmt: skip
def test_json_is_known_by_its_first_byte(data, begins):
    assert begins_as_json(data) is begins
