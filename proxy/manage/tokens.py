"""Tokens as people set them: whether one makes sense, before it is kept. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import replace

from ..records import Token
from .refused import Refused

MOST_NAME = 191
_MOST_NAMES = 1000
_LAST_S = 253_402_300_799
"""The end of the year 9999."""


def checked(token: Token) -> Token:
    """Return the token as it is kept. Raises Refused naming the field that makes no sense."""
    name = token.name.strip()
    if not name or len(name) > MOST_NAME or not name.isprintable():
        raise Refused("name", f"expected 1 to {MOST_NAME} printable characters")
    if token.expires_at is not None and not 0 < token.expires_at <= _LAST_S:
        raise Refused("expired_time", "expected unix seconds, or -1 for never")
    if len(token.models) > _MOST_NAMES:
        raise Refused("models", f"expected at most {_MOST_NAMES} models")
    return replace(token, name=name, subnets=networks(token.subnets))


def networks(texts: Iterable[str]) -> tuple[str, ...]:
    """Return networks in one spelling; an address is the network of itself. Raises Refused."""
    found = []
    for text in texts:
        try:
            found.append(str(ipaddress.ip_network(text.strip(), strict=False)))
        except ValueError:
            raise Refused(
                "subnet", f"{text[:60]!r}: expected an address or a network like 10.0.0.0/8"
            ) from None
    if len(found) > _MOST_NAMES:
        raise Refused("subnet", f"expected at most {_MOST_NAMES} networks")
    return tuple(dict.fromkeys(found))
