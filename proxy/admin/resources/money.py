"""Redemption codes, prices and limits."""

from __future__ import annotations

import time
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from ...billing.limits import Limit
from ...manage import limits, prices
from ...prices.amounts import BOUNDS, show_price
from ...records import ENABLED
from ...store.changes import Missing
from ...store.codes import Code
from ..fields import Given, Id, Name, Page, Pages, Quota, Seconds, Shown, Text, Word, paged
from ..operations import Call, Operations

code_operations = Operations("codes")
price_operations = Operations("prices")
limit_operations = Operations("limits")

Count = Annotated[int, Meta(ge=0, lt=2**31)]
Dollars = Annotated[str, Meta(min_length=1, max_length=100)]
_MOST_AT_ONCE = 1000


class CodeQuery(Pages, frozen=True, kw_only=True):
    """Which codes."""

    status: Literal["enabled", "disabled", "used"] | None = None


class NewCodes(Given, frozen=True, kw_only=True):
    """Codes to be made: what each is worth, how many, what for and until when."""

    quota: Annotated[int, Meta(gt=0, lt=2**62)]
    count: Annotated[int, Meta(ge=1, le=_MOST_AT_ONCE)] = 1
    name: Word = ""
    expires_at: Seconds | None = None


class CodeChange(Given, frozen=True, kw_only=True):
    """A code that is disabled is worth nothing, and stays so."""

    status: Literal["disabled"]


class MadeCodes(Shown, frozen=True, kw_only=True):
    """Codes. They are shown only now."""

    codes: list[str]


class CodeShown(Shown, frozen=True, kw_only=True):
    """A code without itself. `status` is `enabled`, `disabled`, `used` or `expired`."""

    id: int
    name: str
    quota: int
    status: str
    created_at: int
    expires_at: int | None
    redeemed_at: int | None
    redeemed_by: int | None


@code_operations.get("/codes", "admin")
async def list_codes(call: Call, query: CodeQuery) -> Page[CodeShown]:
    """List redemption codes without themselves, oldest first."""
    found = await call.desk.store.codes.page(query.after, query.limit + 1, query.status)
    return paged([_shown_code(code) for code in found], [code.id for code in found], query.limit)


@code_operations.get("/codes/{id}", "admin")
async def show_code(call: Call, id: Id) -> CodeShown:
    """Show a redemption code without itself."""
    code = await call.desk.store.codes.one(id)
    if code is None:
        raise Missing(f"there is no code {id}")
    return _shown_code(code)


@code_operations.post("/codes", "admin")
async def create_codes(call: Call, body: NewCodes) -> MadeCodes:
    """Make redemption codes. They are shown only now."""
    now = int(time.time())
    codes = await call.desk.store.codes.create(body.name, body.quota, body.count, body.expires_at, now)
    call.note("codes", name=body.name, quota=body.quota, count=body.count, expires_at=body.expires_at)
    return MadeCodes(codes=codes)


@code_operations.patch("/codes/{id}", "admin")
async def change_code(call: Call, id: Id, body: CodeChange) -> CodeShown:
    """Disable a redemption code."""
    await call.desk.store.codes.disable(id)
    call.note(f"code:{id}", status=body.status)
    return await show_code(call, id)


def _shown_code(code: Code) -> CodeShown:
    is_over = code.expires_at is not None and code.expires_at <= time.time()
    return CodeShown(
        id=code.id, name=code.name, quota=code.quota,
        status="expired" if code.status == ENABLED and is_over else code.status,
        created_at=code.created_at, expires_at=code.expires_at,
        redeemed_at=code.redeemed_at, redeemed_by=code.redeemed_by,
    )  # fmt: skip


class PriceQuery(Given, frozen=True, kw_only=True):
    """Which prices: of models like `claude-*`, only of models without one; from the row `after` on."""

    after: Annotated[int, Meta(ge=0, lt=2**31)] = 0
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100
    model: Text = "*"
    unpriced: bool = False


