"""Events get a number each, whatever a stream looks like and however it is cut; the last of them are kept."""

import pytest
from canalgate.adapters.sse import SSEDecoder
from canalgate.proxy.relaying.numbered import Numbered
from support import cuts

MOST = 10_000

# name: (what came, what is sent, how many events it has)
STREAMS = {
    "plain": (b"data: a\n\ndata: b\n\n", b"id: 1\ndata: a\n\nid: 2\ndata: b\n\n", 2),
    "CRLF": (b"data: a\r\n\r\ndata: b\r\n\r\n", b"id: 1\ndata: a\r\n\r\nid: 2\ndata: b\r\n\r\n", 2),
    "CR": (b"data: a\r\rdata: b\r\r", b"id: 1\ndata: a\r\rid: 2\ndata: b\r\r", 2),
    "mixed ends": (b"data: a\n\r\ndata: b\n\n", b"id: 1\ndata: a\n\r\nid: 2\ndata: b\n\n", 2),
    "named": (b"event: x\ndata: a\n\n", b"id: 1\nevent: x\ndata: a\n\n", 1),
    "several lines": (b"data: a\ndata: b\n\n", b"id: 1\ndata: a\ndata: b\n\n", 1),
    "without data": (b"data\n\n", b"id: 1\ndata\n\n", 1),
    "a comment": (b": hello\n\ndata: a\n\n", b": hello\n\nid: 1\ndata: a\n\n", 1),
    "a comment inside": (b": hello\ndata: a\n\n", b"id: 1\n: hello\ndata: a\n\n", 1),
    "no data but a name": (b"event: x\n\ndata: a\n\n", b"event: x\n\nid: 1\ndata: a\n\n", 1),
    "another field": (b"database: 1\n\ndata: a\n\n", b"database: 1\n\nid: 1\ndata: a\n\n", 1),
    "a BOM": (b"\xef\xbb\xbfdata: a\n\n", b"id: 1\ndata: a\n\n", 1),
    "empty lines": (b"\n\n\n\ndata: a\n\n\n\ndata: b\n\n", b"id: 1\ndata: a\n\nid: 2\ndata: b\n\n", 2),
    "numbers of its own": (
        b"id: 77\ndata: a\n\ndata: b\nid:78\n\n",
        b"id: 1\ndata: a\n\nid: 2\ndata: b\n\n",
        2,
    ),
    "an empty number": (b"id\r\ndata: a\r\n\r\n", b"id: 1\ndata: a\r\n\r\n", 1),
    "a field like a number": (b"idea: 1\ndata: id: 3\n\n", b"id: 1\nidea: 1\ndata: id: 3\n\n", 1),
    "no end": (b"data: a\n\ndata: [DONE]", b"id: 1\ndata: a\n\nid: 2\ndata: [DONE]\n\n", 2),
    "half an end": (b"data: a\n\ndata: [DONE]\n", b"id: 1\ndata: a\n\nid: 2\ndata: [DONE]\n\n", 2),
    "nothing": (b"", b"", 0),
    "letters of several bytes": ("data: 好\n\n".encode(), "id: 1\ndata: 好\n\n".encode(), 1),
}


@pytest.mark.parametrize("how", ["whole", "events", "bytes", "random"])
@pytest.mark.parametrize("name", STREAMS)
def test_each_event_is_numbered_and_nothing_else_is_changed(name, how):
    came, sent, count = STREAMS[name]
    events = Numbered(MOST)
    assert b"".join(map(events.feed, cuts(came, how, seed=3))) + events.flush() == sent
    assert events.last == count


@pytest.mark.parametrize("name", STREAMS)
def test_a_reader_sees_the_same_events(name):
    came, sent, _ = STREAMS[name]
    read = []
    for data in (came, sent):
        decoder = SSEDecoder()
        read.append([one for one in [*decoder.feed(data), *decoder.flush()] if one.data or one.name])
    assert read[0] == read[1]


def three():
    events = Numbered(MOST)
    events.feed(b"data: a\n\n: hi\n\ndata: b\n\ndata: c\n\n")
    return events


AFTER = {0: (1, 2, 3), 1: (2, 3), 2: (3,), 3: (), 4: ()}


@pytest.mark.parametrize("last", AFTER)
def test_every_event_after_one_is_given(last):
    letters = b"abc"
    wanted = b"".join(b"id: %d\ndata: %c\n\n" % (n, letters[n - 1]) for n in AFTER[last])
    assert three().after(last) == wanted


def test_what_is_no_longer_kept_is_not_given_as_if_it_were_all():
    events = three()
    events.clear()
    events.feed(b"data: d\n\n")
    assert [events.after(last) is None for last in range(5)] == [True, True, True, False, False]


def test_no_more_is_kept_than_may_be():
    events = Numbered(500)
    for _ in range(1000):
        events.feed(b"data: aaaaaaaaaaaaaaaaaaaa\n\n")
        assert events.size <= 500
    assert events.after(999) is not None
    assert events.after(990) is None


def test_what_is_freed_is_what_was_kept():
    events = three()
    size = events.size
    assert size > 0
    assert (events.clear(), events.size) == (size, 0)


@pytest.mark.parametrize("how", ["whole", "bytes", "random"])
def test_an_event_too_long_to_be_held_goes_by_numbered_and_is_not_kept(how):
    long = b"data: " + b"a" * 900 + b"\n\n"
    events = Numbered(200)
    came = b"data: a\n\n" + long + b"data: b\n\n"
    sent = b"".join(map(events.feed, cuts(came, how))) + events.flush()
    assert sent == b"id: 1\ndata: a\n\nid: 2\n" + long + b"id: 3\ndata: b\n\n"
    assert (events.after(1), events.after(2)) == (None, b"id: 3\ndata: b\n\n")


def test_little_is_held_of_an_event_that_never_ends():
    events = Numbered(200)
    for _ in range(100):
        events.feed(b"a" * 100)
    assert len(events.feed(b"b" * 5000)) > 4000
