"""Packed bodies in pieces, broken ones, bombs."""

import gzip
import zlib

import pytest
from canalgate.plugins import UpstreamError
from canalgate.proxy.relaying.packed import Unpacker, unpacked

PLAIN = b"data: one\n\ndata: two\n\n" * 20


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress])
@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_any_pieces_give_the_body(pack, size):
    packed, unpacker = pack(PLAIN), Unpacker(10_000)
    pieces = [unpacker.feed(packed[at : at + size]) for at in range(0, len(packed), size)]
    unpacker.close()
    assert b"".join(pieces) == PLAIN


@pytest.mark.parametrize("body", [b"no gzip at all", gzip.compress(PLAIN)[:4] + b"\xff" * 30])
def test_what_is_not_packed_is_refused(body):
    with pytest.raises(UpstreamError, match="cannot be unpacked"):
        Unpacker(10_000).feed(body)


@pytest.mark.parametrize("kept", [0, 1, 12, -1])
def test_a_body_that_breaks_off_is_noticed_at_its_end(kept):
    unpacker = Unpacker(10_000)
    unpacker.feed(gzip.compress(PLAIN)[:kept])
    with pytest.raises(UpstreamError, match="breaks off"):
        unpacker.close()


def test_a_bomb_is_not_unpacked():
    with pytest.raises(UpstreamError, match="over 10000 bytes"):
        Unpacker(10_000).feed(gzip.compress(b"x" * 10_000_000))


def test_of_an_error_as_much_is_read_as_is_allowed():
    assert unpacked(gzip.compress(b"x" * 10_000_000), 100) == b"x" * 100
    assert unpacked(b"plain", 100) == b""
