"""LiteLLM: a config file's models, which become channels, and what its database says of users and keys.

LiteLLM keeps a virtual key as the SHA-256 of its text. The text cannot be had back, and canalgate finds a key
by a keyed hash of its own, so these keys do not move: their holders need new ones. The master key, which
stands in the config or the environment, does.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from ..billing.pricing import Price
from ..records import DEFAULT_GROUP, ENABLED, ROLE_ADMIN, ROLE_USER, ChannelRow, Token, User
from ..store.source import Source, SourceError
from .litellm_providers import ENTRIES, PARAMETERS, Entry, guess, options_of
from .plan import Plan, PlannedChannel, PlannedToken, PlannedUser, Progress, routes_of
from .values import decimal, quota_of, text, whole

_USER = ("user_id", "user_email", "user_alias", "max_budget", "budget_duration", "spend", "user_role")
_KEY = ("token", "key_name", "key_alias", "user_id")
_MASTER = "litellm-master"
_PICO, _MOST_PICO = 10**12, 2**62
_PRICES = {
    "input_cost_per_token": "prompt", "output_cost_per_token": "completion",
    "cache_read_input_token_cost": "cached", "cache_creation_input_token_cost": "cache_write",
    "input_cost_per_second": "second", "input_cost_per_request": "call", "output_cost_per_image": "image",
}  # fmt: skip


async def read(path: Path, environ: Mapping[str, str], progress: Progress, now: int) -> Plan:
    """Return the plan of a config file. `environ` is where `os.environ/NAME` is looked up."""
    config, where = await asyncio.to_thread(_load, path)
    plan = Plan(f"litellm {where}"[:191])
    stated = config.get("environment_variables")
    variables = {**environ, **{name: text(value) for name, value in _table(stated).items()}}
    models = config.get("model_list")
    if not isinstance(models, list):
        raise SourceError(f"{path}: no config of LiteLLM: expected a list `model_list`")
    channels: dict[tuple[object, ...], ChannelRow] = {}
    for number, model in enumerate(models, 1):
        _read_model(plan, channels, number, _table(model), variables, now)
        progress("reading", number, len(models))
    _add_aliases(
        plan, channels, _table(config.get("router_settings")), _table(config.get("litellm_settings"))
    )
    rows = _identified(channels.values())
    plan.channels += [PlannedChannel(name, row) for name, row in rows.items()]
    plan.routes = routes_of(rows)
    _read_master_key(plan, _table(config.get("general_settings")), variables, now)
    for section in sorted(config.keys() - {"model_list", "environment_variables"}):
        plan.leave_out("settings", section, "settings here are in config.toml: see docs/configuration.md")
    return plan


async def read_database(plan: Plan, source: Source, now: int) -> None:
    """Add the users of a database to a plan, and say which keys do not move."""
    if not {"token"} <= await source.columns("LiteLLM_VerificationToken"):
        raise SourceError(f"{source.place}: no database of LiteLLM: no table of virtual keys")
    for row in await source.rows("LiteLLM_UserTable", _USER):
        name = text(row["user_email"]) or text(row["user_alias"]) or text(row["user_id"])
        if not 0 < len(name) <= 191:
            plan.leave_out("user", f"user {name[:60]!r}", "a name has 1 to 191 characters")
            continue
        used, budget = max(0, quota_of(row["spend"])), decimal(row["max_budget"])
        balance = None if budget is None else max(0, quota_of(budget) - used)
        role = ROLE_ADMIN if text(row["user_role"]) == "proxy_admin" else ROLE_USER
        user = User(0, name, role, DEFAULT_GROUP, ENABLED, now)
        plan.users.append(PlannedUser(text(row["user_id"])[:180], user, balance, used))
        if budget is not None and text(row["budget_duration"]):
            why = "a budget that begins anew is set here by `canalgate limit`; what is left of this one came"
            plan.leave_out("user", f"user {name[:60]!r}: budget_duration", why)
    for row in await source.rows("LiteLLM_VerificationToken", _KEY):
        shown = text(row["key_alias"]) or text(row["key_name"]) or "without a name"
        why = "LiteLLM keeps the SHA-256 of a key alone: make a new one by `canalgate token create`"
        plan.leave_out("token", f"key {shown[:60]!r}", why)
    if await source.columns("LiteLLM_ProxyModelTable"):
        count = len(await source.rows("LiteLLM_ProxyModelTable", ("model_name",)))
        if count:
            why = "their keys are encrypted with LiteLLM's salt: add them to the config, or here by hand"
            plan.leave_out("channel", f"{count} models kept in the database", why)


def _load(path: Path) -> tuple[dict[str, Any], Path]:
    try:
        import yaml
    except ImportError as exc:
        raise SourceError(f"{exc}; try pip install 'canalgate[litellm]'") from exc
    try:
        config = yaml.safe_load(path.read_text("utf-8"))
    except OSError as exc:
        raise SourceError(f"{path}: {exc.strerror}") from exc
    except (yaml.YAMLError, ValueError, RecursionError) as exc:
        where = getattr(exc, "problem_mark", None)
        line = f" in line {where.line + 1}" if where is not None else ""
        raise SourceError(f"{path}: not valid YAML{line}") from exc  # what it says may quote a key
    if not isinstance(config, dict):
        raise SourceError(f"{path}: no config of LiteLLM: expected a list `model_list`")
    return {str(name): value for name, value in config.items()}, path.absolute()


def _read_model(
    plan: Plan,
    channels: dict[tuple[object, ...], ChannelRow],
    number: int,
    model: Mapping[str, Any],
    variables: Mapping[str, str],
    now: int,
) -> None:
    name, given = text(model.get("model_name")), _table(model.get("litellm_params"))
    what = f"model {number} {name[:60]!r}"
    try:
        entry, upstream, parameters = _understood(name, given, variables)
    except ValueError as exc:
        plan.leave_out("channel", what, str(exc))
        return
    key, options = options_of(entry, parameters)
    base_url = text(parameters.get("api_base")) or text(parameters.get("base_url")) or entry.base_url
    priority, weight = -whole(parameters.get("order")), max(1, whole(parameters.get("weight"), 1))
    face: tuple[object, ...] = (
        entry.adapter,
        base_url,
        key,
        tuple(sorted(options.items())),
        priority,
        weight,
    )
    # Entries of one account are one channel, unless they offer a name twice: then each is to have its share.
    while (row := channels.get(face)) is not None and name in row.models:
        face = (*face, number)
    if row is None:
        title = f"{entry.adapter} {name}"
        row = ChannelRow(
            0, entry.adapter, title, base_url, key, (), now, {}, priority, weight, options=options
        )
    changed = {**row.mapping, name: upstream} if upstream != name else dict(row.mapping)
    channels[face] = replace(row, models=(*row.models, name), mapping=changed)
    _read_price(plan, name, {**_table(model.get("model_info")), **parameters})
    unknown = sorted(set(parameters) - PARAMETERS - set(_PRICES))
    if unknown:
        plan.leave_out(
            "channel", f"{what}: {', '.join(unknown)[:100]}", "a channel here has nothing of the kind"
        )


def _understood(
    name: str, given: Mapping[str, Any], variables: Mapping[str, str]
) -> tuple[Entry, str, dict[str, Any]]:
    """Return provider, the model's name there, and parameters. Raises ValueError saying what is missing."""
    if not name or "*" in name:
        raise ValueError("models here have names: one with a * matches none" if name else "it has no name")
    parameters = {key: _resolved(key, value, variables) for key, value in given.items()}
    provider, _, upstream = text(parameters.get("model")).partition("/")
    stated = text(parameters.get("custom_llm_provider"))
    if not upstream or (provider not in ENTRIES and not stated):
        provider, upstream = stated or guess(text(parameters.get("model"))), text(parameters.get("model"))
    entry = ENTRIES.get(provider)
    if entry is None or not upstream:
        raise ValueError(f"LiteLLM's provider {provider[:60]!r} is not known here")
    if isinstance(entry, str):
        raise ValueError(entry)
    if not text(parameters.get("api_key")) and entry.key_variable in variables:
        parameters["api_key"] = variables[entry.key_variable]
    return entry, upstream, parameters


