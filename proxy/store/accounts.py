"""Balances and what gateways lease of them.

Nothing here rests on an isolation level: a balance is only ever changed by one statement that says under
which condition it may be, and its count of rows says whether it was. See docs/money.md.

Every transaction touches an account's row before its leases, and accounts in the order of their names, so
that two of them never wait for each other.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..billing.limits import budget_ends
from .changes import StoreError, bump
from .database import Clash, Database, Transaction
from .idempotency import once
from .rows import State as State

MOST = 2**62
"""Largest balance."""

_TRIES = 8
_KEEP_BUDGETS_S = 35 * 86_400
"""A gateway that died may be started again, and its journal be booked, so late."""
_FORGET_AT_ONCE = 500
_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Credit:
    """A change of a balance that was no request: how much, why, by whom and when (unix seconds)."""

    id: int
    amount: int
    kind: str
    note: str
    actor: str
    at: int


class Accounts:
    """The accounts of a database. Owners are journals of gateways."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # What people see and change.

    async def state(self, name: str) -> State | None:
        """Return an account as it stands; None if there is none."""
        return (await self.states([name])).get(name)

    async def states(self, names: list[str] | None = None) -> dict[str, State]:
        """Return these accounts, or all."""
        return await _states(self._database, names)

    async def credit(
        self, name: str, amount: int, kind: str, note: str, actor: str, now: int, idem: str = ""
    ) -> None:
        """Add to a balance, or take from it. Raises StoreError if it is unlimited or would go below zero.

        With an idempotency key `idem`, the same again changes nothing: see idempotency.py.
        """

        async def work(transaction: Transaction) -> str:
            await credit(transaction, name, amount, kind, note, actor, now)
            return ""

        await once(self._database, "credit", idem, [name, amount, kind, note], now, work)

    async def set_balance(self, name: str, balance: int | None, actor: str, now: int) -> None:
        """Let this much remain, or make the account unlimited."""
        async with self._database.transaction() as transaction:
            await bump(transaction)
            # Holds the row: a lease of an unlimited account changes nothing in it, and must not come between.
            await transaction.run(_USE, {"name": name, "amount": 0})
            state = (await _states(transaction, [name])).get(name)
            if state is None:
                raise StoreError(f"there is no account {name!r}")
            free = None if balance is None else balance - state.leased
            if free is not None and free < 0:
                raise StoreError(
                    f"{name}: requests under way hold more than that; try again in a few seconds"
                )
            done = await transaction.run(
                "UPDATE accounts SET balance = :balance, credited = :credited WHERE name = :name"
                " AND used = :used AND (balance = :was OR (balance IS NULL AND :is_unlimited = 1))",
                {
                    "name": name, "balance": free, "used": state.used, "was": state.balance or 0,
                    "credited": state.used + (balance or 0), "is_unlimited": int(state.balance is None),
                },
            )  # fmt: skip
            if not done:
                raise StoreError(f"{name} has just changed; try again")
            change = (balance or 0) - (state.remaining or 0)
            await transaction.run(_CREDIT_ROW, _credit_row(name, change, "set", "", actor, now))

    async def credits(self, name: str, limit: int = 100, before: int | None = None) -> list[Credit]:
        """Return changes of an account's balance that were no requests, newest first."""
        rows = await self._database.all(
            "SELECT id, amount, kind, note, actor, at FROM credits WHERE account = :name AND id < :before"
            " ORDER BY id DESC LIMIT :most",
            {"name": name, "before": before if before is not None else MOST, "most": limit},
        )
        return [Credit(**row) for row in rows]

    async def latest(
        self, kinds: Sequence[str], limit: int, user_id: int | None = None
    ) -> list[Mapping[str, object]]:
        """Return the latest changes of these kinds of users' balances, or of one user's."""
        given: dict[str, object] = {f"kind{number}": kind for number, kind in enumerate(kinds)}
        whose = "account LIKE 'user:%'" if user_id is None else "account = :account"
        rows = await self._database.all(
            "SELECT id, account, amount, kind, note, actor, at FROM credits"
            f" WHERE {whose} AND kind IN ({', '.join(f':{name}' for name in given)})"
            " ORDER BY id DESC LIMIT :most",
            {**given, "account": f"user:{user_id}", "most": limit},
        )
        return [dict(row) for row in rows]

    # Leases.

    async def take(self, owner: str, name: str, least: int, most: int) -> int:
        """Move up to `most` from a balance into the owner's lease; returns how much, or 0 below `least`."""
        for _ in range(_TRIES):
            row = await self._database.one("SELECT balance FROM accounts WHERE name = :name", {"name": name})
            if row is None:
                return 0
            balance = most if row["balance"] is None else int(row["balance"])
            amount = min(most, balance)
            if amount < least or amount <= 0:
                return 0
            async with self._database.transaction() as transaction:
                if await transaction.run(_TAKE, {"name": name, "amount": amount}):
                    await transaction.run(
                        self._database.dialect.upsert("leases", ["owner", "account"], add=["amount"]),
                        {"owner": owner, "account": name, "amount": amount},
                    )
                    return amount
        return 0

    async def give_back(self, owner: str, name: str, amount: int) -> None:
        """Move some of the owner's lease back into the balance. Raises StoreError if it has not so much."""
        async with self._database.transaction() as transaction:
            await transaction.run(_PUT_BACK, {"name": name, "amount": amount})
            if not await transaction.run(_LESSEN, {"owner": owner, "account": name, "amount": amount}):
                raise StoreError(f"{name}: less than {amount} is leased by {owner}")
            await transaction.run(
                "DELETE FROM leases WHERE owner = :owner AND account = :account AND amount = 0",
                {"owner": owner, "account": name},
            )

    async def release(self, owner: str) -> None:
        """Give all leases of an owner back, and forget it: it has ended, and its journal is booked."""
        leases = await self._database.all(
            "SELECT account, amount FROM leases WHERE owner = :owner ORDER BY account", {"owner": owner}
        )
        for lease in leases:
            with contextlib.suppress(StoreError):  # somebody else has done it
                await self.give_back(owner, lease["account"], int(lease["amount"]))
        async with self._database.transaction() as transaction:
            await transaction.run("DELETE FROM journals WHERE owner = :owner", {"owner": owner})

    async def open_budget(self, name: str, quota: int) -> None:
        """Make the account of a period's budget; one that is there follows a budget that was changed.

        Where more is used or leased than the budget is now, nothing is left of it.
        """
        try:
            async with self._database.transaction() as transaction:
                await open_account(transaction, name, quota)
        except Clash:
            async with self._database.transaction() as transaction:
                await transaction.run(
                    "UPDATE accounts SET balance = balance + :quota - credited, credited = :quota"
                    " WHERE name = :name AND credited <> :quota AND balance + :quota >= credited",
                    {"name": name, "quota": quota},
                )
                await transaction.run(
                    "UPDATE accounts SET credited = credited - balance, balance = 0"
                    " WHERE name = :name AND balance > 0 AND balance + :quota < credited",
                    {"name": name, "quota": quota},
                )

    async def forget_budgets(self, now: float) -> None:
        """Delete the accounts of budgets whose day or month ended long ago, of which nothing is leased."""
        rows = await self._database.all(
            "SELECT name FROM accounts WHERE name LIKE 'day:%' OR name LIKE 'month:%' ORDER BY name"
        )
        over = [{"name": row["name"]} for row in rows if budget_ends(row["name"]) < now - _KEEP_BUDGETS_S]
        for first in range(0, len(over), _FORGET_AT_ONCE):
            some = over[first : first + _FORGET_AT_ONCE]
            async with self._database.transaction() as transaction:
                await transaction.many(_FORGET_BUDGET, some)
                await transaction.many("DELETE FROM leases WHERE account = :name AND amount = 0", some)

    # Journals.

    async def open_journal(self, owner: str, now: int) -> None:
        """A gateway begins."""
        async with self._database.transaction() as transaction:
            await transaction.run(
                "INSERT INTO journals (owner, position, seen_at) VALUES (:owner, 0, :now)",
                {"owner": owner, "now": now},
            )

    async def beat(self, owner: str, now: int) -> None:
        """A gateway is alive, and the database can be written to."""
        async with self._database.transaction() as transaction:
            await transaction.run(
                "UPDATE journals SET seen_at = :now WHERE owner = :owner", {"owner": owner, "now": now}
            )

    async def position(self, owner: str) -> int | None:
        """Return up to where a journal is booked; None if the database does not know it."""
        row = await self._database.one("SELECT position FROM journals WHERE owner = :owner", {"owner": owner})
        return int(row["position"]) if row else None

    async def move_position(self, transaction: Transaction, owner: str, old: int, new: int) -> bool:
        """Say that a journal is booked up to here; False if it was not where it should be."""
        moved = await transaction.run(
            "UPDATE journals SET position = :new WHERE owner = :owner AND position = :old",
            {"owner": owner, "old": old, "new": new},
        )
        return moved == 1

    async def settle(
        self, transaction: Transaction, owner: str, sums: Mapping[str, tuple[int, int]]
    ) -> dict[str, int]:
        """Book what accounts gave, each out of the owner's lease and without one.

        Where a lease has gone, the balance gives what it has; returns what was short, by account.
        """
        short: dict[str, int] = {}
        for name in sorted(sums):
            leased, other = sums[name]
            await transaction.run(_USE, {"name": name, "amount": leased})
            owed = 0
            if leased and not await transaction.run(
                _LESSEN, {"owner": owner, "account": name, "amount": leased}
            ):
                owed = leased
                await transaction.run(_USE, {"name": name, "amount": -leased})
            if other and not await transaction.run(_USE_UNLIMITED, {"name": name, "amount": other}):
                owed += other  # it was unlimited when the request came
            if owed:
                given = await self._from_balance(transaction, owner, name, owed)
                await transaction.run(_USE, {"name": name, "amount": given})
                if given < owed:
                    short[name] = owed - given
        return short

    async def _from_balance(self, transaction: Transaction, owner: str, name: str, amount: int) -> int:
        """Pay with what is left of a lease and then out of the balance; returns how much that was."""
        row = await transaction.one(
            "SELECT amount FROM leases WHERE owner = :owner AND account = :account",
            {"owner": owner, "account": name},
        )
        paid = int(row["amount"]) if row else 0
        if paid:
            await transaction.run(_LESSEN, {"owner": owner, "account": name, "amount": paid})
        while paid < amount:
            row = await transaction.one("SELECT balance FROM accounts WHERE name = :name", {"name": name})
            if row is None or row["balance"] is None:
                return amount
            part = min(amount - paid, int(row["balance"]))
            if part <= 0:
                break
            if await transaction.run(_TAKE, {"name": name, "amount": part}):
                paid += part
        return paid

    # Proof.

    async def violations(self) -> list[str]:
        """Return one line for each account that breaks a rule."""
        lines = []
        for name, state in sorted((await self.states()).items()):
            if state.balance is None:
                continue
            if state.balance < 0 or state.leased < 0:
                lines.append(f"{name}: balance {state.balance}, leased {state.leased}: below zero")
            if state.credited != state.balance + state.leased + state.used:
                lines.append(
                    f"{name}: credited {state.credited} is not balance {state.balance}"
                    f" + leased {state.leased} + used {state.used}"
                )
        for row in await self._database.all(_STRAY_LEASES):
            lines.append(f"{row['account']}: {row['amount']} leased by {row['owner']}, which is no gateway")
        return lines


