"""Decide about what is set for a name: ratios of groups, prices, how models are served, and limits."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from functools import partial
from typing import TypeVar

from msgspec import UNSET

from ..billing.limits import MOST_SUBJECT, Limit
from ..billing.pricing import Price
from ..manage.models import checked
from ..manage.refused import Refused
from ..records import ModelRoute
from ..store.writing import Writing
from . import wanted
from .decision import Work, refuse_doubled
from .describe import subject_of
from .document import Bound

Set = TypeVar("Set", int, Price, ModelRoute, Limit)

Subject = tuple[str, ...]
"""The kind and the names of what a limit is for."""


def groups(work: Work) -> None:
    """Decide about groups' ratios."""
    entries = work.document.groups
    if entries is not UNSET:
        there = {name: wanted.ratio(f"groups {name!r}", name, entry) for name, entry in entries.items()}
        _settle(work, "group", work.here.groups, there, Writing.set_group_ratio)


def prices(work: Work) -> None:
    """Decide about models' prices."""
    entries = work.document.prices
    if entries is not UNSET:
        there = {name: wanted.price(f"prices {name!r}", name, fields) for name, fields in entries.items()}
        _settle(work, "price", work.here.prices, there, Writing.set_price)


def models(work: Work) -> None:
    """Decide how models are served, now that it is known which channels there will be."""
    entries = work.document.models
    if entries is UNSET:
        return
    here = work.here.routes
    there = {model: ModelRoute(model, entry.mode, entry.fallbacks) for model, entry in entries.items()}
    routes = there if work.options.prune else {**here, **there}
    for model, route in there.items():
        if route != here.get(model):
            try:
                checked(route, routes, work.channels.values())
            except Refused as exc:
                raise Refused(f"models {model!r}.{exc.field}", exc.problem) from exc
    _settle(work, "model", here, there, Writing.set_route)


def _settle(
    work: Work,
    kind: str,
    here: Mapping[str, Set],
    there: Mapping[str, Set],
    write: Callable[[Writing, str, Set | None], Awaitable[None]],
) -> None:
    def writer(name: str, value: Set | None) -> Callable[[Writing], Awaitable[None]]:
        return lambda writing: write(writing, name, value)

    for name, after in there.items():
        work.settle(kind, name, here.get(name), after, writer(name, after))
    for name, before in here.items():
        if name not in there:
            work.drop(kind, name, before, writer(name, None))


def limits(work: Work) -> None:
    """Decide about limits, now that it is known what there will be to limit."""
    entries = work.document.limits
    if entries is UNSET:
        return
    here = dict(work.here.limits)
    seen = []
    for place, entry in enumerate(entries):
        where = f"limits[{place}]"
        subject, after = _subject(work, where, entry), wanted.limit(where, entry)
        seen.append(_shown(subject))
        before = here.pop(_stored(work, subject), None)
        work.settle("limit", _shown(subject), before, after, partial(_write_limit, work, subject, after))
    refuse_doubled("limits", seen)
    for stored, limit in here.items():
        names = subject_of(stored, work.here)
        shown = ", ".join(f"{name} {value}" for name, value in names.items()) if names else stored
        work.drop("limit", shown, limit, partial(_unset_limit, stored))


def _subject(work: Work, where: str, entry: Bound) -> Subject:
    given = [name for name in ("each", "user", "group", "model", "channel") if getattr(entry, name)]
    if len(given) != 1 or (entry.token and given != ["user"]):
        raise Refused(where, "expected one of each, user, group, model and channel, or user with token")
    (kind,) = given
    name = getattr(entry, kind)
    if kind == "each":
        return (name, "*")
    if entry.token:
        return _token(work, where, entry)
    there: Mapping[str, Collection[str]] = {"user": work.users, "channel": work.channels}
    if name not in there.get(kind, (name,)):
        raise Refused(f"{where}.{kind}", f"there is no {kind} {name[:60]!r}")
    if len(f"{kind}:{name}") > MOST_SUBJECT or not name.isprintable() or name == "*":
        raise Refused(f"{where}.{kind}", "expected a name of printable characters; for all of them, use each")
    return (kind, name)


def _token(work: Work, where: str, entry: Bound) -> Subject:
    named = [path for path in work.tokens if path[:2] == (entry.user, entry.token)]
    found = [path for path in named if entry.end in ("", path[2])]
    if len(found) == 1:
        return ("token", *found[0])
    problem = "several have this name; give the end of its key" if found else "there is no such token"
    raise Refused(f"{where}.token", f"{entry.user}/{entry.token}: {problem}")


def _stored(work: Work, subject: Subject) -> str:
    """Return what the store calls a subject; empty if that has no number yet."""
    kind, *names = subject
    if names == ["*"] or kind in ("group", "model"):
        return f"{kind}:{names[0]}"
    number = work.number(kind, *names)
    return f"{kind}:{number}" if number else ""


def _shown(subject: Subject) -> str:
    kind, *names = subject
    return f"{kind} {'/'.join(names)}" if names != ["*"] else f"each {kind}"


async def _write_limit(work: Work, subject: Subject, limit: Limit, writing: Writing) -> None:
    await writing.set_limit(_stored(work, subject), limit)


async def _unset_limit(stored: str, writing: Writing) -> None:
    await writing.set_limit(stored, None)