class NewPrice(Given, frozen=True, kw_only=True):
    """A price in dollars, `2.5`: of a million tokens or characters, of a call, second or image.

    What is not given is not charged apart. `context` and `output` are the model's bounds in tokens.
    """

    prompt: Dollars | None = None
    completion: Dollars | None = None
    cached: Dollars | None = None
    cache_write: Dollars | None = None
    reasoning: Dollars | None = None
    audio_prompt: Dollars | None = None
    audio_completion: Dollars | None = None
    image_prompt: Dollars | None = None
    image_completion: Dollars | None = None
    call: Dollars | None = None
    second: Dollars | None = None
    image: Dollars | None = None
    character: Dollars | None = None
    context: Count | None = None
    output: Count | None = None


class PriceShown(Shown, frozen=True, kw_only=True):
    """What a model costs on a channel, in dollars by part; null without a price. `source` names the price."""

    model: str
    channel_id: int | None
    price: dict[str, str] | None
    context: int
    output: int
    source: str | None


@price_operations.get("/prices", "admin")
async def list_prices(call: Call, query: PriceQuery) -> Page[PriceShown]:
    """List what the models of all channels cost and where each price is from, by model."""
    rows = sorted(_prices(query, await _stated(call)), key=lambda row: (row.model, row.channel_id or 0))
    rows = rows[query.after : query.after + query.limit + 1]
    return paged(rows, [query.after + at + 1 for at in range(len(rows))], query.limit)


@price_operations.put("/prices/{model}", "root")
async def set_price(call: Call, model: Name, body: NewPrice) -> None:
    """Set a model's price, all of it."""
    given = {name: value for name, value in msgspec.structs.asdict(body).items() if value is not None}
    await prices.set_price(call.desk.store, model, given)
    call.note(f"price:{model}", **given)


@price_operations.delete("/prices/{model}", "root")
async def unset_price(call: Call, model: Name) -> None:
    """Forget the price that was set for a model: that of the file or the shipped table is valid again."""
    await call.desk.store.prices.unset(model)
    call.note(f"price:{model}")


async def _stated(call: Call) -> Iterator[prices.Stated]:
    await call.desk.live.catch_up()
    return prices.stated(call.desk.live.snapshot.prices, await call.desk.store.channels())


def _prices(query: PriceQuery, found: Iterator[prices.Stated]) -> Iterator[PriceShown]:
    for model, channel, price in found:
        if fnmatchcase(model, query.model) and not (query.unpriced and price):
            context, output = (getattr(price, bound) if price else 0 for bound in BOUNDS)
            yield PriceShown(
                model=model, channel_id=channel.id if channel else None,
                price=show_price(price) if price else None, context=context, output=output,
                source=price.name if price else None,
            )  # fmt: skip


class LimitGiven(Given, frozen=True, kw_only=True):
    """What a subject may use, 0 without limit. Budgets are quota; days and months are UTC's."""

    requests_per_minute: Count = 0
    tokens_per_minute: Count = 0
    concurrent: Count = 0
    day_budget: Quota = 0
    month_budget: Quota = 0


class LimitShown(Shown, frozen=True, kw_only=True):
    """A limit and whom it is for."""

    subject: str
    requests_per_minute: int
    tokens_per_minute: int
    concurrent: int
    day_budget: int
    month_budget: int


@limit_operations.get("/limits", "admin")
async def list_limits(call: Call) -> Page[LimitShown]:
    """List the limits and budgets that are set, by subject."""
    found = await call.desk.store.limits.all()
    return Page([_shown_limit(subject, limit) for subject, limit in sorted(found.items())])


@limit_operations.put("/limits/{subject}", "admin")
async def set_limit(call: Call, subject: Name, body: LimitGiven) -> LimitShown:
    """Set a subject's limit, all of it.

    A subject is `token:7`, `user:1`, `channel:3`, `group:vip`, `model:gpt-4o`, or `user:*` for each.
    """
    limit = Limit(**msgspec.structs.asdict(body))
    await limits.set_limit(call.desk.store, subject, limit)
    call.note(f"limit:{subject}", **msgspec.structs.asdict(body))
    return _shown_limit(subject, limit)


@limit_operations.delete("/limits/{subject}", "admin")
async def unset_limit(call: Call, subject: Name) -> None:
    """Take a subject's limit away."""
    await call.desk.store.limits.unset(subject)
    call.note(f"limit:{subject}")


def _shown_limit(subject: str, limit: Limit) -> LimitShown:
    return LimitShown(subject=subject, **msgspec.structs.asdict(limit))
