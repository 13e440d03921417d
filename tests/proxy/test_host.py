"""Putting the parts together."""

import asyncio

from canalgate.proxy.config import Config, Data
from canalgate.proxy.host import first_start, opened


async def test_of_gateways_that_start_at_once_on_a_new_database_one_makes_the_root_user(
    tmp_path, database_url
):
    config = Config(data=Data(dir=str(tmp_path), database=database_url))
    async with opened(config) as one, opened(config) as other:
        made = await asyncio.gather(first_start(one), first_start(other))
        assert len([first for first in made if first is None]) == 1
        assert [user.name for user in await one.store.users()] == ["root"]
        assert len(await one.store.tokens()) == 1
