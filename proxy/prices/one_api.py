"""One API's ratios as prices. Pure.

A model's ratio of 1 is 2 dollars per million prompt tokens; its completion ratio multiplies that. Where none
is stated, One API goes by the model's name, and so do we. An image it counts as a thousand tokens, a
character to speak as one; a minute to write down is worth 200 in its table.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any

from ..billing.pricing import RATIO_ONE, Price

_PICO_OF_ONE = 2_000_000
_KEYS = ("ModelRatio", "CompletionRatio", "GroupRatio")
_MOST = 1_000_000

_IMAGE = re.compile(r"(?:.*/)?(?:ali-)?(?:dall-e|cogview|wanx|stable-diffusion|step-1x|flux).*")
_SPEECH = re.compile(r"tts-1.*")
_AUDIO = re.compile(r"whisper.*")
_TOKENS_OF_IMAGE, _TOKENS_OF_SECOND = 1000, Fraction(200, 60)

_BY_NAME = tuple(
    (re.compile(pattern), Fraction(ratio))
    for pattern, ratio in (
        ("whisper-1", "0"),
        ("deepseek-reasoner", "219/55"),
        (r"gpt-3\.5-turbo|gpt-3\.5.*0125", "3"), (r"gpt-3\.5.*1106", "2"), (r"gpt-3\.5.*", "4/3"),
        ("gpt-4o-2024-05-13|chatgpt-4o-latest", "3"), ("gpt-4o.*|o1.*", "4"),
        ("gpt-4-turbo.*|gpt-4.*preview", "3"), ("gpt-4.*", "2"),
        ("claude-3.*", "5"), ("claude-.*|mistral-.*|gemini-.*", "3"), ("deepseek-.*", "2"),
        ("llama2-70b-4096", "5/4"), (r"llama3-8b-8192(\(33\))?", "2"), ("llama3-70b-8192", "79/59"),
        (r"llama3-70b-8192\(33\)", "70/53"), ("command|command-(light|nightly|light-nightly)", "2"),
        ("command-r|grok-beta", "3"), ("command-r-plus", "5"),
    )
)  # fmt: skip


def read_ratios(text: str) -> tuple[dict[str, Price], dict[str, int]]:
    """Return prices by model and ratios by group, in millionths. Raises ValueError saying what is wrong.

    The text is a JSON object with ModelRatio, CompletionRatio and GroupRatio, each an object or the JSON of
    one; or the answer of One API's /api/option; or an object of models' ratios alone.
    """
    tables = {name: read_table(name, value) for name, value in _options(_json("the file", text)).items()}
    prices = prices_of(tables.get("ModelRatio", {}), tables.get("CompletionRatio", {}))
    return prices, {
        name: math.ceil(ratio * RATIO_ONE) for name, ratio in tables.get("GroupRatio", {}).items()
    }


def prices_of(ratios: Mapping[str, Fraction], completions: Mapping[str, Fraction]) -> dict[str, Price]:
    """Return the prices of models with these ratios; one of completions not stated goes by the name."""
    return {model: _price(model, ratio, completions) for model, ratio in ratios.items()}


def _price(model: str, ratio: Fraction, completions: Mapping[str, Fraction]) -> Price:
    token = ratio * _PICO_OF_ONE
    if _IMAGE.fullmatch(model):
        return Price("", image=math.ceil(token * _TOKENS_OF_IMAGE))
    if _SPEECH.fullmatch(model):
        return Price("", character=math.ceil(token))
    second = math.ceil(token * _TOKENS_OF_SECOND) if _AUDIO.fullmatch(model) else 0
    return Price("", math.ceil(token), math.ceil(token * _of(model, completions)), second=second)


def _options(data: Any) -> dict[str, Any]:
    if isinstance(data, dict) and isinstance(data.get("data"), list):
        data = data["data"]
    if isinstance(data, list):
        data = {str(row.get("key")): row.get("value") for row in data if isinstance(row, dict)}
        if not set(_KEYS) & set(data):
            raise ValueError(f"expected {', '.join(_KEYS)}")
    if not isinstance(data, dict):
        raise ValueError("expected a JSON object")
    found = {name: data[name] for name in _KEYS if name in data}
    return found or {"ModelRatio": data}


def read_table(name: str, value: Any) -> dict[str, Fraction]:
    """Return the ratios of an option, an object or its JSON. Raises ValueError naming the option."""
    if isinstance(value, str):
        value = _json(name, value)
    if not isinstance(value, dict):
        raise ValueError(f"{name}: expected an object of names and ratios")
    return {key: _ratio(f"{name}: {key!r}", number) for key, number in value.items()}


def _ratio(what: str, number: Any) -> Fraction:
    # The exponent is looked at first: the exact value of 1e-999999999 would take all memory.
    if isinstance(number, Decimal) and number >= 0 and number.adjusted() < 9:
        exponent = number.as_tuple().exponent
        if isinstance(exponent, int) and exponent > -100 and (ratio := Fraction(number)) <= _MOST:
            return ratio
    raise ValueError(f"{what[:200]}: expected a ratio from 0 to {_MOST}")


def _json(what: str, text: str) -> Any:
    try:
        return json.loads(text, parse_float=Decimal, parse_int=Decimal)
    except (ValueError, RecursionError) as exc:
        raise ValueError(f"{what}: not valid JSON: {exc}") from exc
    except InvalidOperation as exc:
        raise ValueError(f"{what}: a number with an exponent that nothing has") from exc


def _of(model: str, completions: Mapping[str, Fraction]) -> Fraction:
    if model in completions:
        return completions[model]
    return next((ratio for pattern, ratio in _BY_NAME if pattern.fullmatch(model)), Fraction(1))
