"""Whoever guesses waits."""

import asyncio

import pytest
from canalgate.proxy.admin.door import Door
from canalgate.proxy.errors import GatewayError

HERE, THERE = "10.0.0.1", "10.0.0.2"


def refused(door, address, name, now):
    """Seconds to wait, or None."""
    try:
        door.knock(address, name, now)
    except GatewayError as exc:
        assert exc.status == 429
        return int(exc.headers["retry-after"])
    return None


def failing(times, address=HERE, name="anna", now=0.0):
    door = Door()
    for _ in range(times):
        door.knock(address, name, now)
        now += 1000.0 if times > 5 else 0.0
    return door


@pytest.mark.parametrize(("times", "wait"), [(0, None), (4, None), (5, 1)])
def test_the_first_failures_cost_no_wait(times, wait):
    assert refused(failing(times), HERE, "anna", 0.5) == wait


def test_the_wait_doubles_up_to_a_minute():
    door, now, waits = Door(), 0.0, []
    for _ in range(14):
        while (wait := refused(door, HERE, "anna", now)) is not None:
            waits.append(wait)
            now += wait
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]


@pytest.mark.parametrize(
    ("address", "name", "waits"),
    [(HERE, "other", True), (THERE, "anna", True), (THERE, "other", False)],
)
def test_failures_count_by_address_and_by_name(address, name, waits):
    assert (refused(failing(5), address, name, 0.0) is not None) is waits


def test_an_ipv6_client_is_its_whole_network():
    door = failing(5, "2001:db8:1:2::1")
    assert refused(door, "2001:db8:1:2:ffff::9", "other", 0.0)
    assert refused(door, "2001:db8:1:3::1", "other", 0.0) is None


def test_failures_are_forgotten_after_a_success():
    door = failing(4)
    door.welcome(HERE, "anna")
    assert [refused(door, HERE, "anna", 0.0) for _ in range(5)] == [None] * 5


def test_failures_are_forgotten_in_time():
    assert [refused(failing(5), HERE, "anna", 901.0) for _ in range(3)] == [None] * 3


def test_no_number_of_guessers_takes_more_memory():
    door = Door()
    for number in range(30_000):
        door.knock(f"10.1.{number // 250}.{number % 250}", f"name{number}", 0.0)
    assert len(door._known) <= 10_000


async def test_too_many_checks_at_a_time_are_refused():
    door = Door()
    checks = [door.is_password("x", "") for _ in range(60)]
    told = await asyncio.gather(*(asyncio.wait_for(one, 0.05) for one in checks), return_exceptions=True)
    assert len([one for one in told if isinstance(one, GatewayError) and one.status == 429]) == 10


@pytest.mark.parametrize("stored", ["", "setup$abc", "nonsense"])
async def test_without_a_hash_no_password_is_right(stored):
    assert not await Door().is_password("", stored)
