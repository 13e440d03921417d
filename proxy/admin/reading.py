"""Read what an operation takes from a request, strictly: whatever is wrong is a 400 that names the field."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import msgspec
from aiohttp import web

from ..errors import GatewayError
from ..wire.inbound import stalled
from .operations import Operation

MOST_BYTES = 1024 * 1024
_NAMED = re.compile(r"(?:unknown|required) field `(.*)`")


async def read_arguments(operation: Operation, request: web.Request, idle_s: float) -> dict[str, Any]:
    """Return the handler's arguments. Raises GatewayError 400, 408, 413 or 415."""
    _refuse_nul({**request.match_info, **request.query}, "")
    arguments = {
        name: _converted(request.match_info[name], kind, name) for name, kind in operation.takes.items()
    }
    if operation.query is not None:
        arguments["query"] = _read_query(operation.query, request)
    elif request.query:
        raise _bad(f"unknown parameter {next(iter(request.query))[:100]!r}", next(iter(request.query))[:100])
    if operation.body is not None:
        data = await read_bytes(request, idle_s)
        arguments["body"] = _read_body(operation.body, data)
        if rb"\u0000" in data:
            _refuse_nul(msgspec.json.decode(data), "")
    return arguments


async def read_bytes(request: web.Request, idle_s: float) -> bytes:
    """Return a request's body of JSON."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise GatewayError(415, "send the body as content-type: application/json", code="unsupported_type")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise GatewayError(415, "a compressed request body is not accepted", code="unsupported_encoding")
    body = bytearray()
    if (request.content_length or 0) > MOST_BYTES:
        raise _too_large()
    while True:
        try:
            async with asyncio.timeout(idle_s):
                piece = await request.content.readany()
        except TimeoutError:
            raise stalled() from None
        if not piece:
            return bytes(body)
        body += piece
        if len(body) > MOST_BYTES:
            raise _too_large()


def _read_query(kind: Any, request: web.Request) -> Any:
    given: dict[str, str] = {}
    for name, text in request.query.items():
        if name in given:
            raise _bad(f"the parameter {name[:100]!r} stands there twice", name[:100])
        given[name] = text
    return _converted(given, kind, "")


def _converted(value: object, kind: Any, name: str) -> Any:
    try:
        return msgspec.convert(value, kind, strict=False)
    except msgspec.ValidationError as exc:
        raise _told(exc, name) from None


def _read_body(kind: Any, data: bytes) -> Any:
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.ValidationError as exc:
        raise _told(exc, "") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise GatewayError(400, "the body is not valid JSON", code="invalid_json") from None


def _refuse_nul(value: Any, where: str) -> None:
    """Refuse texts that not every database can keep."""
    if isinstance(value, str) and "\0" in value:
        raise _bad(f"{where}: a text has no NUL in it", where)
    if isinstance(value, list):
        for place, member in enumerate(value):
            _refuse_nul(member, f"{where}[{place}]")
    if isinstance(value, dict):
        for name, member in value.items():
            _refuse_nul(name, where)
            _refuse_nul(member, f"{where}.{name}" if where else name)


def _told(exc: msgspec.ValidationError, name: str) -> GatewayError:
    """Turn msgspec's message into one that begins with the field's name."""
    message, _, where = str(exc).partition(" - at `")
    where = where.rstrip("`").removeprefix("key in ").removeprefix("$").lstrip(".")
    named = _NAMED.search(message)
    field = ".".join(part for part in (name, where, named[1] if named else "") if part)[:200]
    return _bad(f"{field}: {message[:1].lower()}{message[1:]}" if field else message, field)


def _bad(message: str, field: str) -> GatewayError:
    return GatewayError(400, message[:500], code="invalid_value", param=field or None)


def _too_large() -> GatewayError:
    return GatewayError(413, f"the body has more than {MOST_BYTES} bytes", code="body_too_large")
