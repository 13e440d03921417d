"""What a file changes, while that is decided: the changes so far, and what will be here after them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field

from ..keys.vault import Vault
from ..manage.refused import Refused
from ..records import ChannelRow, Token, User
from ..store.writing import Writing
from .changes import Change, Value, change
from .describe import Adapters
from .document import Document
from .here import Here
from .locked import Secrets

Write = Callable[[Writing], Awaitable[None]]

TokenName = tuple[str, str, str]
"""A token's user, its name, and the end of its key."""


@dataclass(frozen=True, slots=True)
class Options:
    """How a file is applied. `balance` is what a new user may spend whose entry does not say."""

    now: int
    prune: bool = False
    balance: str = "0"


@dataclass(slots=True)
class Decision:
    """What a file changes. `left` is here and not in it; `keys` are those that new tokens get, by name."""

    generation: int
    steps: list[tuple[Change, Write]] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    keys: dict[str, str] = field(default_factory=dict, repr=False)
    without_password: list[str] = field(default_factory=list)
    hash_keys: tuple[bytes, ...] = field(default=(), repr=False)

    @property
    def changes(self) -> list[Change]:
        """What is added, changed and removed."""
        return [one for one, _ in self.steps]


class Work:
    """A decision while it is made. `channels`, `users` and `tokens` are what will be here, by name."""

    def __init__(
        self,
        document: Document,
        secrets: Secrets,
        here: Here,
        adapters: Adapters,
        vault: Vault,
        options: Options,
    ) -> None:
        self.document, self.secrets, self.here = document, secrets, here
        self.adapters, self.vault, self.options = adapters, vault, options
        self.decision = Decision(here.generation)
        self.channels: dict[str, ChannelRow] = {row.name: row for row in here.channels.values()}
        self.users: dict[str, User] = {user.name: user for user in here.users.values()}
        self.tokens: dict[TokenName, Token] = {
            (here.users[token.user_id].name, token.name, token.hint): token for token in here.tokens.values()
        }
        self.numbers: dict[tuple[str, ...], int] = {}
        """Of what is new, as it is written: a kind and its names."""

    def settle(self, kind: str, name: str, before: Value, after: Value, write: Write) -> bool:
        """Have a thing written if it is not to be as it is; says whether it is not."""
        found = change(kind, name, before, after, self.adapters)
        if found is not None:
            self.decision.steps.append((found, write))
        return found is not None

    def drop(self, kind: str, name: str, before: Value, write: Write) -> bool:
        """Have a thing removed that the file does not name, if that is asked for; says whether it is."""
        if self.options.prune:
            self.settle(kind, name, before, None, write)
        else:
            self.decision.left.append(f"{kind} {name}")
        return self.options.prune

    def number(self, kind: str, *names: str) -> int:
        """Return the number of a user, token or channel; 0 of what is not written yet."""
        if (kind, *names) in self.numbers:
            return self.numbers[kind, *names]
        if kind == "user":
            return self.users[names[0]].id
        if kind == "channel":
            return self.channels[names[0]].id
        user, name, end = names
        return self.tokens[user, name, end].id


def token_name(name: TokenName) -> str:
    """Return what people call a token."""
    return f"{name[0]}/{name[1]} ...{name[2]}"


def refuse_doubled(what: str, names: Iterable[str]) -> None:
    """Raise Refused where the file names a thing twice."""
    doubled = [name for name, count in Counter(names).items() if count > 1]
    if doubled:
        raise Refused(what, f"{doubled[0][:60]!r} is there twice")
