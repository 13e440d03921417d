"""One API and New API: users, tokens and redemption codes. Channels and prices have modules of their own.

New API is a fork: it deletes rows by a date, calls a token's networks `allow_ips` and its models
`model_limits`, and gives a token a group of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..records import DEFAULT_GROUP, DISABLED, ENABLED, ROLE_ADMIN, ROLE_ROOT, ROLE_USER, Token, User
from ..store.codes import USED, Code
from ..store.database import Row
from ..store.source import Source, SourceError
from . import one_api_channels, one_api_prices
from .plan import Plan, PlannedCode, PlannedToken, PlannedUser, Progress
from .types import NEW_API, ONE_API, Types
from .values import expiry, names, networks, seconds, text, whole

_USER = ("id", "username", "password", "role", "status", "quota", "used_quota", "group", "deleted_at",
         "email", "access_token", "github_id", "wechat_id", "lark_id", "oidc_id")  # fmt: skip
_TOKEN = ("id", "user_id", "key", "status", "name", "created_time", "expired_time", "remain_quota",
          "unlimited_quota", "used_quota", "models", "subnet", "model_limits_enabled", "model_limits",
          "allow_ips", "group", "deleted_at")  # fmt: skip
_CODE = ("id", "key", "status", "name", "quota", "created_time", "redeemed_time", "expired_time",
         "used_user_id", "deleted_at")  # fmt: skip

_ON, _OFF, _EXPIRED, _EXHAUSTED = 1, 2, 3, 4
_DELETED, _USED = 3, 3
_MOST_NAME = 191


@dataclass(frozen=True, slots=True)
class Flavour:
    """Which of the two it is. `weighs`: weights of channels mean something there."""

    kind: str
    title: str
    types: Types
    weighs: bool


ONE = Flavour("oneapi", "One API", ONE_API, weighs=False)
NEW = Flavour("newapi", "New API", NEW_API, weighs=True)


async def read(flavour: Flavour, source: Source, progress: Progress, now: int) -> Plan:
    """Return the plan of what a database holds. Raises SourceError if it is none of this kind."""
    await _check(flavour, source)
    plan = Plan(f"{flavour.kind} {source.place}"[:_MOST_NAME])
    options = {text(row["key"]): row["value"] for row in await source.rows("options", ("key", "value"))}
    progress("reading", 1, 5)
    _read_users(plan, await source.rows("users", _USER), now)
    progress("reading", 2, 5)
    _read_tokens(plan, await source.rows("tokens", _TOKEN), now)
    progress("reading", 3, 5)
    channels = await source.rows("channels", one_api_channels.COLUMNS)
    one_api_channels.read(plan, channels, flavour.types, flavour.weighs)
    plan.routes = one_api_channels.routes(
        channels, await source.rows("abilities", ("group", "model", "channel_id", "enabled"))
    )
    progress("reading", 4, 5)
    _read_codes(plan, await source.rows("redemptions", _CODE))
    one_api_prices.read(plan, options)
    plan.log_rows = await source.count("logs") if "id" in await source.columns("logs") else 0
    progress("reading", 5, 5)
    return plan


async def _check(flavour: Flavour, source: Source) -> None:
    users, tokens = await source.columns("users"), await source.columns("tokens")
    channels = await source.columns("channels")
    if not {"id", "username", "password"} <= users or not {"id", "key", "user_id"} <= tokens:
        raise SourceError(f"{source.place}: no database of {flavour.title}: no tables of users and tokens")
    if not {"id", "type", "key"} <= channels:
        raise SourceError(f"{source.place}: no database of {flavour.title}: no table of channels")
    is_new = "deleted_at" in tokens or "model_limits" in tokens
    if is_new != (flavour is NEW):
        other, verb = (NEW, "newapi") if is_new else (ONE, "oneapi")
        raise SourceError(f"{source.place}: a database of {other.title}: use `canalgate import {verb}`")


def _is_deleted(row: Row) -> bool:
    return bool(text(row["deleted_at"]))


def _read_users(plan: Plan, rows: list[Row], now: int) -> None:
    has_more = False
    for row in rows:
        number, name = whole(row["id"]), text(row["username"])
        what = f"user {number} {name!r}"
        if _is_deleted(row) or whole(row["status"]) == _DELETED:
            plan.leave_out("user", what, "it was deleted")
        elif not name or len(name) > _MOST_NAME:
            plan.leave_out("user", what[:100], f"a name has 1 to {_MOST_NAME} characters")
        else:
            role = whole(row["role"], ROLE_USER)
            kept = next((one for one in (ROLE_ROOT, ROLE_ADMIN) if role >= one), ROLE_USER)
            status = ENABLED if whole(row["status"], _ON) == _ON else DISABLED
            group = text(row["group"]) or DEFAULT_GROUP
            user = User(number, name, kept, group, status, now, text(row["password"]))
            balance = plan.balance("user", what, whole(row["quota"]))
            plan.users.append(PlannedUser(str(number), user, balance, max(0, whole(row["used_quota"]))))
            has_more |= any(text(row[column]) for column in _USER[9:])
    if has_more:
        why = "a user here has a name and a password"
        plan.leave_out("user", "e-mail addresses, access tokens and other sites' ids of users", why)


def _read_tokens(plan: Plan, rows: list[Row], now: int) -> None:
    users = {user.source_id: user.row for user in plan.users}
    seen: set[str] = set()
    for row in rows:
        key = text(row["key"]).removeprefix("sk-")
        number, owner = whole(row["id"]), str(whole(row["user_id"]))
        what = f"token {number} {text(row['name'])[:60]!r}"
        if _is_deleted(row):
            plan.leave_out("token", what, "it was deleted")
        elif owner not in users:
            plan.leave_out("token", what, f"its user {owner} does not come")
        elif not key or key in seen:
            plan.leave_out("token", what, "its key is that of another token" if key else "it has no key")
        else:
            seen.add(key)
            plan.tokens.append(_token(plan, row, what, key, users[owner], now))


def _token(plan: Plan, row: Row, what: str, key: str, user: User, now: int) -> PlannedToken:
    is_limited, ends = not whole(row["unlimited_quota"]), expiry(row["expired_time"])
    remaining = whole(row["remain_quota"])
    status = whole(row["status"], _ON)
    is_on = (
        status == _ON
        or (status == _EXPIRED and ends is not None and ends <= now)
        or (status == _EXHAUSTED and is_limited and remaining <= 0)
    )
    models, subnets, is_open = _bounds(plan, row, what)
    group = text(row["group"])
    if group and group != user.group:
        plan.leave_out("token", f"{what}: its group {group!r}", f"it has its user's here, {user.group!r}")
    token = Token(
        id=whole(row["id"]),
        user_id=user.id,
        name=text(row["name"]),
        key_hash=b"",
        hint=key[-4:],
        status=ENABLED if is_on and is_open else DISABLED,
        created_at=seconds(row["created_time"]) or now,
        expires_at=ends,
        models=models,
        subnets=subnets,
    )
    balance = plan.balance("token", what, remaining) if is_limited else None
    return PlannedToken(
        str(token.id), str(user.id), token, key, balance, max(0, whole(row["used_quota"]))
    )  # fmt: skip


def _bounds(plan: Plan, row: Row, what: str) -> tuple[tuple[str, ...], tuple[str, ...], bool]:
    """Return a token's models and networks, and whether it may be used: not if a bound is lost."""
    limited = row["model_limits_enabled"]
    listed = row["models"] if limited is None else row["model_limits"] if whole(limited) else ""
    models, (subnets, wrong) = names(listed), networks(row["subnet"] or row["allow_ips"])
    is_open = True
    if whole(limited) and not models:
        plan.leave_out("token", what, "it is disabled: it was limited to models, and none is named")
        is_open = False
    if wrong and not subnets:
        plan.leave_out("token", what, f"it is disabled: none of its networks is one: {', '.join(wrong)[:80]}")
        is_open = False
    elif wrong:
        plan.leave_out("token", f"{what}: a network", f"not an address: {', '.join(wrong)[:80]}")
    return models, subnets, is_open


def _read_codes(plan: Plan, rows: list[Row]) -> None:
    seen: set[str] = set()
    for row in rows:
        number, key, quota = whole(row["id"]), text(row["key"]), whole(row["quota"])
        what = f"code {number} {text(row['name'])[:60]!r}"
        if _is_deleted(row):
            plan.leave_out("code", what, "it was deleted")
        elif not key or key in seen or quota <= 0:
            plan.leave_out("code", what, "it is worth nothing" if quota <= 0 else "it has no code of its own")
        else:
            seen.add(key)
            plan.codes.append(PlannedCode(str(number), _code(row, number, quota), key))


def _code(row: Row, number: int, quota: int) -> Code:
    status = {_ON: ENABLED, _USED: USED}.get(whole(row["status"], _ON), DISABLED)
    return Code(
        id=number,
        name=text(row["name"])[:_MOST_NAME],
        quota=quota,
        status=status,
        created_at=seconds(row["created_time"]),
        expires_at=expiry(row["expired_time"]) or None,
        redeemed_at=seconds(row["redeemed_time"]) or None if status == USED else None,
        redeemed_by=whole(row["used_user_id"]) or None if status == USED else None,
    )
