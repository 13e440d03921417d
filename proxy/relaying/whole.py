"""Tell a body that breaks off from a whole one where its framing does not."""

from __future__ import annotations

import orjson

_BLANKS = b"\xef\xbb\xbf \t\r\n"
"""What may stand before JSON: a byte order mark, and the line breaks some hosts send while they think."""

_CLOSERS = {b"{": b"}", b"[": b"]"}
_NEAR = 64


def begins_as_json(data: bytes) -> bool | None:
    """Whether this is the beginning of a JSON object or list; None if nothing but blanks came yet."""
    start = data.lstrip(_BLANKS)[:1]
    return start in _CLOSERS if start else None


def is_cut_json(body: bytes, framed: bool) -> bool:
    """Whether a JSON answer lacks its end. Where only a closed connection ended it, it is parsed."""
    closer = _CLOSERS.get(body[:_NEAR].lstrip(_BLANKS)[:1])
    if closer is None:
        return False
    if body[-_NEAR:].rstrip()[-1:] != closer:
        return True
    if framed:
        return False
    try:
        orjson.loads(body.removeprefix(_BLANKS[:3]))
    except orjson.JSONDecodeError:
        return True
    return False


def is_cut_event(tail: bytes) -> bool:
    """Whether a stream with these last bytes ends inside the data of an event.

    A last event without its line break is whole if its JSON or its `[DONE]` is.
    """
    line = tail[max(tail.rfind(b"\n"), tail.rfind(b"\r")) + 1 :].rstrip()
    is_data = line.startswith(b"data:") or len(line) == len(tail.rstrip()) > 0
    return is_data and not line.endswith((b"}", b"]"))
