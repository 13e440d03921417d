"""Bring a plan into a store: all of it or nothing, and nothing twice.

What was brought from the same source before stays as it is here now, whatever has become of it there or here.
A user whose name is here, a token with a key and a code that is here, and a channel that is the same as one
here are joined with those: their tokens come to them, and nothing of theirs changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import TypeVar

import msgspec

from ...plugins import Adapter
from ..billing.money import show_quota, show_ratio
from ..billing.pricing import Price
from ..keys.vault import Vault
from ..prices.amounts import show_price
from ..records import ChannelRow
from ..store.codes import code_hash, columns
from ..store.imports import Bringing, Known
from ..store.store import Store
from .plan import UNLIMITED, Plan, PlannedChannel, PlannedCode, PlannedToken, PlannedUser, Progress, quiet
from .report import Fate, Item, Report
from .review import review

Thing = TypeVar("Thing", PlannedUser, PlannedToken, PlannedChannel, PlannedCode)

_LONGEST_KEY = 512
_EVERY = 200


async def apply(
    store: Store,
    vault: Vault,
    adapters: Mapping[str, Adapter],
    plan: Plan,
    now: int,
    *,
    progress: Progress = quiet,
    dry_run: bool = False,
) -> Report:
    """Bring a plan, or with `dry_run` say what that would do. Raises StoreError; then nothing was brought."""
    review(plan, adapters)
    work = _Work(plan, vault, await store.imports.known(plan.source), progress)
    await work.decide(store)
    if not dry_run and work.has_anything():
        async with store.imports.bringing(plan.source, now) as bringing:
            await work.bring(bringing, now)
    return Report(plan.source, tuple(work.items), tuple(plan.left_out), plan.log_rows, dry_run)


class _Work:
    """What is to be done for a plan: things that are new, and things that are only remembered."""

    def __init__(self, plan: Plan, vault: Vault, known: Known, progress: Progress) -> None:
        self._plan, self._vault, self._known, self._progress = plan, vault, known, progress
        self.items: list[Item] = []
        self._users: list[PlannedUser] = []
        self._tokens: list[PlannedToken] = []
        self._channels: list[PlannedChannel] = []
        self._codes: list[PlannedCode] = []
        self._prices: list[str] = []
        self._groups: list[str] = []
        self._joined: list[tuple[str, str, int]] = []
        self._owners: dict[str, int] = {}
        self._hashes: dict[str, bytes] = {}

    async def decide(self, store: Store) -> None:
        """Look at what is here, and decide what comes."""
        users = {user.name: user.id for user in await store.users()}
        self._users = self._sorted_out("user", self._plan.users, lambda one: users.get(one.row.name))
        tokens = {token.key_hash: token.id for token in await store.tokens()}
        self._decide_tokens(tokens)
        channels = [(row.id, _face(row)) for row in await store.channels()]
        faces = {face: number for number, face in channels}
        self._channels = self._sorted_out(
            "channel", self._plan.channels, lambda one: faces.get(_face(one.row))
        )
        hashes = await store.imports.code_hashes()
        self._codes = self._sorted_out(
            "code", self._plan.codes, lambda one: 0 if code_hash(one.text) in hashes else None
        )
        self._decide_prices(set(await store.prices.all()), set(await store.prices.group_ratios()))

    def _decide_tokens(self, here: Mapping[bytes, int]) -> None:
        good = []
        for token in self._plan.tokens:
            if len(token.key) > _LONGEST_KEY:
                self._plan.leave_out(
                    "token", f"token {token.source_id}", "its key is longer than any can be here"
                )
            else:
                self._hashes[token.source_id] = self._vault.token_hash(token.key)
                good.append(token)
        self._tokens = self._sorted_out("token", good, lambda one: here.get(self._hashes[one.source_id]))

    def _decide_prices(self, prices: set[str], groups: set[str]) -> None:
        for model, price in self._plan.prices.items():
            self._prices += self._set("price", model, _show(price), model in prices)
        for group, ratio in self._plan.groups.items():
            self._groups += self._set("group", group, f"ratio {show_ratio(ratio)}", group in groups)

    def _set(self, kind: str, name: str, shown: str, is_here: bool) -> list[str]:
        """Decide about a price or ratio; one that an administrator has set here stays."""
        if (kind, name) in self._known:
            self.items.append(Item(kind, name, name, shown, "there"))
        elif is_here:
            self._plan.leave_out(kind, f"{kind} {name!r}", "one is set here, and stays")
        else:
            self.items.append(Item(kind, name, name, shown, "new"))
            return [name]
        return []

    def _sorted_out(
        self, kind: str, things: Iterable[Thing], find: Callable[[Thing], int | None]
    ) -> list[Thing]:
        """Return what is new, and remember the rest."""
        new = []
        for thing in things:
            source_id = thing.source_id
            before, here = self._known.get((kind, source_id)), None
            if before is None:
                here = find(thing)
            number = before if before is not None else here
            if number is None:
                new.append(thing)
                continue
            if here is not None:
                self._joined.append((kind, source_id, here))
            if kind == "user":
                self._owners[source_id] = number
            self._tell(kind, thing, "joined" if here is not None else "there", number)
        for thing in new:
            self._tell(kind, thing, "new", 0)
        return new

    def _tell(self, kind: str, thing: Thing, fate: Fate, number: int) -> None:
        name = thing.row.name
        self.items.append(Item(kind, thing.source_id, name, _becomes(thing), fate, number))

    def has_anything(self) -> bool:
        """Whether anything is to be written."""
        return bool(
            self._users or self._tokens or self._channels or self._codes or self._prices or self._groups
            or self._joined
        )  # fmt: skip

    async def bring(self, bringing: Bringing, now: int) -> None:
        """Write what is new."""
        for kind, source_id, number in self._joined:
            bringing.note(kind, source_id, number)
        for model in self._prices:
            named = msgspec.structs.replace(self._plan.prices[model], name=f"imported {now} {model}")
            await bringing.price(model, named)
            bringing.note("price", model, 0)
        for group in self._groups:
            await bringing.group_ratio(group, self._plan.groups[group])
            bringing.note("group", group, 0)
        await self._bring("user", "users", self._users, bringing)
        await self._bring("token", "tokens", self._tokens, bringing)
        await self._bring("channel", "channels", self._channels, bringing)
        await self._bring("code", "codes", self._codes, bringing)

    async def _bring(self, kind: str, table: str, things: list[Thing], bringing: Bringing) -> None:
        """Add things: those that keep their numbers first, so that none of these is given to another."""
        free = await bringing.free(table, [thing.row.id for thing in things])
        places = {(item.kind, item.source_id): place for place, item in enumerate(self.items)}
        things = sorted(things, key=lambda thing: thing.row.id not in free)
        counted_on = False
        for done, thing in enumerate(things):
            number = thing.row.id if thing.row.id in free else 0
            if not number and not counted_on:
                await bringing.count_on(table)
                counted_on = True
            new = await self._add(thing, number, bringing)
            source_id = thing.source_id
            bringing.note(kind, source_id, new)
            place = places[kind, source_id]
            self.items[place] = replace(self.items[place], our_id=new)
            if done % _EVERY == 0:
                self._progress(table, done, len(things))
        if things and not counted_on:
            await bringing.count_on(table)

    async def _add(self, thing: Thing, number: int, bringing: Bringing) -> int:
        if isinstance(thing, PlannedUser):
            new = await bringing.user(replace(thing.row, id=number), thing.balance, thing.used)
            self._owners[thing.source_id] = new
            return new
        if isinstance(thing, PlannedToken):
            owner, hashed = self._owners[thing.user], self._hashes[thing.source_id]
            token = replace(thing.row, id=number, user_id=owner, key_hash=hashed)
            new = await bringing.token(token, thing.balance, thing.used)
            if thing.limit != UNLIMITED:
                await bringing.set_limit(f"token:{new}", thing.limit)
            return new
        if isinstance(thing, PlannedChannel):
            return await bringing.channel(replace(thing.row, id=number))
        return await bringing.code(number, columns(thing.row, thing.text))


def _face(row: ChannelRow) -> tuple[object, ...]:
    """What makes two channels the same."""
    return (row.type, row.name, row.base_url, row.key, row.models, tuple(sorted(row.options.items())))


def _becomes(thing: Thing) -> str:
    if isinstance(thing, PlannedUser):
        return f"user, group {thing.row.group}, {thing.row.status}, {_money(thing.balance)}"
    if isinstance(thing, PlannedToken):
        return f"token ...{thing.row.hint}, {thing.row.status}, {_money(thing.balance)}"
    if isinstance(thing, PlannedChannel):
        row = thing.row
        return f"{row.type}, {len(row.models)} models, groups {','.join(row.groups)}, {row.status}"
    return f"code, {thing.row.status}, {show_quota(thing.row.quota)}"


def _money(balance: int | None) -> str:
    return "unlimited" if balance is None else f"{show_quota(balance)} left"


def _show(price: Price) -> str:
    return ", ".join(f"{part} ${dollars}" for part, dollars in show_price(price).items())
