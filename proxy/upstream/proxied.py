"""Ways to a provider that lead through an HTTP or SOCKS proxy. Loaded by the first channel that has one."""

from __future__ import annotations

import socket
from typing import NamedTuple

import python_socks
from python_socks.async_.asyncio import Proxy

from ...plugins import ErrorKind, UpstreamError


class Address(NamedTuple):
    """Where a proxy is, and how it is spoken to."""

    kind: python_socks.ProxyType
    host: str
    port: int
    user: str | None
    password: str | None


def address_of(url: str) -> Address:
    """Take a proxy's address apart, as `check_proxy` lets it through."""
    return Address(*python_socks.parse_proxy_url(url))


async def through(proxy: Address, at: str, host: str, port: int) -> socket.socket:
    """Connect to a host by a proxy that is `at` an address of its name.

    Raises OSError if the proxy does not take a connection, UpstreamError if it makes none to the host.
    """
    try:
        way = Proxy(proxy.kind, at, proxy.port, proxy.user, proxy.password)
        return await way.connect(host, port)
    except python_socks.ProxyError as exc:
        reason = f"no connection to the provider: {type(exc).__name__}: {exc}"
        raise UpstreamError(ErrorKind.FAULT, reason) from exc


def check_proxy(url: str) -> None:
    """Raise ValueError if this is no address of an HTTP or SOCKS proxy."""
    try:
        Proxy.from_url(url)
    except (ValueError, KeyError) as exc:
        raise ValueError("proxy: expected http://host:port or socks5://host:port") from exc
