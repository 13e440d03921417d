"""Which addresses we connect to, asked after the name was resolved and before anything is sent.

A name is resolved once, and the connection is made to the address that was checked, so a resolver that
answers otherwise the next time changes nothing. Where a proxy is on the way, its address is what is checked.
Ranges: IANA's registries of special-purpose addresses, and the metadata addresses of clouds as they document
them.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import socket
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from ...plugins import ErrorKind, UpstreamError

log = logging.getLogger(__name__)

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

EMBEDDED = "IPv4 inside IPv6"
_UNDER_ANY_POLICY = ("link-local", "metadata", "multicast")

_RULES: tuple[tuple[str, tuple[Network, ...]], ...] = tuple(
    (rule, tuple(map(ipaddress.ip_network, networks)))
    for rule, networks in (
        # Azure's and Oracle's are no link-local ones, Alibaba's is among those of carriers.
        ("metadata", ("169.254.169.254", "169.254.170.2", "100.100.100.200", "168.63.129.16",
                      "192.0.0.192", "fd00:ec2::/32", "fd20:ce::254")),
        ("link-local", ("169.254.0.0/16", "fe80::/10")),
        ("multicast", ("224.0.0.0/4", "255.255.255.255", "ff00::/8")),
        ("unspecified", ("0.0.0.0/8", "::/128")),
        ("loopback", ("127.0.0.0/8", "::1")),
        ("private", ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7",
                     "fec0::/10")),
        ("reserved", ("192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24",
                      "203.0.113.0/24", "240.0.0.0/4", "64:ff9b:1::/48", "100::/64", "2001::/23",
                      "2001:db8::/32", "3fff::/20", "5f00::/16")),
    )
)  # fmt: skip
"""The first rule whose networks hold an address is the address's."""


@dataclass(frozen=True, slots=True)
class Policy:
    """Which rules keep us from an address. What is in a network of `allow` is reached whatever they say."""

    refused: frozenset[str]
    allow: tuple[Network, ...] = ()


CONTENT = Policy(frozenset({EMBEDDED, *(rule for rule, _ in _RULES)}))
"""For addresses that a client names: nothing but the public internet, in plain spelling."""


def for_channels(private: bool, allow: Iterable[str] = ()) -> Policy:
    """Return the policy for addresses that administrators name; with `private`, our own network's too.

    Raises ValueError for what is no network.
    """
    refused = _UNDER_ANY_POLICY if private else [rule for rule, _ in _RULES]
    return Policy(frozenset(refused), tuple(ipaddress.ip_network(network) for network in allow))


def refusal(address: str, policy: Policy) -> str:
    """Return the rule that keeps us from an address, empty for none. Raises ValueError for what is none."""
    outer = ipaddress.ip_address(address.partition("%")[0])
    inner = list(_embedded(outer)) if isinstance(outer, IPv6Address) else []
    if inner and EMBEDDED in policy.refused:
        return EMBEDDED
    for one in (outer, *inner):
        rule = next((name for name, networks in _RULES if _is_in(one, networks)), "")
        if rule in policy.refused and not _is_in(one, policy.allow):
            return rule
    return ""


async def reachable(host: str, port: int, policy: Policy) -> list[str]:
    """Resolve a host and return those of its addresses that may be reached, in the resolver's order.

    Raises OSError if it has none, UpstreamError if none may be reached.
    """
    found, rules = [], []
    for address in await _addresses(host, port):
        rule = refusal(address, policy)
        if rule:
            rules.append(rule)
        else:
            found.append(address)
    for rule in dict.fromkeys(rules):
        log.warning("address refused rule=%s others_left=%d", rule, len(found))
    if rules and not found:
        raise UpstreamError(ErrorKind.FAULT, f"an address that is not reached from here: {rules[0]}")
    return found


async def _addresses(host: str, port: int) -> list[str]:
    try:
        ipaddress.ip_address(host)
    except ValueError:  # a name, or an address as only the resolver reads it: 0x7f.1
        loop = asyncio.get_running_loop()
        infos = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return list(dict.fromkeys(str(info[4][0]) for info in infos))
    return [host]


def _is_in(address: Address, networks: Iterable[Network]) -> bool:
    return any(address in network for network in networks)


def _embedded(address: IPv6Address) -> Iterator[IPv4Address]:
    """Yield what a router may make of an address: IPv4-mapped, -compatible, NAT64, 6to4, Teredo, ISATAP."""
    bits = int(address)
    low = bits & 0xFFFFFFFF
    if bits >> 32 in (0, 0xFFFF, 0xFFFF0000, 0x64FF9B << 64) and bits > 1:
        yield IPv4Address(low)
    elif bits >> 112 == 0x2002:
        yield IPv4Address(bits >> 80 & 0xFFFFFFFF)
    elif bits >> 96 == 0x20010000:
        yield from (IPv4Address(bits >> 64 & 0xFFFFFFFF), IPv4Address(low ^ 0xFFFFFFFF))
    elif bits >> 80 == 0x64FF9B0001:  # either all of the prefix belongs to the network, or 48 bits do
        yield from (IPv4Address(low), IPv4Address((bits >> 64 & 0xFFFF) << 16 | bits >> 40 & 0xFFFF))
    elif bits >> 32 & 0xFDFFFFFF == 0x5EFE:
        yield IPv4Address(low)
