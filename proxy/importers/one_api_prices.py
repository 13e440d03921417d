"""Prices and group ratios of One API and New API, from their options. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from fractions import Fraction

import msgspec

from ..billing.money import QUOTA_PER_DOLLAR
from ..billing.pricing import RATIO_ONE, Price
from ..prices.one_api import prices_of, read_table
from .plan import Plan
from .values import json_of, text, whole

_PICO = 10**12
_MOST_NAME = 191
_PARTS = {"CacheRatio": "cached", "CreateCacheRatio": "cache_write", "ImageRatio": "image_prompt",
          "AudioRatio": "audio_prompt"}  # fmt: skip
"""Ratios of New API that multiply what a prompt token costs, and the part of a price each is."""


def read(plan: Plan, options: Mapping[str, object]) -> None:
    """Add what the options say of prices to a plan; a ratio that makes no sense keeps no other."""
    models = {
        name: ratio
        for name, ratio in _table(plan, options, "ModelRatio").items()
        if not _is_of_one_type(plan, name)
    }
    prices = prices_of(models, _table(plan, options, "CompletionRatio"))
    for option, part in _PARTS.items():
        for name, ratio in _table(plan, options, option).items():
            if name in prices and prices[name].prompt:
                value = math.ceil(prices[name].prompt * ratio)
                prices[name] = msgspec.structs.replace(prices[name], **{part: value})
    for name, dollars in _table(plan, options, "ModelPrice").items():
        prices[name] = Price("", call=math.ceil(dollars * _PICO))
    plan.prices.update(prices)
    groups = _table(plan, options, "GroupRatio")
    plan.groups.update({name: math.ceil(ratio * RATIO_ONE) for name, ratio in groups.items()})
    _say_what_differs(plan, options)


def _table(plan: Plan, options: Mapping[str, object], option: str) -> dict[str, Fraction]:
    kind = "group" if option == "GroupRatio" else "price"
    found = json_of(options[option]) if text(options.get(option)) else {}
    if not isinstance(found, dict):
        plan.leave_out(kind, option, "it is not a JSON object")
        return {}
    ratios: dict[str, Fraction] = {}
    for name, number in found.items():
        if not _is_name(name):
            plan.leave_out(kind, f"{option} of {name[:60]!r}", f"a name has 1 to {_MOST_NAME} characters")
            continue
        try:
            ratios |= read_table(option, {name: number})
        except ValueError as exc:
            plan.leave_out(kind, f"{option} of {name[:60]!r}", str(exc).rpartition(": ")[2])
    return ratios


def _is_name(text: str) -> bool:
    return 0 < len(text) <= _MOST_NAME and text.isprintable()


def _is_of_one_type(plan: Plan, name: str) -> bool:
    """A name like `llama3-8b-8192(33)`: the ratio of a model on channels of one type."""
    if not re.search(r"\(\d+\)$", name):
        return False
    plan.leave_out(
        "price", f"ModelRatio of {name!r}", "a model has one price here, whatever its channel's type"
    )
    return True


def _say_what_differs(plan: Plan, options: Mapping[str, object]) -> None:
    unit = whole(options.get("QuotaPerUnit"), QUOTA_PER_DOLLAR)
    if unit != QUOTA_PER_DOLLAR:
        why = f"here it is {QUOTA_PER_DOLLAR}: amounts keep their quota, and other dollars are shown"
        plan.leave_out("price", f"QuotaPerUnit = {unit}", why)
    if not text(options.get("ModelRatio")):
        why = "none is saved there; models cost what canalgate's own table says: see `canalgate price list`"
        plan.leave_out("price", "ModelRatio", why)
