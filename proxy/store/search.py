"""Users and tokens page by page, oldest first: those after an id, and only those that are wanted."""

from __future__ import annotations

from collections.abc import Mapping

from ..records import Token, User
from .accounts import Accounts, State
from .database import Database, Row
from .rows import token_account, token_of, user_account, user_of

Found = tuple[list[Row], Mapping[str, State]]


class Search:
    """Lists of a database."""

    def __init__(self, database: Database, accounts: Accounts) -> None:
        self._database = database
        self._accounts = accounts

    async def users(
        self, after: int, limit: int, *, search: str = "", group: str | None = None, status: str | None = None
    ) -> list[tuple[User, State | None]]:
        """Return users with how their accounts stand; `search` is part of a name, in whatever case."""
        only = {"user_group": group, "status": status}
        rows, states = await self._page("users", after, limit, search, only)
        return [(user_of(row, states), states.get(user_account(row["id"]))) for row in rows]

    async def tokens(
        self,
        after: int,
        limit: int,
        *,
        search: str = "",
        user_id: int | None = None,
        status: str | None = None,
    ) -> list[tuple[Token, State | None]]:
        """Return tokens with how their accounts stand; `search` is part of a name, in whatever case."""
        rows, states = await self._page(
            "tokens", after, limit, search, {"user_id": user_id, "status": status}
        )
        return [(token_of(row, states), states.get(token_account(row["id"]))) for row in rows]

    async def group_sizes(self) -> dict[str, int]:
        """Return how many users are in each group."""
        rows = await self._database.all("SELECT user_group, COUNT(*) AS size FROM users GROUP BY user_group")
        return {row["user_group"]: int(row["size"]) for row in rows}

    async def _page(
        self, table: str, after: int, limit: int, search: str, only: Mapping[str, object]
    ) -> Found:
        given = {name: value for name, value in only.items() if value is not None}
        where = ["id > :after", *(f"{name} = :{name}" for name in given)]
        if search:
            where.append("LOWER(name) LIKE LOWER(:search) ESCAPE '!'")
            given["search"] = f"%{escaped(search)}%"
        rows = await self._database.all(
            f"SELECT * FROM {table} WHERE {' AND '.join(where)} ORDER BY id LIMIT :most",
            {**given, "after": after, "most": limit},
        )
        account = user_account if table == "users" else token_account
        return rows, await self._accounts.states([account(row["id"]) for row in rows])


def escaped(text: str) -> str:
    """Let a text stand for itself in a LIKE with ESCAPE '!'."""
    for sign in "!%_":
        text = text.replace(sign, f"!{sign}")
    return text
