"""Fixtures: a gateway with one scripted provider behind it, and the recordings where they are at hand."""

import asyncio
import os

import pytest
import support
import uvloop
from recordings import RECORDINGS


def pytest_asyncio_loop_factories(config, item):
    """The loop the product runs on; CANALGATE_TEST_LOOP=asyncio tries the other one."""
    if os.environ.get("CANALGATE_TEST_LOOP") == "asyncio":
        return {"asyncio": asyncio.new_event_loop}
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
async def provider():
    async with support.provider() as made:
        yield made


@pytest.fixture
async def gateway(tmp_path, provider):
    """A gateway whose model `m` is served by `provider`."""
    async with support.gateway(tmp_path) as made:
        await made.add_channel(provider, "m")
        yield made


@pytest.fixture(scope="session")
def recordings():
    """Folder of the recorded provider traffic. It is no part of the repository."""
    if not RECORDINGS.is_dir():
        if os.environ.get("CI") == "true":
            pytest.fail(f"the recordings are required under CI: {RECORDINGS} is missing")
        pytest.skip("the recorded provider traffic is not beside this checkout")
    return RECORDINGS
