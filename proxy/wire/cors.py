"""Pages of other sites in a browser: what the browser is told so that they may call.

A call is paid by the key in its header and never by a cookie, so a page of any site may do no more than its
own server could. The console's sessions are below `/api`, where nothing of this is said. Wire:
fetch.spec.whatwg.org, "CORS protocol".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

ANY = "*"
PREFLIGHT_FIELD = "access-control-request-method"
_FOR_PREFLIGHT = (
    b"access-control-allow-methods: GET, POST\r\n"
    b"access-control-allow-headers: authorization, *\r\n"  # a star does not stand for that one
    b"access-control-max-age: 7200\r\n"
)


def lines(headers: Mapping[str, str], origins: Sequence[str]) -> bytes:
    """Return the lines of an answer's head for a browser whose page has asked; none for other clients.

    `origins` are the sites that may call, like `https://chat.example.com`, or `*` for all.
    """
    origin = headers.get("origin", "")
    if not origin or not (ANY in origins or origin in origins):
        return b""
    who = b"*" if ANY in origins else origin.encode("ascii") + b"\r\nvary: origin"
    allowed = b"access-control-allow-origin: %b\r\naccess-control-expose-headers: *\r\n" % who
    return allowed + _FOR_PREFLIGHT if PREFLIGHT_FIELD in headers else allowed
