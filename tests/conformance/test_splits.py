"""Bodies are cut where it was asked, and nothing is lost."""

import struct

import pytest
from canalgate.proxy.conformance.splits import SPLITS, pieces

FRAMES = b"".join(struct.pack(">I", 8 + len(text)) + b"head" + text for text in (b"one", b"three"))

EVENTS = [
    ("sse", b"data: 1\n\ndata: 2\n\n", [b"data: 1\n\n", b"data: 2\n\n"]),
    ("sse", b"data: 1\r\n\r\ndata: 2", [b"data: 1\r\n\r\n", b"data: 2"]),
    ("sse", b"data: 1\r\rdata: 2\r\r", [b"data: 1\r\r", b"data: 2\r\r"]),
    ("ndjson", b'{"a":1}\n{"b":2}\n', [b'{"a":1}\n', b'{"b":2}\n']),
    ("eventstream", FRAMES, [FRAMES[:11], FRAMES[11:]]),
    ("eventstream", FRAMES + b"\x00", [FRAMES[:11], FRAMES[11:], b"\x00"]),
    ("json", b'{"a":\n\n1}', [b'{"a":\n\n1}']),
    ("sse", b"", []),
]


@pytest.mark.parametrize(("form", "body", "wanted"), EVENTS)
def test_a_body_is_cut_after_each_event(form, body, wanted):
    assert pieces(body, "events", form) == wanted


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize(("form", "body", "wanted"), EVENTS)
def test_the_pieces_make_the_body(form, body, wanted, split):
    assert b"".join(pieces(body, split, form, seed=7)) == body


def test_random_places_depend_on_the_seed_alone():
    body = bytes(range(256))
    assert pieces(body, "random", seed=1) == pieces(body, "random", seed=1) != pieces(body, "random", seed=2)
