"""Which path is which endpoint. Every path is served with and without `/v1`, a last slash, and `//`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, cast, get_args

from ...plugins import Endpoint
from ..errors import GatewayError

Page = Literal[
    "models", "model", "live", "ready", "status", "preflight", "receipt", "stream", "subscription", "usage"
]

_RELAYED = frozenset(get_args(Endpoint))
_PAGES: dict[str, Page] = {
    "models": "models",
    "health/live": "live",
    "health/ready": "ready",
    "api/status": "status",
    "dashboard/billing/subscription": "subscription",
    "dashboard/billing/usage": "usage",
}
_VERSIONED = frozenset({"models", "dashboard/billing/subscription", "dashboard/billing/usage"})
"""Pages that are also served below `/v1`."""
_ENGINE = re.compile(r"engines/(.+)/embeddings")

DEFAULT_MODELS: dict[str, str] = {
    "moderations": "omni-moderation-latest",
    "images/generations": "dall-e-2",
    "images/edits": "dall-e-2",
    "images/variations": "dall-e-2",
    "audio/transcriptions": "whisper-1",
    "audio/translations": "whisper-1",
}
"""Models meant where a request names none; OpenAI's API makes `model` optional there."""

FORMS = frozenset({"images/edits", "images/variations", "audio/transcriptions", "audio/translations"})
"""Endpoints whose request is a multipart form."""


@dataclass(frozen=True, slots=True)
class Route:
    """Where a request goes: to an endpoint of a provider, or to a page of ours.

    `model` and `request_id` are what the path names, if it names one.
    """

    endpoint: Endpoint | None = None
    page: Page | None = None
    model: str = ""
    request_id: str = ""


@lru_cache(maxsize=512)
def match(method: str, path: str) -> Route:
    """Find the route of a decoded path. Raises GatewayError 404 or 405."""
    route = _find(path)
    if route is None:
        raise GatewayError(
            404, f"unknown path: {method} {path[:200]}", code="unknown_url", type="invalid_request_error"
        )
    if method == "OPTIONS":
        return Route(page="preflight")
    if method not in _methods(route):
        raise not_allowed(method, path)
    return route


def _methods(route: Route | None) -> tuple[str, ...]:
    return ("GET", "HEAD") if route is None or route.endpoint is None else ("POST",)


def not_allowed(method: str, path: str) -> GatewayError:
    """The error for a method that a path does not take."""
    allowed = _methods(_find(path))
    return GatewayError(
        405,
        f"{method} is not allowed here; use {allowed[0]}",
        code="method_not_allowed",
        headers={"allow": ", ".join(allowed)},
    )


def is_ours(path: str) -> bool:
    """Whether a path is the gateway's own, so that no plugin may have it."""
    first = path.strip("/").partition("/")[0]
    return first in ("", "v1", "api", "console", "health") or _find(path) is not None


def is_page_of_admins(path: str) -> bool:
    """Whether a path belongs to the pages of administrators: the API, or the console that uses it."""
    return path.strip("/").partition("/")[0] in ("", "api", "console") and _find(path) is None


def _find(path: str) -> Route | None:
    name = "/".join(part for part in path.split("/") if part)
    versioned = name.startswith("v1/")
    bare = name.removeprefix("v1/")
    if bare in _RELAYED:
        return Route(cast("Endpoint", bare))
    if bare in _PAGES and (bare in _VERSIONED or not versioned):
        return Route(page=_PAGES[bare])
    if bare.startswith("models/"):
        return Route(page="model", model=bare.removeprefix("models/"))
    if bare.startswith("usage/"):
        return Route(page="receipt", request_id=bare.removeprefix("usage/"))
    if bare.startswith("streams/"):
        return Route(page="stream", request_id=bare.removeprefix("streams/"))
    if engine := _ENGINE.fullmatch(bare):
        return Route("embeddings", model=engine[1])
    return None
