"""AI Proxy: its groups become users, the sets of channels a group may use become groups.

A user has one group here and a group there may have several sets, so a combination of sets is a group of its
own (`default+vip`), and the channels of each of its sets are in it: the same channels serve the same callers.
Amounts there are numbers without a currency; one is taken for a dollar, in prices as in quotas.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal

from ..billing.limits import Limit
from ..billing.pricing import Price
from ..records import DEFAULT_GROUP, DISABLED, ENABLED, ROLE_USER, ChannelRow, Token, User
from ..store.database import Row
from ..store.source import Source, SourceError
from .plan import Plan, PlannedChannel, PlannedToken, PlannedUser, Progress, routes_of
from .special import Made, Special, made
from .types import AI_PROXY
from .values import decimal, json_of, mapping, names, networks, quota_of, seconds, table, text, whole

_CHANNEL = ("id", "type", "key", "name", "base_url", "proxy_url", "models", "model_mapping", "status",
            "priority", "sets", "configs", "created_at", "deleted_at")  # fmt: skip
_GROUP = ("id", "status", "available_sets", "used_amount", "rpm_ratio", "tpm_ratio", "created_at")
_TOKEN = ("id", "key", "name", "group_id", "subnets", "models", "status", "used_amount", "quota",
          "period_quota", "period_type", "created_at", "deleted_at")  # fmt: skip
_PRICES = {
    "input_price": "prompt", "output_price": "completion", "cached_price": "cached",
    "cache_creation_price": "cache_write", "image_input_price": "image_prompt",
    "audio_input_price": "audio_prompt", "image_output_price": "image_completion",
    "audio_output_price": "audio_completion",
}  # fmt: skip
_MODEL = ("model", "rpm", "tpm", "per_request_price", "conditional_prices", "image_prices",
          "thinking_mode_output_price", "web_search_price",
          *(name for part in _PRICES for name in (part, f"{part}_unit")))  # fmt: skip
_UNKNOWN_PRICES = ("conditional_prices", "image_prices", "thinking_mode_output_price", "web_search_price")

_ON = 1
_TOKENS_OF_A_PRICE, _PICO, _MOST_PICO = 1000, 10**12, 2**62
_USUAL_WEIGHT, _MOST_WEIGHT = 10, 1_000_000
_KEEPS_DOTS = 4


async def read(source: Source, progress: Progress, now: int) -> Plan:
    """Return the plan of what a database holds. Raises SourceError if it is none of AI Proxy's."""
    if not {"id", "group_id", "key"} <= await source.columns("tokens") or not await source.columns("groups"):
        raise SourceError(f"{source.place}: no database of AI Proxy: no tables of groups and their tokens")
    plan = Plan(f"aiproxy {source.place}"[:191])
    groups = await source.rows("groups", _GROUP)
    progress("reading", 1, 4)
    _read_groups(plan, groups, now)
    _read_tokens(plan, await source.rows("tokens", _TOKEN), now)
    progress("reading", 2, 4)
    _read_channels(plan, await source.rows("channels", _CHANNEL), {_group_of(row) for row in groups})
    progress("reading", 3, 4)
    for row in await source.rows("model_configs", _MODEL):
        _read_price(plan, row)
    plan.log_rows = await source.count("logs") if "id" in await source.columns("logs") else 0
    progress("reading", 4, 4)
    return plan


def _group_of(row: Row) -> str:
    return "+".join(names(row["available_sets"]) or (DEFAULT_GROUP,))


def _read_groups(plan: Plan, rows: Iterable[Row], now: int) -> None:
    for row in rows:
        name = text(row["id"])
        if not name:
            plan.leave_out("user", "a group without a name", "a user needs one")
            continue
        status = DISABLED if whole(row["status"], _ON) == 2 else ENABLED
        created = seconds(row["created_at"]) or now
        user = User(0, name, ROLE_USER, _group_of(row), status, created)
        plan.users.append(PlannedUser(name, user, None, max(0, quota_of(row["used_amount"]))))
        for ratio in ("rpm_ratio", "tpm_ratio"):
            if (decimal(row[ratio]) or 0) not in (0, 1):
                plan.leave_out(
                    "user", f"group {name!r}: {ratio}", "limits here are numbers, see `canalgate limit`"
                )


def _read_tokens(plan: Plan, rows: Iterable[Row], now: int) -> None:
    users = {user.source_id for user in plan.users}
    seen: set[str] = set()
    for row in rows:
        key, owner = text(row["key"]).removeprefix("sk-"), text(row["group_id"])
        what = f"token {whole(row['id'])} {text(row['name'])[:60]!r}"
        if text(row["deleted_at"]):
            plan.leave_out("token", what, "it was deleted")
        elif owner not in users:
            plan.leave_out("token", what, f"its group {owner[:60]!r} is not there")
        elif not key or key in seen:
            plan.leave_out("token", what, "its key is that of another token" if key else "it has no key")
        else:
            seen.add(key)
            plan.tokens.append(_token(plan, row, what, key, owner, now))


