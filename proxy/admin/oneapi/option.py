"""One API's stored options: prices as its ratios, which can be written, and settings, which can be read.

A ratio that is written as it was shown changes nothing, so a form that sends all of them back does not turn
the prices of the shipped table into set ones.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

import msgspec
import orjson

from ...billing.money import parse_balance, parse_quota, show_ratio
from ...billing.pricing import RATIO_ONE, Price
from ...manage.refused import Refused
from ...prices.one_api import prices_of, read_table
from .envelope import failed
from .fields import fields_of
from .people import NO_LIMIT
from .visit import Visit

_PICO_OF_ONE = 2_000_000
_TOKENS_OF_IMAGE = 1000
_RATIOS = ("ModelRatio", "CompletionRatio", "GroupRatio")


async def list_all(visit: Visit) -> object:
    """`GET /api/option/`: every option as text."""
    options = {**_fixed(visit), **await _ratios(visit)}
    return [{"key": key, "value": value} for key, value in options.items()]


async def update(visit: Visit) -> object:
    """`PUT /api/option/`: the three ratios; of others the value they have."""
    try:
        fields = fields_of(await visit.request.read())
    except Refused as exc:
        return failed(str(exc), 400)
    key, value = fields.text("key"), fields.shown("value")
    if key == "GroupRatio":
        await _set_groups(visit, value)
    elif key in _RATIOS:
        await _set_prices(visit, key, value)
    else:
        _check_same(_fixed(visit), key, value)
        return None
    await visit.did("change option", f"option:{key}")
    return None


def _check_same(fixed: Mapping[str, str], key: str, value: str) -> None:
    if key not in fixed:
        raise Refused("key", f"{key[:60]!r} is no option here")
    if value != fixed[key]:
        raise Refused("key", f"{key} cannot be changed here: it is a setting, or has one value only")


def _fixed(visit: Visit) -> dict[str, str]:
    quota = visit.desk.settings.config.quota
    new_user = parse_balance(quota.new_user)
    return {
        "PasswordLoginEnabled": "true", "PasswordRegisterEnabled": "false", "RegisterEnabled": "false",
        "EmailVerificationEnabled": "false", "GitHubOAuthEnabled": "false", "OidcEnabled": "false",
        "WeChatAuthEnabled": "false", "TurnstileCheckEnabled": "false",
        "EmailDomainRestrictionEnabled": "false", "LogConsumeEnabled": "true",
        "DisplayInCurrencyEnabled": "true", "DisplayTokenStatEnabled": "true",
        "ApproximateTokenEnabled": "false",
        "QuotaForNewUser": str(NO_LIMIT if new_user is None else new_user),
        "QuotaForInviter": str(parse_quota(quota.inviter)),
        "QuotaForInvitee": str(parse_quota(quota.invited)),
        "QuotaPerUnit": "500000", "SystemName": "canalgate", "Theme": "default", "Logo": "", "Footer": "",
        "Notice": "", "About": "", "HomePageContent": "", "TopUpLink": "", "ChatLink": "",
        "ServerAddress": "",
    }  # fmt: skip


async def _ratios(visit: Visit) -> dict[str, str]:
    prices = await _prices(visit)
    models = {model: _ratio(price) for model, price in prices.items()}
    completions = {model: _completion(price) for model, price in prices.items() if price.prompt}
    return {
        "ModelRatio": _json(models),
        "CompletionRatio": _json(completions),
        "GroupRatio": orjson.dumps(
            {name: orjson.Fragment(show_ratio(ratio)) for name, ratio in (await _groups(visit)).items()}
        ).decode(),
    }


async def _prices(visit: Visit) -> dict[str, Price]:
    """Return the prices of models: those that are set, and those that channels' models have."""
    await visit.desk.live.catch_up()
    snapshot = visit.desk.live.snapshot
    found = dict(await visit.desk.store.prices.all())
    for (_, model), members in snapshot.by_model.items():
        if model not in found:
            member = members[0]
            stated = snapshot.prices.stated(model, member.upstream_model(model), member.adapter.name)
            if stated is not None:
                found[model] = stated
    return dict(sorted(found.items()))


async def _groups(visit: Visit) -> dict[str, int]:
    return {"default": RATIO_ONE, **await visit.desk.store.prices.group_ratios()}


async def _set_groups(visit: Visit, text: str) -> None:
    wanted = {name: math.ceil(ratio * RATIO_ONE) for name, ratio in _table("GroupRatio", text).items()}
    gone = {name: RATIO_ONE for name in await _groups(visit) if name not in wanted}
    await visit.desk.store.prices.set_all({}, {**gone, **wanted})


async def _set_prices(visit: Visit, key: str, text: str) -> None:
    wanted, prices, store = _table(key, text), await _prices(visit), visit.desk.store.prices
    shown = _table(key, (await _ratios(visit))[key])
    changed = {model: ratio for model, ratio in wanted.items() if shown.get(model) != ratio}
    if key == "ModelRatio":
        completions = {model: _completion(price) for model, price in prices.items() if price.prompt}
        gone = [model for model in await store.all() if model not in wanted]
        await store.set_all(prices_of(changed, completions), {}, gone)
        return
    unknown = [model for model in changed if model not in prices]
    if unknown:
        raise Refused("value", f"{unknown[0][:60]!r} has no price: set its ModelRatio first")
    await store.set_all({model: _completed(prices[model], ratio) for model, ratio in changed.items()}, {})


def _table(key: str, text: str) -> dict[str, Fraction]:
    try:
        return read_table(key, text)
    except ValueError as exc:
        raise Refused("value", str(exc)) from exc


def _completed(price: Price, ratio: Fraction) -> Price:
    return msgspec.structs.replace(price, completion=math.ceil(price.prompt * ratio))


def _ratio(price: Price) -> Fraction:
    """One API's ratio of a price: of its tokens, else of an image or a character."""
    pico = price.prompt or price.character or Fraction(price.image, _TOKENS_OF_IMAGE)
    return Fraction(pico) / _PICO_OF_ONE


def _completion(price: Price) -> Fraction:
    return Fraction(price.completion, price.prompt)


def _json(ratios: Mapping[str, Fraction]) -> str:
    numbers: dict[str, Any] = {name: orjson.Fragment(_number(ratio)) for name, ratio in ratios.items()}
    return orjson.dumps(numbers).decode()


def _number(ratio: Fraction) -> str:
    """A number of at most 15 decimals, without a float on the way."""
    digits = f"{Decimal(round(ratio * 10**15)).scaleb(-15):f}"
    return digits.rstrip("0").rstrip(".") or "0"