async def _states(source: Database | Transaction, names: list[str] | None) -> dict[str, State]:
    rows = await source.all(_STATES) if names is None else []
    for first in range(0, len(names or ()), _AT_ONCE):
        given = {f"name{i}": name for i, name in enumerate((names or [])[first : first + _AT_ONCE])}
        rows += await source.all(
            f"{_STATES} WHERE a.name IN ({', '.join(f':{key}' for key in given)})", given
        )
    return {
        row["name"]: State(row["balance"], int(row["leased"]), row["used"], row["credited"]) for row in rows
    }


async def open_account(transaction: Transaction, name: str, balance: int | None) -> None:
    """Make an account; None is unlimited."""
    await transaction.run(
        "INSERT INTO accounts (name, balance, credited, used) VALUES (:name, :balance, :credited, 0)",
        {"name": name, "balance": balance, "credited": balance or 0},
    )


async def credit(
    transaction: Transaction, name: str, amount: int, kind: str, note: str, actor: str, now: int
) -> None:
    """Add to a balance as part of a transaction, or take from it: see Accounts.credit."""
    changed = await transaction.run(
        "UPDATE accounts SET balance = balance + :amount, credited = credited + :amount WHERE name = :name"
        " AND balance + :amount >= 0 AND balance + :amount <= :most",
        {"name": name, "amount": amount, "most": MOST},
    )
    if not changed:
        row = await transaction.one("SELECT balance FROM accounts WHERE name = :name", {"name": name})
        if row is None:
            raise StoreError(f"there is no account {name!r}")
        if row["balance"] is None:
            raise StoreError(f"{name} is unlimited")
        raise StoreError(f"{name}: the balance would be below zero, or too large")
    await transaction.run(_CREDIT_ROW, _credit_row(name, amount, kind, note, actor, now))


