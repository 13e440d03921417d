"""The decoder of line-wise JSON, in every way to cut a stream."""

from itertools import pairwise

import pytest
from canalgate.adapters.ndjson import LineDecoder
from hypothesis import given
from hypothesis import strategies as st


def decoded(*pieces: bytes) -> list[bytes]:
    decoder = LineDecoder()
    events = [event for piece in pieces for event in decoder.feed(piece)]
    return [event.data for event in events + decoder.flush()]


@pytest.mark.parametrize(
    ("stream", "lines"),
    [
        pytest.param(b"", [], id="nothing"),
        pytest.param(b"\n\n \n\r\n", [], id="only-blank-lines"),
        pytest.param(b"{}\n[]\n", [b"{}", b"[]"], id="lf"),
        pytest.param(b"{}\r\n[]\r\n", [b"{}", b"[]"], id="crlf"),
        pytest.param(b"{}\n\n\n[]\n", [b"{}", b"[]"], id="blank-line-between"),
        pytest.param(b"{}\n[]", [b"{}", b"[]"], id="no-final-line-end"),
        pytest.param(b"{}\n[]\r", [b"{}", b"[]"], id="ends-in-cr"),
        pytest.param(b'{"a": 1', [b'{"a": 1'], id="cut-in-a-line"),
        pytest.param(b"\xef\xbb\xbf{}\n", [b"{}"], id="bom"),
        pytest.param(b' {"a": " b "} \n', [b'{"a": " b "}'], id="space-around"),
        pytest.param('"a\u2028\u2029\x85b"\n'.encode(), ['"a\u2028\u2029\x85b"'.encode()], id="ls"),
        pytest.param(b'"a\x0b\x0c\rb"\n', [b'"a\x0b\x0c\rb"'], id="other-line-breaks"),
        pytest.param(b"\xff\x00\n", [b"\xff\x00"], id="not-text"),
    ],
)
@pytest.mark.parametrize("size", [1, 2, 3, 1000])
def test_a_stream_gives_its_lines_in_any_split(stream, lines, size):
    assert decoded(*(stream[at : at + size] for at in range(0, len(stream), size))) == lines


def test_a_line_is_given_as_soon_as_it_ends():
    decoder = LineDecoder()
    assert decoder.feed(b'{"a":') == []
    assert [event.data for event in decoder.feed(b'1}\n{"b"')] == [b'{"a":1}']


def test_what_was_flushed_is_not_given_again():
    decoder = LineDecoder()
    decoder.feed(b"{}")
    assert len(decoder.flush()) == 1
    assert decoder.flush() == []


@given(st.lists(st.text("ab\r 日{}", max_size=8)), st.lists(st.integers(0, 80)), st.booleans())
def test_no_split_changes_the_lines(lines, places, ended):
    stream = "\n".join([*lines, ""] if ended else lines).encode()
    cuts = sorted({0, len(stream), *(place for place in places if place < len(stream))})
    assert decoded(*(stream[a:b] for a, b in pairwise(cuts))) == decoded(stream)
