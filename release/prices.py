"""Write the shipped table of prices, from the package `genai-prices`: `python release/prices.py`.

Run it where that package is installed, and nowhere else: the gateway itself does not need it. Of a model
whose price changes at a date the one valid today is taken, of one that depends on the hour the dearest, of
one that depends on the size of a request the base.
"""

from __future__ import annotations

import importlib.metadata
import json
import re
from collections.abc import Iterator
from datetime import date
from decimal import ROUND_CEILING, Decimal
from pathlib import Path
from typing import Any

from genai_prices.data import providers  # type: ignore[import-not-found]  # installed for this script alone

TABLE = Path(__file__).resolve().parent.parent / "proxy" / "prices" / "table.json"

MILLION = {
    "input_mtok": "prompt",
    "output_mtok": "completion",
    "cache_read_mtok": "cached",
    "cache_write_mtok": "cache_write",
    "output_reasoning_mtok": "reasoning",
    "input_audio_mtok": "audio_prompt",
    "output_audio_mtok": "audio_completion",
    "input_image_mtok": "image_prompt",
    "output_image_mtok": "image_completion",
    "input_mchars": "character",
}
"""Prices per million of something: a dollar for a million is a million pico-dollars for one."""

OTHERS = {
    "requests_kcount": ("call", 10**9),
    "audio_hours": ("second", Decimal(10**12) / 3600),
    "input_audio_hours": ("second", Decimal(10**12) / 3600),
}
"""Prices per thousand requests and per hour, with the pico-dollars for one that a dollar makes."""


KINDS = {"equals": "names", "starts_with": "starts", "ends_with": "ends", "contains": "within"}


def main() -> None:
    """Write the table."""
    version = importlib.metadata.version("genai-prices")
    licence = importlib.metadata.metadata("genai-prices")["License"] or "MIT"
    lines = []
    for provider in providers:
        models = {model.id: row for model in provider.models if (row := row_of(model))}
        rows = ",\n".join(f"{json.dumps(name)}: {json.dumps(row)}" for name, row in models.items())
        if models:
            lines.append(f"{json.dumps(provider.id)}: {{\n{rows}\n}}")
    head = {"source": f"genai-prices {version}", "licence": licence, "date": date.today().isoformat()}
    text = json.dumps(head)[:-1] + ',\n"providers": {\n' + ",\n".join(lines) + "\n}}\n"
    TABLE.write_text(text, "utf-8")
    print(f"{TABLE.name}: {sum(len(provider.models) for provider in providers)} models, {len(text)} bytes")


def row_of(model: Any) -> dict[str, Any]:
    """Return one model's prices with what else it is called; empty where it has no price we can use."""
    row: dict[str, Any] = {}
    for theirs, value in vars(prices_of(model)).items():
        if value is None:
            continue
        dollars = Decimal(getattr(value, "base", value))
        if theirs in MILLION:
            row[MILLION[theirs]] = whole(dollars * 1_000_000)
        elif theirs in OTHERS:
            ours, each = OTHERS[theirs]
            row[ours] = whole(dollars * each)
    if not row:
        return row
    if model.context_window:
        row["context"] = model.context_window
    meant: dict[str, set[str]] = {key: set() for key in ("names", "starts", "ends", "within", "like")}
    for key, text in meant_by(model.match):
        meant[key].add(text)
    meant["names"].discard(model.id.lower())
    return row | {key: sorted(texts) for key, texts in meant.items() if texts} | like(meant["like"])


def prices_of(model: Any) -> Any:
    """Return the prices valid today; the dearest, where they depend on the hour."""
    if not isinstance(model.prices, list):
        return model.prices
    valid, hourly = None, []
    for each in model.prices:
        if hasattr(each.constraint, "start_time"):
            hourly.append(each.prices)
        elif each.constraint is None or each.constraint.start_date <= date.today():
            valid = each.prices
    return max((valid, *hourly), key=lambda prices: (base(prices.input_mtok), base(prices.output_mtok)))


def base(value: Any) -> Decimal:
    """Return a price without its tiers, 0 for none."""
    return Decimal(getattr(value, "base", value) or 0)


def whole(amount: Decimal) -> int:
    """Round up to a whole number."""
    return int(amount.to_integral_value(ROUND_CEILING))


def meant_by(match: Any) -> Iterator[tuple[str, str]]:
    """Yield what says that a name means a model: a key of the row, and a text or an expression."""
    for part in getattr(match, "or_", ()):
        yield from meant_by(part)
    for theirs, ours in KINDS.items():
        if hasattr(match, theirs):
            yield ours, getattr(match, theirs).lower()
    if hasattr(match, "regex") or hasattr(match, "and_"):
        yield "like", expression(match)


def expression(match: Any) -> str:
    """Return a clause as a regular expression for the beginning of a name."""
    if hasattr(match, "and_"):
        return "".join(f"(?={expression(part)})" for part in match.and_)
    if hasattr(match, "starts_with"):
        return re.escape(match.starts_with.lower())
    if not match.regex.startswith("^"):
        raise SystemExit(f"{match}: expected an expression for the beginning of a name")
    return str(match.regex[1:])


def like(expressions: set[str]) -> dict[str, str]:
    """Return the field `like` that stands for any of these expressions."""
    return {"like": "|".join(sorted(expressions))} if expressions else {}


if __name__ == "__main__":
    main()