def _credit_row(name: str, amount: int, kind: str, note: str, actor: str, now: int) -> dict[str, object]:
    return {
        "account": name, "amount": amount, "kind": kind, "note": note[:191], "actor": actor[:191], "at": now,
    }  # fmt: skip


_CREDIT_ROW = (
    "INSERT INTO credits (account, amount, kind, note, actor, at)"
    " VALUES (:account, :amount, :kind, :note, :actor, :at)"
)
_TAKE = (
    "UPDATE accounts SET balance = balance - :amount"
    " WHERE name = :name AND (balance >= :amount OR balance IS NULL)"
)
_USE = "UPDATE accounts SET used = used + :amount WHERE name = :name"
_USE_UNLIMITED = _USE + " AND balance IS NULL"
_PUT_BACK = "UPDATE accounts SET balance = balance + :amount WHERE name = :name"
_LESSEN = (
    "UPDATE leases SET amount = amount - :amount"
    " WHERE owner = :owner AND account = :account AND amount >= :amount"
)
_STATES = (
    "SELECT a.name, a.balance, a.used, a.credited,"
    " (SELECT COALESCE(SUM(l.amount), 0) FROM leases l WHERE l.account = a.name) AS leased FROM accounts a"
)
_FORGET_BUDGET = (
    "DELETE FROM accounts WHERE name = :name"
    " AND NOT EXISTS (SELECT 1 FROM leases WHERE account = :name AND amount > 0)"
)
_STRAY_LEASES = (
    "SELECT owner, account, amount FROM leases WHERE amount > 0 AND owner NOT IN (SELECT owner FROM journals)"
)
