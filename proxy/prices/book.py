"""Which price a model has: what the operator says, else the shipped table, else what is done without one."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from ..billing.pricing import Price
from ..config import Prices
from ..errors import ConfigError
from .amounts import read_amount, read_price
from .table import Table, shipped

UNPRICED = "unpriced"
"""Name of the price of a model that has none, where it is free; it stands in every record of it."""

_MOST_KNOWN = 10_000


class PriceBook:
    """Prices by model, which do not change. `fallback` is the price without one, None to refuse."""

    def __init__(self, overrides: Mapping[str, Price], table: Table, fallback: Price | None) -> None:
        self._overrides = overrides
        self._table = table
        self._fallback = fallback
        self._found: dict[tuple[str, str, str], Price | None] = {}

    @property
    def own(self) -> Mapping[str, Price]:
        """The operator's prices, by model."""
        return self._overrides

    def find(self, model: str, upstream_model: str, adapter: str) -> Price | None:
        """Return the price of a request for `model` that a channel sends as `upstream_model`; None: refuse.

        The operator's price for the client's name wins, then the one for the provider's name.
        """
        name = model, upstream_model, adapter
        try:
            return self._found[name]
        except KeyError:
            if len(self._found) >= _MOST_KNOWN:
                self._found.clear()
            found = self._found[name] = self.stated(*name) or self._fallback
            return found

    def with_set(self, prices: Mapping[str, Price]) -> PriceBook:
        """Return this book with prices over its own: those set in the database."""
        return PriceBook({**self._overrides, **prices}, self._table, self._fallback)

    def stated(self, model: str, upstream_model: str, adapter: str) -> Price | None:
        """The same, None for a model that nobody has stated a price for."""
        own = self._overrides.get(model) or self._overrides.get(upstream_model)
        return own or self._table.find(upstream_model, adapter)


EVERYTHING_FREE = PriceBook({}, Table(), Price(UNPRICED))


def make_book(settings: Prices, in_store: Mapping[str, Price] = MappingProxyType({})) -> PriceBook:
    """Return the book of an installation. Raises ConfigError for settings or a file that make no sense.

    It reads files: a running gateway makes it once, and goes on by `with_set`.
    """
    overrides = {**(_read(Path(settings.file)) if settings.file else {}), **in_store}
    return PriceBook(overrides, shipped(), _fallback(settings))


def _fallback(settings: Prices) -> Price | None:
    if settings.unpriced == "refuse":
        return None
    if settings.unpriced == "free":
        return Price(UNPRICED)
    try:
        prompt = read_amount("prompt", settings.default_prompt)
        completion = read_amount("completion", settings.default_completion)
    except ValueError as exc:
        raise ConfigError(f"prices.default_{exc}") from None
    return Price("default", prompt, completion)


def _read(path: Path) -> dict[str, Price]:
    try:
        tables = tomllib.loads(path.read_text("utf-8"), parse_float=_plain)
    except OSError as exc:
        raise ConfigError(f"prices.file = {str(path)!r}: {exc.strerror}; check the path") from exc
    except (ValueError, RecursionError) as exc:  # too deep, or an integer of more digits than Python reads
        raise ConfigError(f"{path}: not valid TOML: {exc}") from exc
    prices = {}
    for model, fields in tables.items():
        if not isinstance(fields, dict):
            raise ConfigError(f'{path}: {model}: expected a table, such as ["{model}"]')
        try:
            prices[model] = read_price(f"file {model}", fields)
        except ValueError as exc:
            raise ConfigError(f"{path}: [{model}] {exc}") from None
    return prices


def _plain(number: str) -> str:
    """A float of TOML as text, so that it stays exact."""
    return number.replace("_", "").removeprefix("+")
