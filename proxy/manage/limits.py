"""What limits can be set for, checked before one is kept."""

from __future__ import annotations

import re

from ..billing.limits import MOST_SUBJECT, Limit
from ..store import Store
from ..store.changes import Missing
from .refused import Refused

SUBJECTS = "token:7, user:1, channel:3, group:vip, model:gpt-4o, or token:* for each of a kind"
_NUMBERED = ("token", "user", "channel")
_NAMED = ("group", "model")


async def set_limit(store: Store, subject: str, limit: Limit) -> None:
    """Set a subject's limit. Raises Refused for what can have none, Missing for what is not there."""
    await check_subject(store, subject)
    await store.limits.set(subject, limit)


async def check_subject(store: Store, subject: str) -> None:
    """Raise Refused for what can have no limit, and Missing for what is not there."""
    kind, colon, name = subject.partition(":")
    if kind not in (*_NUMBERED, *_NAMED) or not colon or not name:
        raise Refused("subject", f"{subject[:200]!r}: expected {SUBJECTS}")
    if len(subject) > MOST_SUBJECT or not subject.isprintable():
        raise Refused(
            "subject", f"{subject[:200]!r}: a subject has at most {MOST_SUBJECT} printable characters"
        )
    if kind in _NUMBERED and name != "*":
        # As it is written, since the gateway looks it up by this text: not 07.
        is_id = re.fullmatch(r"[1-9][0-9]{0,18}", name) and int(name) < 2**63
        read = {"token": store.token, "user": store.user_by_id, "channel": store.channel}[kind]
        if not is_id or await read(int(name)) is None:
            raise Missing(f"there is no {kind} {name!r}; give its id, as `canalgate {kind} list` shows it")