def _token(plan: Plan, row: Row, what: str, key: str, owner: str, now: int) -> PlannedToken:
    subnets, wrong = networks(row["subnets"])
    is_on = whole(row["status"], _ON) == _ON and bool(subnets or not wrong)
    if wrong:
        plan.leave_out("token", f"{what}: a network", f"not an address: {', '.join(wrong)[:80]}")
    used, quota = quota_of(row["used_amount"]), quota_of(row["quota"])
    balance = plan.balance("token", what, max(0, quota - used)) if quota > 0 else None
    token = Token(
        id=whole(row["id"]),
        user_id=0,
        name=text(row["name"]),
        key_hash=b"",
        hint=key[-4:],
        status=ENABLED if is_on else DISABLED,
        created_at=seconds(row["created_at"]) or now,
        models=names(row["models"]),
        subnets=subnets,
    )
    return PlannedToken(
        str(token.id), owner, token, key, balance, max(0, used), _budget(plan, row, what)
    )  # fmt: skip


def _budget(plan: Plan, row: Row, what: str) -> Limit:
    """The quota of a period as a budget of a day or a month, which begin with UTC's."""
    quota, period = quota_of(row["period_quota"]), text(row["period_type"]) or "monthly"
    if quota <= 0:
        return Limit()
    if period == "daily":
        return Limit(day_budget=quota)
    if period == "monthly":
        return Limit(month_budget=quota)
    plan.leave_out("token", f"{what}: its {period[:20]} quota", "budgets here are of a day or a month")
    return Limit()


def _read_channels(plan: Plan, rows: Iterable[Row], groups: set[str]) -> None:
    everyone: dict[str, ChannelRow] = {}
    for row in rows:
        number = whole(row["id"])
        what = f"channel {number} {text(row['name'])[:60]!r}"
        if text(row["deleted_at"]):
            plan.leave_out("channel", what, "it was deleted")
            continue
        plain = everyone[str(number)] = _plain(row, groups)
        target = AI_PROXY.get(whole(row["type"]), f"type {whole(row['type'])} is not known")
        if isinstance(target, str):
            plan.leave_out("channel", what, target)
            continue
        dots = "keep" if whole(row["type"]) == _KEEPS_DOTS else "strip"
        special = Special(
            target.adapter, target.base_url(text(row["base_url"])), text(row["key"]), {"dots": dots}
        )
        try:
            ours = made(special, plain.models)
        except ValueError as exc:
            plan.leave_out("channel", what, str(exc))
            continue
        plan.channels.append(PlannedChannel(str(number), _channel(row, plain, ours)))
        if table(row["configs"]):
            plan.leave_out("channel", f"{what}: configs", "a channel here has nothing of the kind")
    plan.routes = routes_of(everyone)


def _plain(row: Row, groups: set[str]) -> ChannelRow:
    """What of a channel says for whom it is: every group that has one of its sets."""
    sets = names(row["sets"]) or (DEFAULT_GROUP,)
    combined = sorted(group for group in groups if set(group.split("+")) & set(sets))
    return ChannelRow(
        id=whole(row["id"]),
        type="",
        name=text(row["name"]) or f"channel {whole(row['id'])}",
        base_url="",
        key="",
        models=names(row["models"]),
        created_at=seconds(row["created_at"]),
        groups=tuple(dict.fromkeys((*sets, *combined))),
        status=ENABLED if whole(row["status"], _ON) == _ON else DISABLED,
    )


def _channel(row: Row, plain: ChannelRow, ours: Made) -> ChannelRow:
    # A priority there is a weight: 10 and 1 share the calls ten to one. 0 is the usual one.
    weight = whole(row["priority"]) or _USUAL_WEIGHT
    return replace(
        ours.put_into(plain, mapping(row["model_mapping"])),
        weight=max(0, min(_MOST_WEIGHT, weight)),
        proxy=text(row["proxy_url"]),
    )


def _read_price(plan: Plan, row: Row) -> None:
    model, parts = text(row["model"]), dict[str, int]()
    for column, part in _PRICES.items():
        price = decimal(row[column]) or Decimal(0)
        unit = whole(row[f"{column}_unit"]) or _TOKENS_OF_A_PRICE
        if price > 0 and unit > 0:
            parts[part] = min(_MOST_PICO, math.ceil(price * _PICO / unit))
    call = decimal(row["per_request_price"]) or Decimal(0)
    if call > 0:
        parts["call"] = min(_MOST_PICO, math.ceil(call * _PICO))
    if parts and 0 < len(model) <= 191 and model.isprintable():
        plan.prices[model] = Price("", **parts)
    for column in _UNKNOWN_PRICES:
        if json_of(row[column]) or (decimal(row[column]) or 0) > 0:
            plan.leave_out("price", f"{column} of {model[:60]!r}", "a price here has no such part")
    for column in ("rpm", "tpm"):
        if whole(row[column]) > 0:
            why = "limits of a model are set by `canalgate limit`: there it was one for each group"
            plan.leave_out("price", f"{column} of {model[:60]!r}", why)
