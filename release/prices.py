"""Write the shipped table of prices, from the package `genai-prices`: `python release/prices.py`.

Run it where that package is installed, and nowhere else: the gateway itself does not need it. Of a model
whose price depends on time the latest is taken, of one that depends on the size of a request the base.
"""

from __future__ import annotations

import importlib.metadata
import json
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


def main() -> None:
    """Write the table."""
    version = importlib.metadata.version("genai-prices")
    licence = importlib.metadata.metadata("genai-prices")["License"] or "MIT"
    lines = []
    for provider in providers:
        models = {model.id: row for model in provider.models if (row := row_of(model))}
        rows = ",\n".join(f"{json.dumps(name)}: {json.dumps(row)}" for name, row in sorted(models.items()))
        if models:
            lines.append(f"{json.dumps(provider.id)}: {{\n{rows}\n}}")
    head = {"source": f"genai-prices {version}", "licence": licence, "date": date.today().isoformat()}
    text = json.dumps(head)[:-1] + ',\n"providers": {\n' + ",\n".join(lines) + "\n}}\n"
    TABLE.write_text(text, "utf-8")
    print(f"{TABLE.name}: {sum(len(provider.models) for provider in providers)} models, {len(text)} bytes")


def row_of(model: Any) -> dict[str, Any]:
    """Return one model's prices with its other names; empty where it has no price we can use."""
    prices = model.prices[-1].prices if isinstance(model.prices, list) else model.prices
    row: dict[str, Any] = {}
    for theirs, value in vars(prices).items():
        if value is None:
            continue
        dollars = Decimal(getattr(value, "base", value))
        if theirs in MILLION:
            row[MILLION[theirs]] = whole(dollars * 1_000_000)
        elif theirs in OTHERS:
            ours, each = OTHERS[theirs]
            row[ours] = whole(dollars * each)
    if row and model.context_window:
        row["context"] = model.context_window
    names = sorted({name for name in names_of(model.match) if name != model.id})
    starts = sorted(starts_of(model.match))
    return row | ({"names": names} if row and names else {}) | ({"starts": starts} if row and starts else {})


def whole(amount: Decimal) -> int:
    """Round up to a whole number."""
    return int(amount.to_integral_value(ROUND_CEILING))


def names_of(match: Any) -> Iterator[str]:
    """Yield the names that mean this model."""
    if hasattr(match, "equals"):
        yield match.equals
    for part in getattr(match, "or_", ()):
        yield from names_of(part)


def starts_of(match: Any) -> Iterator[str]:
    """Yield what names begin with that mean this model."""
    if hasattr(match, "starts_with"):
        yield match.starts_with
    for part in getattr(match, "or_", ()):
        yield from starts_of(part)


if __name__ == "__main__":
    main()
