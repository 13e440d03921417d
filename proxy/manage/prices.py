"""Prices as administrators see and set them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from ..billing.pricing import Price
from ..prices.amounts import read_price
from ..prices.book import PriceBook
from ..records import ChannelRow
from ..store import Store
from .refused import Refused


class Stated(NamedTuple):
    """What is stated of a model, on a channel that offers it or, without one, for nobody's model."""

    model: str
    channel: ChannelRow | None
    price: Price | None


def stated(book: PriceBook, channels: Iterable[ChannelRow]) -> Iterator[Stated]:
    """Yield the models that channels offer with their prices if any, then prices of nobody's models."""
    offered = set()
    for row in channels:
        for model in row.models:
            upstream = row.mapping.get(model, model)
            offered |= {model, upstream}
            yield Stated(model, row, book.stated(model, upstream, row.type))
    for model, price in book.own.items():
        if model not in offered:
            yield Stated(model, None, price)


async def set_price(store: Store, model: str, fields: Mapping[str, object]) -> Price:
    """Set a model's price, all of it, in dollars as people write them. Raises Refused naming the part."""
    if not fields:
        raise Refused("price", "give a part of it, such as a price of prompt and one of completion")
    try:
        price = read_price(model, fields)
    except ValueError as exc:
        part, _, problem = str(exc).partition(" = ")
        raise Refused(part if problem else "price", problem or str(exc)) from exc
    await store.prices.set(model, price)
    return price
