"""An installation as its file: what can be shown, and apart from it what is secret. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from urllib.parse import urlsplit

from msgspec import UNSET, UnsetType

from ...plugins import Adapter
from ..billing.limits import Limit
from ..billing.money import show_quota, show_ratio
from ..billing.pricing import Price
from ..keys.vault import is_hash
from ..manage.refused import Refused
from ..prices.amounts import BOUNDS, EACH, show_amount
from ..records import ENABLED, ROLE_ADMIN, ROLE_ROOT, ROLE_USER, ChannelRow, Token, User
from ..store.rows import State, token_account, user_account
from .document import VERSION, Bound, Channel, Document, Group, Role, Route, Status, Waits
from .document import Token as TokenEntry
from .document import User as UserEntry
from .here import Here
from .locked import ChannelSecrets, Secrets

Adapters = Mapping[str, Adapter]

_LAST_S = 253_402_300_799

_NO_PRICE = Price("")
_ROLE_NAMES: Mapping[int, Role] = {ROLE_USER: "user", ROLE_ADMIN: "admin", ROLE_ROOT: "root"}


def describe(here: Here, adapters: Adapters) -> Document:
    """Return the file of an installation, without secrets. Raises Refused where two things share a name."""
    refuse_doubles(here)
    return Document(
        version=VERSION,
        groups={name: Group(ratio=show_ratio(ratio)) for name, ratio in sorted(here.groups.items())},
        prices={model: price_fields(price) for model, price in sorted(here.prices.items())},
        models={
            model: Route(mode=route.mode, fallbacks=route.fallbacks)
            for model, route in sorted(here.routes.items())
        },
        channels=tuple(_channel(row, adapters) for row in here.channels.values()),
        users=tuple(_user(user, here.states) for user in here.users.values()),
        tokens=tuple(_token(token, here) for token in here.tokens.values()),
        limits=tuple(
            bound for subject, limit in here.limits.items() if (bound := _bound(subject, limit, here))
        ),
    )


def secrets_of(here: Here, adapters: Adapters) -> Secrets:
    """Return what the file of an installation does not show."""
    return Secrets(
        hash_keys=tuple(key.hex() for key in here.hash_keys),
        channels={
            row.name: ChannelSecrets(
                row.key,
                row.proxy,
                {name: row.options[name] for name in row.options if name in secret_options(adapters, row)},
            )
            for row in here.channels.values()
        },
        passwords={
            user.name: user.password_hash
            for user in here.users.values()
            if is_hash(user.password_hash)  # not what awaits a setup secret
        },
        tokens=tuple(
            (here.users[token.user_id].name, token.name, token.hint, token.key_hash.hex())
            for token in here.tokens.values()
        ),
    )


def refuse_doubles(here: Here) -> None:
    """Raise Refused where a name stands for two channels, or for two tokens that also end alike."""
    channels: dict[str, int] = {}
    for row in here.channels.values():
        if (other := channels.setdefault(row.name, row.id)) != row.id:
            remedy = f"rename one: canalgate channel edit {row.id} --name NAME"
            raise Refused("channels", f"{other} and {row.id} are both named {row.name[:60]!r}; {remedy}")
    tokens: dict[tuple[int, str, str], int] = {}
    for token in here.tokens.values():
        if (other := tokens.setdefault((token.user_id, token.name, token.hint), token.id)) != token.id:
            problem = f"{other} and {token.id} have one user and name, {token.name[:60]!r}, and end alike"
            raise Refused("tokens", problem)


def secret_options(adapters: Adapters, row: ChannelRow) -> frozenset[str]:
    """Return which options of a channel are secret: without its adapter, all."""
    adapter = adapters.get(row.type)
    if adapter is None:
        return frozenset(row.options)
    return frozenset(option.name for option in adapter.options if option.secret)


def has_password(proxy: str) -> bool:
    """Whether the address of a proxy holds a secret."""
    return "@" in urlsplit(proxy).netloc


def price_fields(price: Price) -> dict[str, object]:
    """Return a price as people write it."""
    stated = {name: getattr(price, name) for name in (*EACH, *BOUNDS)}
    return {
        name: show_amount(name, value) if name in EACH else value
        for name, value in stated.items()
        if value != getattr(_NO_PRICE, name)
    }


def _channel(row: ChannelRow, adapters: Adapters) -> Channel:
    secret = secret_options(adapters, row)
    times = asdict(row.times)
    return Channel(
        name=row.name, type=row.type, base_url=row.base_url, models=row.models, mapping=dict(row.mapping),
        groups=row.groups, priority=row.priority, weight=row.weight, ratio=show_ratio(row.ratio),
        status=_status(row.status),
        proxy=UNSET if not row.proxy or has_password(row.proxy) else row.proxy,
        options={name: value for name, value in row.options.items() if name not in secret},
        times=Waits(**times),
    )  # fmt: skip


def _user(user: User, states: Mapping[str, State]) -> UserEntry:
    return UserEntry(
        name=user.name,
        role=_role(user.role),
        group=user.group,
        status=_status(user.status),
        balance=_balance(states.get(user_account(user.id))),
    )


def _token(token: Token, here: Here) -> TokenEntry:
    return TokenEntry(
        user=here.users[token.user_id].name, name=token.name, end=token.hint,
        status=_status(token.status),
        expires_at=None if token.expires_at is None else moment(token.expires_at),
        models=token.models, subnets=token.subnets,
        balance=_balance(here.states.get(token_account(token.id))),
    )  # fmt: skip


def moment(seconds: int) -> datetime:
    """Return a time as the file has it; what is after the year 9999 is its end."""
    return datetime.fromtimestamp(min(seconds, _LAST_S), UTC)


def token_ends(here: Here) -> frozenset[int]:
    """Return the tokens whose user has another of the same name, so that the end must tell them apart."""
    count = Counter((token.user_id, token.name) for token in here.tokens.values())
    return frozenset(token.id for token in here.tokens.values() if count[token.user_id, token.name] > 1)


def subject_of(subject: str, here: Here) -> dict[str, str]:
    """Return by which names a file calls the subject of a limit; empty if it is gone."""
    kind, _, name = subject.partition(":")
    if name == "*":
        return {"each": kind}
    if kind in ("group", "model"):
        return {kind: name}
    number = int(name) if name.isdigit() else 0
    if kind == "user" and number in here.users:
        return {"user": here.users[number].name}
    if kind == "channel" and number in here.channels:
        return {"channel": here.channels[number].name}
    if kind == "token" and number in here.tokens:
        token = here.tokens[number]
        end = {"end": token.hint} if number in token_ends(here) else {}
        return {"user": here.users[token.user_id].name, "token": token.name, **end}
    return {}


def _bound(subject: str, limit: Limit, here: Here) -> Bound | None:
    names = subject_of(subject, here)
    if not names:
        return None
    return Bound(
        requests_per_minute=limit.requests_per_minute, tokens_per_minute=limit.tokens_per_minute,
        concurrent=limit.concurrent, day_budget=show_quota(limit.day_budget),
        month_budget=show_quota(limit.month_budget), **names,  # type: ignore[arg-type]  # fields of texts
    )  # fmt: skip


def _balance(state: State | None) -> str | UnsetType:
    if state is None:
        return UNSET
    return "unlimited" if state.remaining is None else show_quota(state.remaining)


def _role(number: int) -> Role:
    return _ROLE_NAMES.get(number, "user")


def _status(status: str) -> Status:
    return "enabled" if status == ENABLED else "disabled"
