"""Putting the parts together."""

import asyncio

import pytest
from canalgate.proxy.config import Admin, Config, Data
from canalgate.proxy.host import first_start, opened
from canalgate.proxy.records import ENABLED, ROLE_ADMIN, ROLE_ROOT, ROLE_USER, User


async def test_of_gateways_that_start_at_once_on_a_new_database_one_makes_the_root_user(
    tmp_path, database_url
):
    config = Config(data=Data(dir=str(tmp_path), database=database_url))
    async with opened(config) as one, opened(config) as other:
        made = await asyncio.gather(first_start(one), first_start(other))
        assert len([first for first in made if first is None]) == 1
        assert [user.name for user in await one.store.users()] == ["root"]
        assert len(await one.store.tokens()) == 1


async def test_a_setup_secret_that_is_set_is_taken_and_not_shown(tmp_path):
    config = Config(data=Data(dir=str(tmp_path)), admin=Admin(setup_secret="given-secret"))
    async with opened(config) as parts:
        made = await first_start(parts)
        root = await parts.store.user("root")
        assert made.setup_secret == ""
        assert root.password_hash == parts.vault.setup_hash("given-secret")
        assert await first_start(parts) is None


@pytest.mark.parametrize(("role", "is_made"), [(ROLE_USER, True), (ROLE_ADMIN, True), (ROLE_ROOT, False)])
async def test_users_that_were_there_before_the_first_start_have_no_root_but_one_of_their_own(
    tmp_path, role, is_made
):
    async with opened(Config(data=Data(dir=str(tmp_path)))) as parts:
        await parts.store.add_user(User(0, "applied", role, "default", ENABLED, 1))
        made = await first_start(parts)
        assert (made is not None) is is_made
        assert [user.name for user in await parts.store.users()] == ["applied", *["root"] * is_made]
        assert await first_start(parts) is None


async def test_a_setup_secret_can_be_given_later_as_long_as_there_is_no_password(tmp_path):
    data = Data(dir=str(tmp_path))
    async with opened(Config(data=data)) as parts:
        assert (await first_start(parts)).setup_secret
    async with opened(Config(data=data, admin=Admin(setup_secret="given-secret"))) as parts:
        assert await first_start(parts) is None
        root = await parts.store.user("root")
        assert root.password_hash == parts.vault.setup_hash("given-secret")
        await parts.store.set_password(root, "scrypt$a$b")
        await first_start(parts)
        assert (await parts.store.user("root")).password_hash == "scrypt$a$b"
