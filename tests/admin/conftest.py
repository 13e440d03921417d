"""A gateway with an admin key, and people to ask as."""

import pytest
import support
from admin_client import ADMIN_KEY, Client, person


@pytest.fixture
async def gateway(tmp_path):
    async with support.gateway(tmp_path, admin={"key": ADMIN_KEY}) as made:
        yield made


@pytest.fixture
async def root(gateway):
    """A client that holds the admin key."""
    return Client(gateway, f"Bearer {ADMIN_KEY}")


@pytest.fixture
async def admin(gateway):
    """A client that acts for an administrator."""
    return await person(gateway, "adam", "admin")


@pytest.fixture
async def anna(gateway):
    """A client that acts for an ordinary user."""
    return await person(gateway, "anna", "user")
