"""Compare a source with what is here: counts, sums of quota, and which channels serve a model for a group."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from ...plugins import Adapter
from ..routing.snapshot import build
from ..store.accounts import State
from ..store.imports import Known
from ..store.rows import token_account, user_account
from ..store.store import Store
from .plan import Plan
from .review import review


@dataclass(frozen=True, slots=True)
class Difference:
    """Where the two differ: what was compared, and what each says."""

    what: str
    source: str
    here: str


async def verify(store: Store, adapters: Mapping[str, Adapter], plan: Plan) -> list[Difference]:
    """Return the differences between what a plan holds and what has become of it here.

    What could not come (see `Plan.left_out`) is no difference of counts, and is one of routes.
    """
    review(plan, adapters)
    known = await store.imports.known(plan.source)
    found = [*_counts(plan, known, await _here(store)), *await _quotas(plan, known, store)]
    return [*found, *await _routes(plan, known, store, adapters)]


async def _here(store: Store) -> dict[str, set[object]]:
    return {
        "user": {user.id for user in await store.users()},
        "token": {token.id for token in await store.tokens()},
        "channel": {row.id for row in await store.channels()},
        "code": {0, *(code.id for code in await store.codes.list())},
        "price": set(await store.prices.all()),
        "group": set(await store.prices.group_ratios()),
    }


def _counts(plan: Plan, known: Known, here: Mapping[str, set[object]]) -> Iterable[Difference]:
    things = {
        "user": [one.source_id for one in plan.users],
        "token": [one.source_id for one in plan.tokens],
        "channel": [one.source_id for one in plan.channels],
        "code": [one.source_id for one in plan.codes],
        "price": list(plan.prices),
        "group": list(plan.groups),
    }
    for kind, ids in things.items():
        by_name = kind in ("price", "group")
        came = [one for one in ids if (one if by_name else known.get((kind, one))) in here[kind]]
        if len(came) != len(ids):
            missing = [one for one in ids if one not in set(came)]
            shown = ", ".join(missing[:5]) + (" ..." if len(missing) > 5 else "")
            yield Difference(f"number of {kind}s", str(len(ids)), f"{len(came)}; missing: {shown}")


async def _quotas(plan: Plan, known: Known, store: Store) -> list[Difference]:
    states = await store.accounts.states()
    kinds: tuple[tuple[str, Iterable[tuple[str, int | None, int]], Callable[[int], str]], ...] = (
        ("user", [(one.source_id, one.balance, one.used) for one in plan.users], user_account),
        ("token", [(one.source_id, one.balance, one.used) for one in plan.tokens], token_account),
    )
    found = []
    for kind, things, account in kinds:
        left, used, here_left, here_used = 0, 0, 0, 0
        for source_id, balance, spent in things:
            state = states.get(account(known.get((kind, source_id), 0)), State(0, 0, 0, 0))
            left, used = left + (balance or 0), used + spent
            here_left, here_used = here_left + (state.remaining or 0), here_used + state.used
        pairs = ((f"quota left of {kind}s", left, here_left), (f"quota used by {kind}s", used, here_used))
        found += [Difference(what, str(there), str(here)) for what, there, here in pairs if there != here]
    return found


async def _routes(
    plan: Plan, known: Known, store: Store, adapters: Mapping[str, Adapter]
) -> list[Difference]:
    """Compare the channels of each group and model, by the source's numbers."""
    numbers: dict[int, str] = {}
    for (kind, source_id), our_id in known.items():
        if kind == "channel":
            numbers[our_id] = source_id
    snapshot = build(0, await store.channels(), adapters)
    here = {
        route: {numbers[member.row.id] for member in members if member.row.id in numbers}
        for route, members in snapshot.by_model.items()
    }
    found = []
    for route in sorted({*plan.routes, *(route for route, members in here.items() if members)}):
        there, ours = plan.routes.get(route, frozenset()), here.get(route, set())
        if there != ours:
            what = f"channels of {route[1]!r} for group {route[0]!r}"
            found.append(Difference(what, _listed(there), _listed(ours)))
    return found


def _listed(numbers: Iterable[str]) -> str:
    return ", ".join(sorted(numbers, key=lambda number: (len(number), number))) or "none"
