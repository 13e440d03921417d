"""The event-stream decoder, against the format's own rules and against every way to cut a stream."""

from itertools import pairwise

import pytest
from canalgate.adapters.sse import DONE, Event, SSEDecoder, encode
from hypothesis import given, settings
from hypothesis import strategies as st

BOM = b"\xef\xbb\xbf"


def decoded(*pieces: bytes) -> list[Event]:
    decoder = SSEDecoder()
    events = [event for piece in pieces for event in decoder.feed(piece)]
    return events + decoder.flush()


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        pytest.param(b"data: a\n\ndata: b\n\n", [Event(b"a"), Event(b"b")], id="lf"),
        pytest.param(b"data: a\r\rdata: b\r\r", [Event(b"a"), Event(b"b")], id="cr"),
        pytest.param(b"data: a\r\n\r\ndata: b\r\n\r\n", [Event(b"a"), Event(b"b")], id="crlf"),
        pytest.param(b"data: a\r\n\ndata: b\n\r\n", [Event(b"a"), Event(b"b")], id="mixed"),
        pytest.param(BOM + b"data: a\n\n", [Event(b"a")], id="bom"),
        pytest.param(b"\n\n" + BOM + b"data: a\n\n", [], id="bom-later-is-a-name"),
        pytest.param(b": hello\n\n: again\ndata: a\n:\n\n", [Event(b"a")], id="comments"),
        pytest.param(b"data: a\ndata: b\n\n", [Event(b"a\nb")], id="two-data-lines"),
        pytest.param(b"event: x\ndata: a\n\ndata: b\n\n", [Event(b"a", b"x"), Event(b"b")], id="name"),
        pytest.param(b"event: ping\n\ndata: b\n\n", [Event(b"b")], id="name-without-data"),
        pytest.param(b"event: x\nevent: y\ndata: a\n\n", [Event(b"a", b"y")], id="last-name"),
        pytest.param(b"data:a\n\ndata:  b\n\n", [Event(b"a"), Event(b" b")], id="one-space-goes"),
        pytest.param(b"data\n\n", [Event(b"")], id="field-without-colon"),
        pytest.param(b"data:\n\n", [Event(b"")], id="empty-data"),
        pytest.param(b"id: 1\nretry: 5\nfoo: x\nDATA: y\ndata: a\n\n", [Event(b"a")], id="other-fields"),
        pytest.param(b"data: a:b: c\n\n", [Event(b"a:b: c")], id="colons"),
        pytest.param(b"data: a\n", [Event(b"a")], id="no-final-blank-line"),
        pytest.param(b"data: a", [Event(b"a")], id="no-final-line-end"),
        pytest.param(b"data: a\r", [Event(b"a")], id="ends-in-cr"),
        pytest.param(b"\n\n\n\n", [], id="only-blank-lines"),
        pytest.param(b"", [], id="nothing"),
        pytest.param(
            "data: a\u2028b\u2029c\x85\n\n".encode(), [Event("a\u2028b\u2029c\x85".encode())], id="ls"
        ),
        pytest.param(b"data: a\x0b\x0c\x1cb\n\n", [Event(b"a\x0b\x0c\x1cb")], id="other-line-breaks"),
        pytest.param(b"data: \xff\x00\n\n", [Event(b"\xff\x00")], id="not-text"),
    ],
)
@pytest.mark.parametrize("size", [1, 2, 3, 1000])
def test_a_stream_gives_its_events_in_any_split(stream, events, size):
    assert decoded(*(stream[at : at + size] for at in range(0, len(stream), size))) == events


def test_cr_and_lf_in_two_pieces_are_one_line_end():
    assert decoded(b"data: a\r", b"\ndata: b\r", b"", b"\n\r", b"\n") == [Event(b"a\nb")]


def test_a_character_cut_in_two_is_whole_again():
    data = "data: 日本\n\n".encode()
    assert decoded(data[:8], data[8:]) == [Event("日本".encode())]


def test_a_cut_bom_is_taken_off():
    assert decoded(BOM[:1], BOM[1:2], BOM[2:] + b"data: a\n\n") == [Event(b"a")]


def test_an_event_comes_with_its_blank_line():
    decoder = SSEDecoder()
    assert decoder.feed(b"data: a\n") == []
    assert decoder.feed(b"\n") == [Event(b"a")]


def test_flush_leaves_nothing_behind():
    decoder = SSEDecoder()
    decoder.feed(b"event: x\ndata: a")
    assert decoder.flush() == [Event(b"a", b"x")]
    assert decoder.flush() == []


def test_what_we_write_reads_back():
    assert decoded(encode({"a": "\n\r\u2028"}), DONE) == [
        Event('{"a":"\\n\\r\u2028"}'.encode()),
        Event(b"[DONE]"),
    ]


PARTS = [
    b"data: ",
    b"data:",
    b"event: x",
    b":",
    b"a",
    BOM,
    b"\r",
    b"\n",
    b"\r\n",
    b"\n\n",
    "日\u2028".encode(),
]


@settings(deadline=None)
@given(
    st.lists(st.sampled_from(PARTS), max_size=30).map(b"".join),
    st.lists(st.integers(0, 120), max_size=8),
)
def test_every_split_gives_what_the_whole_gives(stream, places):
    edges = [0, *sorted(min(place, len(stream)) for place in places), len(stream)]
    pieces = [stream[start:end] for start, end in pairwise(edges)]
    assert decoded(*pieces) == decoded(stream)
