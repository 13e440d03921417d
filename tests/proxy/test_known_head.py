"""A head that a connection has had before is known again by its bytes, and nothing else is taken for it."""

import pytest
from canalgate.proxy.lanes.head import Head, KnownHead
from canalgate.proxy.wire.endpoints import match

LINES = b"POST /v1/chat/completions HTTP/1.1\r\nHost: gw\r\n%b\r\nX: y\r\n\r\n"
SEEN = LINES % b"Content-Length: 25"


def known(received: bytes = SEEN) -> KnownHead:
    fields = {"host": "gw", "content-length": "25", "x": "y"}
    return KnownHead(received, Head(match("POST", "/v1/chat/completions"), "POST", "/p", fields, True))


@pytest.mark.parametrize("length", [b"25", b"26", b"0", b"2500", b"7", b"000012", b"123456789012345"])
def test_the_same_head_with_any_length_is_known_again_as_often_as_it_comes(length):
    head = known()
    for _ in range(2):
        assert head.end_in(LINES % (b"Content-Length: " + length) + b'{"a":1}') == len(SEEN) - 2 + len(length)
        assert head.head.fields == {"host": "gw", "content-length": length.decode(), "x": "y"}
        assert head.head.length == int(length)
    assert head.end_in(SEEN) == len(SEEN)
    assert head.head.length == 25


OTHERS = {
    "half of it": SEEN[:-1],
    "half of the length": SEEN[: SEEN.index(b"25") + 1],
    "nothing": b"",
    "no length": LINES % b"Content-Length: ",
    "a sign": LINES % b"Content-Length: +5",
    "a negative length": LINES % b"Content-Length: -5",
    "hexadecimal": LINES % b"Content-Length: 0x5",
    "an underscore": LINES % b"Content-Length: 1_0",
    "a space behind": LINES % b"Content-Length: 25 ",
    "two lengths in one": LINES % b"Content-Length: 25, 25",
    "digits that are none": LINES % "Content-Length: ٢٥".encode(),
    "too many digits": LINES % b"Content-Length: 1234567890123456",
    "a length twice": LINES % b"Content-Length: 25\r\nContent-Length: 25",
    "another field behind": LINES % b"Content-Length: 25\r\nTransfer-Encoding: chunked",
    "another field before": LINES % b"Transfer-Encoding: chunked\r\nContent-Length: 25",
    "a bare line feed": LINES % b"Content-Length: 25\n",
    "a bare carriage return": LINES % b"Content-Length: 25\r",
    "another value": SEEN.replace(b"X: y", b"X: z"),
    "another path": SEEN.replace(b"chat/", b"chit/"),
    "a line before": b"\r\n" + SEEN,
}


@pytest.mark.parametrize("name", OTHERS)
def test_what_differs_in_anything_else_is_another_head(name):
    head = known()
    assert head.end_in(OTHERS[name]) == 0
    assert head.head.length == 25
    assert head.end_in(SEEN) == len(SEEN)


def test_a_head_without_a_body_is_known_by_all_of_its_bytes():
    received = b"GET /v1/models HTTP/1.1\r\nHost: gw\r\n\r\n"
    head = KnownHead(received, Head(match("GET", "/v1/models"), "GET", "/v1/models", {"host": "gw"}, True))
    assert head.end_in(received + b"GET ") == len(received)
    assert head.end_in(received[:-2] + b"Content-Length: 5\r\n\r\n") == 0
    assert head.head.length == 0
