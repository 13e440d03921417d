"""Who asks: a key from the header, and what its token allows. The look-up itself is live.py's."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

from .errors import GatewayError, forbidden, unauthorized
from .keys.vault import TOKEN_PREFIX
from .records import ENABLED, ROLE_ADMIN, Token, User

MAX_KEY_LENGTH = 512
_CHANNEL_FIELD, _CHANNELS_OF_FIELD = "aiproxy-channel", "x-aiproxy-group-channel-mode"
_CHANNELS_OF_GROUP = frozenset({"own", "group", "group-only", "group_only"})
_MOST_ID_DIGITS = 9
_KEY_FIELDS = ("authorization", "x-api-key", "api-key")


@dataclass(frozen=True, slots=True)
class Principal:
    """A token and the user it belongs to; `pin` is the channel the key names, for administrators.

    `limited` are the names of their accounts that can run out, `subjects` of what limits may be set for.
    """

    token: Token
    user: User
    pin: int | None = None
    limited: tuple[str, ...] = field(init=False)
    subjects: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        token, user = self.token, self.user
        accounts = ((f"user:{user.id}", user.limited), (f"token:{token.id}", token.limited))
        put = object.__setattr__  # it is frozen from here on
        put(self, "limited", tuple(name for name, limited in accounts if limited))
        put(self, "subjects", (f"token:{token.id}", f"user:{user.id}", f"group:{user.group}"))


def client_key(headers: Mapping[str, str]) -> str:
    """Return the key a request carries, without `Bearer` and `sk-`. Raises GatewayError 401."""
    for name in _KEY_FIELDS:
        value = headers.get(name, "").strip()
        if not value:
            continue
        scheme, _, rest = value.partition(" ")
        key = rest.strip() if name == "authorization" and scheme.lower() == "bearer" else value
        key = key.removeprefix(TOKEN_PREFIX)
        if key and len(key) <= MAX_KEY_LENGTH:
            return key
        break
    raise unauthorized("no API key: send it as Authorization: Bearer sk-...")


def split_pin(key: str) -> tuple[str, int | None]:
    """Split One API's `KEY-CHANNELID`. A key without such an end comes back whole."""
    base, dash, end = key.rpartition("-")
    if dash and base and end.isascii() and end.isdigit() and len(end) <= 9:
        return base, int(end)
    return key, None


def steered(principal: Principal, headers: Mapping[str, str]) -> Principal:
    """Return who asks with the channel that AI Proxy's header names, if it does. Raises GatewayError.

    A caller who asks for channels of a group's own gets none: channels here belong to everybody.
    """
    if _CHANNEL_FIELD in headers:
        value = headers[_CHANNEL_FIELD].strip()
        if not (value.isascii() and value.isdigit() and len(value) <= _MOST_ID_DIGITS and int(value)):
            raise GatewayError(400, f"the header {_CHANNEL_FIELD} names no channel", code="invalid_value")
        principal = replace(principal, pin=int(value))
    if _CHANNELS_OF_FIELD in headers and headers[_CHANNELS_OF_FIELD].strip().lower() in _CHANNELS_OF_GROUP:
        raise GatewayError(
            404, "no available channel: channels of groups are not kept here", code="no_channel"
        )
    return principal


def admit(principal: Principal, address: str, now: float) -> None:
    """Check everything about a token but the model. Raises GatewayError 401 or 403."""
    token, user = principal.token, principal.user
    if token.status != ENABLED:
        raise unauthorized("this API key is disabled")
    if token.expires_at is not None and token.expires_at <= now:
        raise unauthorized("this API key has expired")
    if user.status != ENABLED:
        raise forbidden("the account of this API key is disabled", "account_disabled")
    if token.subnets and not _is_in(address, token.subnets):
        raise forbidden("this API key may not be used from this address", "address_not_allowed")
    if principal.pin is not None and user.role < ROLE_ADMIN:
        raise forbidden("only administrators may choose a channel", "channel_not_allowed")


def admit_model(principal: Principal, model: str) -> None:
    """Check that the token may use a model. Raises GatewayError 403."""
    if principal.token.models and model not in principal.token.models:
        raise GatewayError(
            403,
            f"this API key may not use the model {model[:200]!r}",
            type="permission_error",
            code="model_not_allowed",
            param="model",
        )


def is_trusted(peer: str, trusted: Sequence[str]) -> bool:
    """Whether what this peer says of its clients is believed."""
    return bool(trusted) and _is_in(peer, tuple(trusted))


def client_address(peer: str, forwarded: str, trusted: Sequence[str]) -> str:
    """Return the client's address: the last one in X-Forwarded-For that is no trusted proxy's."""
    if not is_trusted(peer, trusted):
        return peer
    for hop in reversed([hop.strip() for hop in forwarded.split(",") if hop.strip()]):
        if not _is_address(hop):
            break
        peer = hop
        if not _is_in(hop, tuple(trusted)):
            break
    return peer


@lru_cache(maxsize=4096)
def _is_in(address: str, networks: tuple[str, ...]) -> bool:
    if not _is_address(address):
        return False
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped:
        ip = ip.ipv4_mapped
    return any(ip in ipaddress.ip_network(network, strict=False) for network in networks)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