def _resolved(name: str, value: object, variables: Mapping[str, str]) -> object:
    found = re.fullmatch(r"os\.environ/(.+)", value) if isinstance(value, str) else None
    if found is None:
        return value
    if found[1] not in variables:
        raise ValueError(f"{name}: the environment has no {found[1]}; set it and run this again")
    return variables[found[1]]


def _identified(rows: Iterable[ChannelRow]) -> dict[str, ChannelRow]:
    """Return the channels by what names them: what they offer first and where; a file has no numbers."""
    found: dict[str, ChannelRow] = {}
    for row in rows:
        first = row.models[0]
        face = (
            f"{row.type} {row.base_url} {first} {row.mapping.get(first, first)} {row.priority} {row.weight}"
        )
        name = hashlib.sha256(face.encode()).hexdigest()[:24]
        again = sum(one.partition("-")[0] == name for one in found)
        found[f"{name}-{again}" if again else name] = row
    return found


def _add_aliases(
    plan: Plan,
    channels: dict[tuple[object, ...], ChannelRow],
    router: Mapping[str, Any],
    settings: Mapping[str, Any],
) -> None:
    """Offer a model under its other names too."""
    aliases = {**_table(router.get("model_group_alias")), **_table(settings.get("model_alias_map"))}
    for alias, named in aliases.items():
        target = text(named.get("model")) if isinstance(named, dict) else text(named)
        found = [face for face, row in channels.items() if target in row.models and alias not in row.models]
        for face in found:
            row = channels[face]
            mapping = {**row.mapping, alias: row.mapping.get(target, target)}
            channels[face] = replace(row, models=(*row.models, alias), mapping=mapping)
        if not found:
            plan.leave_out("channel", f"alias {alias[:60]!r}", f"no model {target[:60]!r} comes")


def _read_price(plan: Plan, name: str, parameters: Mapping[str, Any]) -> None:
    parts = {}
    for parameter, part in _PRICES.items():
        dollars = decimal(parameters.get(parameter)) or Decimal(0)
        if dollars > 0:
            parts[part] = min(_MOST_PICO, math.ceil(dollars * _PICO))
    if parts:
        plan.prices.setdefault(name, Price("", **parts))


def _read_master_key(plan: Plan, settings: Mapping[str, Any], variables: Mapping[str, str], now: int) -> None:
    try:
        stated = text(_resolved("master_key", settings.get("master_key"), variables))
    except ValueError as exc:
        plan.leave_out("token", "the master key", str(exc))
        return
    key = (stated or variables.get("LITELLM_MASTER_KEY", "")).removeprefix("sk-")
    if not key:
        return
    user = User(0, _MASTER, ROLE_ADMIN, DEFAULT_GROUP, ENABLED, now)
    plan.users.append(PlannedUser(_MASTER, user, None))
    token = Token(0, 0, "master key", b"", key[-4:], ENABLED, now)
    plan.tokens.append(PlannedToken("master", _MASTER, token, key, None))


def _table(value: object) -> Mapping[str, Any]:
    return {str(name): one for name, one in value.items()} if isinstance(value, dict) else {}
