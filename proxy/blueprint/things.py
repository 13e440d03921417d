"""Decide about what has a number: channels, users and their tokens."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from msgspec import UNSET

from ..manage.channels import checked
from ..manage.refused import Refused
from ..records import ROLE_ROOT, ChannelRow, Token, User
from ..store.writing import Writing
from . import wanted
from .changes import change
from .decision import TokenName, Work, refuse_doubled, token_name
from .document import Channel
from .document import Token as TokenEntry
from .document import User as UserEntry


def channels(work: Work) -> None:
    """Decide about channels. Raises Refused for one that could not work."""
    entries = work.document.channels
    if entries is UNSET:
        return
    refuse_doubled("channels", (entry.name for entry in entries))
    here = dict(work.channels)
    for entry in entries:
        before = here.pop(entry.name, None)
        row = work.channels[entry.name] = _channel(work, entry, before)
        work.settle("channel", entry.name, before, row, partial(_write_channel, work, row))
    for name, row in here.items():
        if work.drop("channel", name, row, partial(_remove, "channels", row.id)):
            del work.channels[name]


def _channel(work: Work, entry: Channel, before: ChannelRow | None) -> ChannelRow:
    where = f"channels {entry.name!r}"
    secrets = work.secrets.channels.get(entry.name)
    row = wanted.channel(where, entry, before, secrets, work.adapters, work.options.now)
    if change("channel", entry.name, before, row, work.adapters) is None:
        return row  # it may be of a plugin that is not there today
    try:
        return checked(work.adapters, row)
    except Refused as exc:
        raise Refused(f"{where}.{exc.field}", exc.problem) from exc


def users(work: Work) -> None:
    """Decide about users; the root user stays."""
    entries = work.document.users
    if entries is UNSET:
        return
    refuse_doubled("users", (entry.name for entry in entries))
    here = dict(work.users)
    for entry in entries:
        _user(work, entry, here.pop(entry.name, None))
    for name, user in here.items():
        if user.role != ROLE_ROOT and work.drop("user", name, user, partial(_remove, "users", user.id)):
            del work.users[name]
            work.tokens = {path: token for path, token in work.tokens.items() if path[0] != name}


def _user(work: Work, entry: UserEntry, before: User | None) -> None:
    where = f"users {entry.name!r}"
    user = wanted.user(where, entry, before, work.secrets.passwords.get(entry.name), work.options.now)
    _check_root(work, where, before, user)
    balance = wanted.balance(where, entry, work.options.balance)
    if before is None and not user.password_hash:
        work.decision.without_password.append(user.name)
    work.users[entry.name] = user
    work.settle("user", entry.name, before, user, partial(_write_user, work, user, balance))


def _check_root(work: Work, where: str, before: User | None, after: User) -> None:
    if before is not None and before.role == ROLE_ROOT:
        if (after.role, after.status) != (before.role, before.status):
            raise Refused(where, "the root user stays as it is: its role is root, its status enabled")
    elif after.role == ROLE_ROOT:
        roots = [user.name for user in work.users.values() if user.role == ROLE_ROOT]
        if roots:
            raise Refused(f"{where}.role", f"there is a root user already, {roots[0]!r}")


def tokens(work: Work) -> None:
    """Decide about tokens. One that is new and has no key from elsewhere gets one."""
    entries = work.document.tokens
    if entries is UNSET:
        return
    here = dict(work.tokens)
    for entry, path in list(_matched(entries, here)):
        _token(work, entry, path, here.pop(path, None) if path else None)
    for path, token in here.items():
        if work.drop("token", token_name(path), token, partial(_remove, "tokens", token.id)):
            del work.tokens[path]


def _matched(
    entries: tuple[TokenEntry, ...], here: dict[TokenName, Token]
) -> Iterator[tuple[TokenEntry, TokenName | None]]:
    """Find for each entry what it is called here: by user and name, by the end where these are not enough."""
    found, asked = defaultdict(list), defaultdict(list)
    for path in here:
        found[path[:2]].append(path)
    for entry in entries:
        asked[entry.user, entry.name].append(entry)
    for pair, group in asked.items():
        if len(group) == 1 and len(found[pair]) <= 1:
            yield group[0], found[pair][0] if found[pair] else None
            continue
        where = f"tokens '{pair[0]}/{pair[1]}'"
        if not all(entry.end for entry in group):
            raise Refused(where, 'several have this name; give the end of each key, as in end = "abcd"')
        refuse_doubled(where, (entry.end for entry in group))
        for entry in group:
            path = (*pair, entry.end)
            yield entry, path if path in here else None


def _token(work: Work, entry: TokenEntry, path: TokenName | None, before: Token | None) -> None:
    where = f"tokens '{entry.user}/{entry.name}'"
    if entry.user not in work.users:
        raise Refused(f"{where}.user", f"there is no user {entry.user!r}")
    hashed = {one[:3]: bytes.fromhex(one[3]) for one in work.secrets.tokens}.get(
        (entry.user, entry.name, entry.end)
    )
    token, key = wanted.token(where, entry, before, hashed, work.vault, work.options.now)
    if hashed is not None and token.key_hash == hashed:
        theirs = (bytes.fromhex(one) for one in work.secrets.hash_keys)
        work.decision.hash_keys = tuple(one for one in theirs if one not in work.here.hash_keys)
    name = (entry.user, entry.name, token.hint)
    if before is None and key and entry.key is UNSET:
        work.decision.keys[token_name(name)] = key
    if path is not None:
        del work.tokens[path]
    work.tokens[name] = token
    balance = wanted.balance(where, entry, "unlimited")
    write = partial(_write_token, work, name, token, balance)
    work.settle("token", token_name(path or name), before, token, write)


async def _write_channel(work: Work, row: ChannelRow, writing: Writing) -> None:
    if row.id:
        await writing.change_channel(row)
    else:
        work.numbers["channel", row.name] = await writing.channel(row)


async def _write_user(work: Work, user: User, balance: int | None, writing: Writing) -> None:
    if user.id:
        await writing.change_user(user)
    else:
        work.numbers["user", user.name] = await writing.user(user, balance)


async def _write_token(
    work: Work, name: TokenName, token: Token, balance: int | None, writing: Writing
) -> None:
    if token.id:
        await writing.change_token(token)
    else:
        token = replace(token, user_id=work.number("user", name[0]))
        work.numbers["token", *name] = await writing.token(token, balance)


async def _remove(table: str, number: int, writing: Writing) -> None:
    await writing.remove(table, number)
