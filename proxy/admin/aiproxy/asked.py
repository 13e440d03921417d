"""What AI Proxy's clients send, read and checked; and its answers' envelope."""

from __future__ import annotations

import re
from typing import TypeVar

import msgspec
from aiohttp import web

from ...manage.refused import Refused

T = TypeVar("T")

_NOTHING = frozenset({"", "0", "null", "undefined"})
_WHOLE = re.compile(r"\d{1,20}", re.ASCII)


def answered(data: object = None) -> web.Response:
    """Return a success."""
    body = {"success": True, "message": "", "data": data}
    return web.Response(body=msgspec.json.encode(body), content_type="application/json")


def unanswered(message: str) -> web.Response:
    """Return that something could be tried and has failed, which is no error of the request."""
    body = {"success": False, "message": message}
    return web.Response(body=msgspec.json.encode(body), content_type="application/json")


async def body_of(request: web.Request, kind: type[T]) -> T:
    """Return a JSON body as `kind`. Raises Refused naming the field at fault."""
    try:
        return msgspec.json.decode(await request.read(), type=kind)
    except msgspec.ValidationError as exc:
        problem, _, where = str(exc).partition(" - at `$")
        raise Refused(where.strip(".`") or "body", problem[:1].lower() + problem[1:]) from exc
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise Refused("body", f"not JSON: {exc}") from exc
    except RecursionError as exc:
        raise Refused("body", "nests too deep") from exc


def text_asked(request: web.Request, name: str) -> str | None:
    """Return a parameter; None where it is missing or one of the words for nothing."""
    value = request.query.get(name, "").strip()
    return None if value in _NOTHING else value


def number_asked(request: web.Request, name: str, most: int = 2**53) -> int | None:
    """Return a whole number, None for nothing. Raises Refused for what is none, or is too large."""
    value = text_asked(request, name)
    if value is None:
        return None
    if not _WHOLE.fullmatch(value) or int(value) > most:
        raise Refused(name, f"expected a whole number up to {most}")
    return int(value) or None


def time_asked(request: web.Request, name: str) -> int | None:
    """Return a time in unix milliseconds; it may be given in s, ms, us or ns, told apart by their digits."""
    value = number_asked(request, name, 10**20 - 1)
    if value is None:
        return None
    if value < 10**11:
        return value * 1000
    while value >= 10**14:
        value //= 1000
    return value


def id_in(request: web.Request) -> int:
    """Return the number in a path."""
    return int(request.match_info["id"])
