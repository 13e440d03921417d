"""Random programs of reserving, settling, topping up, dying, starting again: the rules hold after each step.

LEDGER_PROGRAMS says how many are tried; `make prove` tries ten thousand.
"""

import asyncio
import os
import shutil
import tempfile
from pathlib import Path

from canalgate.proxy.keys.vault import open_vault
from canalgate.proxy.ledger.ledger import Ledger
from canalgate.proxy.store import StoreError, open_store
from canalgate.proxy.store.accounts import open_account
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule
from ledgers import die, entry, rows

USER, TOKEN, BUDGET = "user:1", "token:1", "day:user:1:20261124"
LIMITED = (USER, TOKEN, BUDGET)
FIRST = {USER: 1000, TOKEN: 600, BUDGET: 400}
PROGRAMS = int(os.environ.get("LEDGER_PROGRAMS", "40"))
SHARED_MEMORY = Path("/dev/shm")


class Programs(RuleBasedStateMachine):
    """A ledger beside what it should say: the money left by account, and the costs of its rows."""

    reservations = Bundle("reservations")

    def __init__(self):
        super().__init__()
        base = SHARED_MEMORY if SHARED_MEMORY.is_dir() else None
        self.folder = Path(tempfile.mkdtemp(dir=base))
        self.runner = asyncio.Runner()
        self.left = dict(FIRST)
        self.costs = []
        self.life = 0
        self.run(self.begin())

    def run(self, work):
        return self.runner.run(work)

    async def begin(self):
        self.opening = open_store("", self.folder, open_vault(self.folder))
        self.store = await self.opening.__aenter__()
        if not self.life:
            async with self.store.database.transaction() as transaction:
                await open_account(transaction, USER, FIRST[USER])
                await open_account(transaction, TOKEN, FIRST[TOKEN])
        self.life += 1
        self.ledger = await Ledger(self.store, self.folder, "process").__aenter__()

    @rule(target=reservations, amount=st.integers(0, 300))
    def reserve(self, amount):
        return self.life, self.run(self._reserve(amount))

    async def _reserve(self, amount):
        found = self.ledger.reserve_now(LIMITED, amount)
        return found or await self.ledger.reserve(LIMITED, amount, {BUDGET: FIRST[BUDGET]})

    @rule(made=consumes(reservations), cost=st.integers(0, 500))
    def settle(self, made, cost):
        life, reservation = made
        if life != self.life or isinstance(reservation, str):
            return  # it died with its gateway, or never was
        charges = self.ledger.charge_now(reservation, cost) or self.run(self.ledger.charge(reservation, cost))
        for charge in charges:
            assert charge.amount >= min(cost, reservation.amount)
            assert charge.amount == cost or self.left[charge.account] >= charge.amount
            self.left[charge.account] -= charge.amount
        self.costs.append(cost)
        self.ledger.write(entry(len(self.costs), charges, cost), lambda: None)

    @rule(made=consumes(reservations))
    def cancel(self, made):
        life, reservation = made
        if life == self.life and not isinstance(reservation, str):
            self.ledger.cancel(reservation)

    @rule(amount=st.integers(-200, 200), account=st.sampled_from([USER, TOKEN]))
    def credit(self, amount, account):
        try:
            self.run(self.store.accounts.credit(account, amount, "test", "", "", 1))
        except StoreError:
            return
        self.left[account] += amount

    @rule()
    def book(self):
        self.run(self.ledger._import())

    @rule()
    def give_idle_back(self):
        self.run(self.ledger._give_back(float("inf")))

    @rule()
    def be_killed_and_start_again(self):
        self.run(self._restart(die))

    @rule()
    def stop_and_start_again(self):
        self.run(self._restart(lambda ledger: ledger.__aexit__(None, None, None)))

    async def _restart(self, end):
        await end(self.ledger)
        await self.opening.__aexit__(None, None, None)
        await self.begin()

    @invariant()
    def the_rules_hold(self):
        assert self.run(self.store.accounts.violations()) == []
        assert all(amount >= 0 for amount in self.left.values())

    def teardown(self):
        self.run(self._restart(die))
        states = self.run(self.store.accounts.states())
        for name, state in states.items():
            assert state.remaining == self.left[name], name
            assert state.leased == 0
        assert self.run(rows(self.store)) == self.costs
        self.run(die(self.ledger))
        self.run(self.opening.__aexit__(None, None, None))
        self.runner.close()
        shutil.rmtree(self.folder)


TestPrograms = Programs.TestCase
TestPrograms.settings = settings(
    max_examples=PROGRAMS,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
