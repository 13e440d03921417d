"""A gateway with One API's management API, and people of each role who use it."""

import pytest
from oneapi import console_of, running


@pytest.fixture
async def gateway(tmp_path):
    async with running(tmp_path) as made:
        yield made


@pytest.fixture
async def root(gateway):
    return await console_of(gateway, "root", "root")


@pytest.fixture
async def admin(gateway):
    return await console_of(gateway, "anne", "admin")


@pytest.fixture
async def user(gateway):
    return await console_of(gateway, "bob", "user", quota=1_000_000)
