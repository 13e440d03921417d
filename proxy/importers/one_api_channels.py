"""Channels of One API and New API, and which of them serve a model for a group there. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ..records import DEFAULT_GROUP, DISABLED, ENABLED, ChannelRow
from ..store.database import Row
from .plan import Plan, PlannedChannel, routes_of
from .special import Special, made
from .types import Types
from .values import json_of, mapping, names, seconds, table, text, whole

COLUMNS = ("id", "type", "key", "status", "name", "weight", "created_time", "base_url", "other", "models",
           "group", "model_mapping", "priority", "config", "system_prompt", "setting", "settings",
           "param_override", "header_override", "openai_organization", "status_code_mapping",
           "channel_info", "proxy_url")  # fmt: skip

_MOST_PRIORITY = 1_000_000
_AZURE, _XUNFEI, _GEMINI = 3, 18, 24
_LEFT = ("system_prompt", "param_override", "header_override", "openai_organization", "status_code_mapping")


def read(plan: Plan, rows: Iterable[Row], types: Types, weighs: bool) -> None:
    """Add the channels to a plan."""
    for row in rows:
        number = whole(row["id"])
        what = f"channel {number} {text(row['name'])[:60]!r}"
        target = types.get(whole(row["type"]), f"type {whole(row['type'])} is not known")
        if isinstance(target, str):
            plan.leave_out("channel", what, target)
            continue
        base_url = "" if whole(row["type"]) == _XUNFEI else target.base_url(text(row["base_url"]))
        special = Special(target.adapter, base_url, _keys(row), _settings(row))
        try:
            channel = _channel(row, special, weighs)
        except ValueError as exc:
            plan.leave_out("channel", what, str(exc))
            continue
        plan.channels.append(PlannedChannel(str(number), channel))
        _say_what_is_lost(plan, row, what)


def routes(channels: Iterable[Row], abilities: Iterable[Row]) -> dict[tuple[str, str], frozenset[str]]:
    """Return the source's own decisions: those it has written down, else those its channels make."""
    enabled = {whole(row["id"]) for row in channels if whole(row["status"]) == 1}
    found: dict[tuple[str, str], set[str]] = {}
    for row in abilities:
        number, model = whole(row["channel_id"]), text(row["model"])
        if whole(row["enabled"]) and number in enabled and model:
            found.setdefault((text(row["group"]), model), set()).add(str(number))
    if found:
        return {route: frozenset(numbers) for route, numbers in found.items()}
    return routes_of({str(whole(row["id"])): _plain(row) for row in channels})


def _plain(row: Row) -> ChannelRow:
    """What of a channel says for whom it is."""
    return ChannelRow(
        id=whole(row["id"]),
        type="",
        name=text(row["name"]) or f"channel {whole(row['id'])}",
        base_url="",
        key="",
        models=names(row["models"]),
        created_at=seconds(row["created_time"]),
        groups=names(row["group"]) or (DEFAULT_GROUP,),
        status=ENABLED if whole(row["status"], 1) == 1 else DISABLED,
    )


def _channel(row: Row, special: Special, weighs: bool) -> ChannelRow:
    plain = _plain(row)
    ours = made(special, plain.models)
    priority = max(-_MOST_PRIORITY, min(_MOST_PRIORITY, whole(row["priority"])))
    # A weight of 0 comes last here; there it is what every channel has that was given none.
    weight = max(1, min(_MOST_PRIORITY, whole(row["weight"]))) if weighs else 1
    return replace(
        ours.put_into(plain, mapping(row["model_mapping"])),
        priority=priority,
        weight=weight,
        proxy=text(row["proxy_url"]) or text(table(row["setting"]).get("proxy")),
    )


def _keys(row: Row) -> str:
    """The keys, one a line; of several in one channel of New API those it has disabled are left."""
    info = table(row["channel_info"])
    disabled = {number for number, status in table(info.get("multi_key_status_list")).items() if status != 1}
    listed = json_of(row["key"]) if text(row["key"]).startswith("[") else None
    lines = [text(one) for one in listed] if isinstance(listed, list) else text(row["key"]).splitlines()
    lines = [line.strip() for line in lines if line.strip()]
    return "\n".join(line for number, line in enumerate(lines) if str(number) not in disabled)


def _settings(row: Row) -> dict[str, str]:
    """The settings of a type: `config`, and what older consoles write to `other`."""
    settings = {name: text(value) for name, value in table(row["config"]).items() if text(value)}
    other, kind = text(row["other"]), whole(row["type"])
    if other and not other.startswith("{"):
        settings.setdefault("api_version" if kind in (_AZURE, _XUNFEI, _GEMINI) else "user_id", other)
    return settings


def _say_what_is_lost(plan: Plan, row: Row, what: str) -> None:
    if text(row["model_mapping"]) and json_of(row["model_mapping"]) is None:
        plan.leave_out("channel", f"{what}: its model mapping", "it is not valid JSON")
    for name in _LEFT:
        if text(row[name]) not in ("", "{}", "[]", "null"):
            plan.leave_out("channel", f"{what}: {name}", "a channel here has nothing of the kind")
