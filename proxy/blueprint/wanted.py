"""What a file asks for, in our records: an entry of it and what is here become what is to be here. Pure.

Raises Refused naming the entry and the field. Whether a channel can work is checked where it changes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from ..billing.limits import Limit
from ..billing.money import parse_balance, parse_quota, parse_ratio
from ..billing.pricing import Price
from ..keys.vault import TOKEN_PREFIX, Vault, new_token_key
from ..manage.refused import Refused
from ..manage.tokens import networks
from ..manage.words import MOST_NAME
from ..prices.amounts import read_price
from ..records import DEFAULT_GROUP, ROLES, ChannelRow, Times, Token, User
from .describe import Adapters, has_password, moment, secret_options
from .document import Bound, Channel, Group
from .document import Token as TokenEntry
from .document import User as UserEntry
from .locked import ChannelSecrets

T = TypeVar("T")

_LEAST_KEY, _MOST_KEY = 8, 512
_END, _MOST_END = 4, 8
_MOST_NUMBER = 2**31 - 1


def ratio(where: str, name: str, entry: Group) -> int:
    """Return a group's ratio."""
    named(where, name)
    return _parsed(f"{where}.ratio", parse_ratio, entry.ratio)


def price(where: str, model: str, fields: Mapping[str, object]) -> Price:
    """Return a model's price, with the model as its name."""
    named(where, model)
    return _parsed(where, lambda fields: read_price(model, fields), fields)


def channel(
    where: str,
    entry: Channel,
    here: ChannelRow | None,
    secrets: ChannelSecrets | None,
    adapters: Adapters,
    now: int,
) -> ChannelRow:
    """Return a channel. What of its secrets neither the file nor `secrets` has stays as it is here."""
    before = here or ChannelRow(0, entry.type, entry.name, "", "", (), now)
    row = replace(
        before, name=named(where, entry.name), type=entry.type, base_url=entry.base_url, models=entry.models,
        mapping=dict(entry.mapping), groups=entry.groups or (DEFAULT_GROUP,), priority=entry.priority,
        weight=entry.weight, ratio=_parsed(f"{where}.ratio", parse_ratio, entry.ratio), status=entry.status,
        times=Times(**{name: value or None for name, value in msgspec.structs.asdict(entry.times).items()}),
    )  # fmt: skip
    if secrets is not None:
        return replace(
            row,
            key=_given(entry.key, secrets.key),
            proxy=_given(entry.proxy, secrets.proxy),
            options={**secrets.options, **entry.options},
        )
    secret = secret_options(adapters, before) | secret_options(adapters, row)
    kept = {name: value for name, value in before.options.items() if name in secret}
    return replace(
        row,
        key=_given(entry.key, before.key),
        proxy=_given(entry.proxy, before.proxy if has_password(before.proxy) else ""),
        options={**kept, **entry.options},
    )


def user(where: str, entry: UserEntry, here: User | None, password_hash: str | None, now: int) -> User:
    """Return a user. Without a hash from elsewhere, their password stays; a new one has none."""
    before = here or User(0, entry.name, 0, "", "", now)
    return replace(
        before,
        name=named(where, entry.name),
        role=ROLES[entry.role],
        group=named(f"{where}.group", entry.group),
        status=entry.status,
        password_hash=before.password_hash if password_hash is None else password_hash,
    )


def token(
    where: str, entry: TokenEntry, here: Token | None, hashed: bytes | None, vault: Vault, now: int
) -> tuple[Token, str]:
    """Return a token, and its key if that is new and known. The user's number is not in it yet.

    `hashed` is the key's hash from elsewhere; without it and a key in the file, a new token gets a new key.
    """
    end = entry.end
    if len(end) > _MOST_END or not end.isprintable() or " " in end:
        raise Refused(f"{where}.end", f"expected at most {_MOST_END} characters, the end of the key")
    key = _key(where, entry.key)
    if key is None and hashed is None and here is None:
        # It ends as the file says, by which the file will find it again.
        key = new_token_key()[: -len(end) or None] + end
    before = here or Token(0, 0, named(f"{where}.name", entry.name), b"", "", "", now)
    if key is not None:
        hint = end if end and key.endswith(end) else key[-_END:]
        before = replace(before, key_hash=vault.token_hash(key), hint=hint)
    elif hashed is not None:
        before = replace(before, key_hash=hashed, hint=end)
    expires_at = None if entry.expires_at is None else int(entry.expires_at.timestamp())
    if here is not None and here.expires_at is not None and moment(here.expires_at) == entry.expires_at:
        expires_at = here.expires_at
    row = replace(
        before,
        status=entry.status,
        expires_at=expires_at,
        models=tuple(dict.fromkeys(entry.models)),
        subnets=_networks(where, entry.subnets),
    )
    return row, key or ""


def limit(where: str, entry: Bound) -> Limit:
    """Return what is set for a subject."""
    numbers = {
        name: getattr(entry, name) for name in ("requests_per_minute", "tokens_per_minute", "concurrent")
    }
    for name, value in numbers.items():
        if not 0 <= value <= _MOST_NUMBER:
            raise Refused(f"{where}.{name}", "expected a number of 0 or more")
    return Limit(
        **numbers,
        day_budget=_parsed(f"{where}.day_budget", parse_quota, entry.day_budget),
        month_budget=_parsed(f"{where}.month_budget", parse_quota, entry.month_budget),
    )


def balance(where: str, entry: UserEntry | TokenEntry, default: str) -> int | None:
    """Return what something new may spend, None for without limit."""
    return _parsed(f"{where}.balance", parse_balance, _given(entry.balance, default))


def named(where: str, name: str) -> str:
    """Return a name that can be kept and shown."""
    if not 0 < len(name) <= MOST_NAME or not name.isprintable() or name != name.strip():
        raise Refused(where, f"a name has 1 to {MOST_NAME} printable characters, and no blanks around it")
    return name


def _given(value: T | UnsetType, otherwise: T) -> T:
    return otherwise if value is UNSET else value


def _key(where: str, given: str | UnsetType) -> str | None:
    if given is UNSET:
        return None
    key = given.removeprefix(TOKEN_PREFIX)
    if not _LEAST_KEY <= len(key) <= _MOST_KEY or not key.isprintable() or " " in key:
        raise Refused(
            f"{where}.key", f"expected {_LEAST_KEY} to {_MOST_KEY} printable characters without blanks"
        )
    return key


def _networks(where: str, texts: tuple[str, ...]) -> tuple[str, ...]:
    try:
        return networks(texts)
    except Refused as exc:
        raise Refused(f"{where}.{exc.field}", exc.problem) from exc


V = TypeVar("V")


def _parsed(where: str, parse: Callable[[V], T], value: V) -> T:
    try:
        return parse(value)
    except ValueError as exc:
        raise Refused(where, str(exc)) from exc
