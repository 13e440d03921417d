"""Leases and what is reserved of them: plain arithmetic in the loop, so that no two requests spend the same.

Pure. What an account has beyond its lease is the database's to say: see store/accounts.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .entry import Charge


class Account:
    """What this gateway holds of one account.

    `left` is what is leased and not spent, `held` what open requests have reserved of it.
    """

    __slots__ = ("held", "left", "name", "refused_least", "refused_until", "used_at")

    def __init__(self, name: str) -> None:
        self.name = name
        self.left = 0
        self.held = 0
        self.used_at = 0.0
        self.refused_least = 0
        self.refused_until = 0.0

    @property
    def free(self) -> int:
        """What a new request may reserve without a larger lease."""
        return self.left - self.held

    def is_refused(self, least: int, now: float) -> bool:
        """Whether the database said a moment ago that it has not so much."""
        return now < self.refused_until and least >= self.refused_least


class Reservation:
    """What one request has set aside: `amount` of each account in `held`."""

    __slots__ = ("amount", "held", "is_open")

    def __init__(self, amount: int, held: Sequence[Account]) -> None:
        self.amount = amount
        self.held = held
        self.is_open = True


class Book:
    """All leases of this gateway."""

    def __init__(self) -> None:
        self._accounts: dict[str, Account] = {}

    def account(self, name: str) -> Account:
        """Return the account of this name, empty where nothing is leased."""
        found = self._accounts.get(name)
        if found is None:
            found = self._accounts[name] = Account(name)
        return found

    def reserve(self, names: Sequence[str], amount: int, now: float) -> Reservation | Account:
        """Set an amount aside on every account, or on none: then the one that has too little is returned."""
        accounts = [self.account(name) for name in names]
        for account in accounts:
            if account.left - account.held < amount:
                return account
        for account in accounts:
            account.held += amount
            account.used_at = now
        return Reservation(amount, accounts)

    def extend(self, reservation: Reservation, names: Sequence[str], now: float) -> Account | None:
        """Set the same amount aside on more accounts, or on none: then what has too little is returned."""
        made = self.reserve(names, reservation.amount, now)
        if isinstance(made, Account):
            return made
        reservation.held = (*reservation.held, *made.held)
        return None

    def shrink(self, reservation: Reservation, names: Sequence[str]) -> None:
        """Take nothing from these accounts after all."""
        for account in reservation.held:
            if account.name in names:
                account.held -= reservation.amount
        reservation.held = [account for account in reservation.held if account.name not in names]

    def missing(self, reservation: Reservation, cost: int) -> list[tuple[Account, int]]:
        """Return the accounts whose lease cannot bear this cost, and by how much."""
        beyond = cost - reservation.amount
        if beyond <= 0:
            return []
        return [(account, beyond - account.free) for account in reservation.held if account.free < beyond]

    def settle(self, reservation: Reservation, cost: int) -> tuple[Charge, ...]:
        """End a reservation with what the request cost; returns what each account gave.

        An account that has less gives what it has, and never what others have reserved.
        """
        self._end(reservation)
        charges = []
        for account in reservation.held:
            given = min(cost, account.free)
            account.left -= given
            charges.append(Charge(account.name, given))
        return tuple(charges)

    def cancel(self, reservation: Reservation) -> None:
        """End a reservation of a request that costs nothing."""
        if reservation.is_open:
            self._end(reservation)

    def idle(self, before: float) -> Iterable[Account]:
        """Return the accounts that have something left and were not used since, and forget the empty ones."""
        for account in [one for one in self._accounts.values() if not one.held and one.used_at < before]:
            if account.left:
                yield account
            else:
                del self._accounts[account.name]

    def _end(self, reservation: Reservation) -> None:
        if not reservation.is_open:
            raise ValueError("a reservation ends once")
        reservation.is_open = False
        for account in reservation.held:
            account.held -= reservation.amount
