"""What the admin API can do, as values: an Operation is a method on a path, with its handler.

The decorators of `Operations` read it from the handler: parameters named as in the path, `query` and `body`
(structs), `idempotency_key` (a handler that sees to it itself that nothing happens twice), and the type it
returns; the docstring describes it. So the code that serves an operation, its
description and its tests have one source.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from aiohttp import web

from ..errors import GatewayError
from ..records import ROLES
from .actors import Actor
from .desk import Desk
from .fields import Tagged
from .streams import Media, Stream

PREFIX = "/api/v1"

Least = Literal["public", "user", "admin", "root"]
"""Who may at least do it; `public` is anybody, without being asked who they are."""
Once = Literal["", "kept", "passed"]
ONCE = "idempotency_key"
"""Name of the handler's parameter, and so of what the client calls its request."""
Handler = Callable[..., Awaitable[Any]]
H = TypeVar("H", bound=Handler)

RANKS: Mapping[str, int] = {"public": 0, **ROLES}


@dataclass(slots=True)
class Noted:
    """What a handler says it has done, for the audit trail."""

    subject: str = ""
    detail: dict[str, Any] = field(default_factory=dict)
    actor: str = ""
    session: str | None = None
    """What the client's cookie is to hold from now on; empty takes it away."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request to an operation: who asks, from where, and what it works on."""

    desk: Desk
    actor: Actor
    address: str
    request: web.Request = field(repr=False)
    noted: Noted = field(default_factory=Noted)

    def may(self, least: Least) -> bool:
        """Whether who asks has at least this role."""
        return self.actor.role >= RANKS[least]

    def note(self, subject: str, /, **detail: Any) -> None:
        """Say what was changed, `channel:3`, and how; no secret is in it."""
        self.noted.subject = subject
        self.noted.detail |= detail

    def expect(self, tag: str) -> None:
        """Check that what is to be changed is what the client has seen. Raises GatewayError 412."""
        wanted = self.request.headers.get("if-match")
        if wanted is None or wanted.strip() == "*":
            return
        if f'"{tag}"' not in [one.strip() for one in wanted.split(",")]:
            raise GatewayError(
                412, "this has been changed since you read it; read it again", code="precondition_failed"
            )


@dataclass(frozen=True, slots=True)
class Operation:
    """A method on a path below `/api/v1`. `answer` is None for an empty answer.

    Of a stream it is one piece of it, and `media` are the types in which it may come. Whether it heeds an
    `Idempotency-Key` is said by `once`: `kept` with its answer for it, `passed` to the handler, or empty.
    """

    method: str
    path: str
    least: Least
    area: str
    handler: Handler
    takes: Mapping[str, Any]
    query: Any
    body: Any
    answer: Any
    status: int
    is_tagged: bool
    is_matched: bool
    once: Once
    media: tuple[Media, ...] = ("application/json",)

    @property
    def name(self) -> str:
        """Name of the operation, and of its act in the audit trail."""
        return self.handler.__name__

    @property
    def text(self) -> str:
        """What it does."""
        return inspect.getdoc(self.handler) or ""

    @property
    def is_read(self) -> bool:
        """Whether it changes nothing."""
        return self.method == "GET"


class Operations:
    """The operations of one resource."""

    def __init__(self, area: str) -> None:
        self.area = area
        self.all: list[Operation] = []

    def get(self, path: str, least: Least) -> Callable[[H], H]:
        """Show something."""
        return self._add("GET", path, least)

    def follow(self, path: str, least: Least, *media: Media) -> Callable[[H], H]:
        """Show something bit by bit; the handler returns a Stream of one of these types."""
        return self._add("GET", path, least, media=media)

    def post(self, path: str, least: Least, *, status: int = 201, once: bool = True) -> Callable[[H], H]:
        """Make something. `once`: an `Idempotency-Key` is kept with the answer here, but for a secret."""
        return self._add("POST", path, least, status=status, once=once)

    def run(self, path: str, least: Least, media: Media) -> Callable[[H], H]:
        """Do something that takes its time; the handler returns a Stream of what comes of it."""
        return self._add("POST", path, least, media=(media,))

    def put(self, path: str, least: Least) -> Callable[[H], H]:
        """Set something."""
        return self._add("PUT", path, least)

    def patch(self, path: str, least: Least) -> Callable[[H], H]:
        """Change what is given of something; `If-Match` is heeded by the handler."""
        return self._add("PATCH", path, least, matched=True)

    def delete(self, path: str, least: Least, *, matched: bool = False) -> Callable[[H], H]:
        """Take something away. `matched`: the handler heeds `If-Match`."""
        return self._add("DELETE", path, least, matched=matched)

    def _add(
        self, method: str, path: str, least: Least, *, status: int = 200, once: bool = False,
        matched: bool = False, media: tuple[Media, ...] = ("application/json",),
    ) -> Callable[[H], H]:  # fmt: skip
        def added(handler: H) -> H:
            hints = get_type_hints(handler, include_extras=True)
            answer = hints.pop("return")
            is_tagged = get_origin(answer) is Tagged
            answer = get_args(answer)[0] if get_origin(answer) in (Tagged, Stream) else answer
            answer = None if answer is type(None) else answer
            heeds: Once = "passed" if ONCE in hints else "kept" if once else ""
            takes = {name: hints[name] for name in re.findall(r"{(\w+)}", path)}
            self.all.append(
                Operation(
                    method, path, least, self.area, handler, takes, hints.get("query"), hints.get("body"),
                    answer, 204 if answer is None else status, is_tagged, matched, heeds,
                    media,
                )
            )  # fmt: skip
            return handler

        return added
