"""Fixtures: a gateway with one scripted provider behind it, databases, and the recordings if at hand."""

import asyncio
import functools
import gc
import hashlib
import os
import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path

import databases
import pytest
import services
import support
import uvloop
from canalgate.proxy.keys.vault import open_vault
from canalgate.proxy.store import open_store
from canalgate.proxy.store.open import open_database
from recordings import RECORDINGS

MEMORY, ROOM_BYTES = Path("/dev/shm"), 4 * 1024**3


def _use_memory():
    """Keep temporary folders in memory where there is room: each start of a gateway waits for the disk."""
    if "TMPDIR" in os.environ or not os.access(MEMORY, os.W_OK):
        return
    is_for_programs = not os.statvfs(MEMORY).f_flag & os.ST_NOEXEC
    if is_for_programs and shutil.disk_usage(MEMORY).free > ROOM_BYTES:
        os.environ["TMPDIR"] = tempfile.tempdir = str(MEMORY)  # for the processes that tests start, too


_use_memory()

hashlib.scrypt = functools.cache(hashlib.scrypt)
"""Each password and salt takes its third of a second once: logins with the same ones are in many tests."""


def pytest_asyncio_loop_factories(config, item):
    """The loop the product runs on; CANALGATE_TEST_LOOP=asyncio tries the other one."""
    if os.environ.get("CANALGATE_TEST_LOOP") == "asyncio":
        return {"asyncio": asyncio.new_event_loop}
    return {"uvloop": uvloop.new_event_loop}


def pytest_collection_finish():
    """Let the collector leave alone what stays to the end: thousands of tests and the modules they need."""
    gc.collect()
    gc.freeze()


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


@pytest.fixture(scope="session")
def servers(tmp_path_factory):
    """A function that gives, by kind, the one server of this test run; see `services.shared`."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    running = {}
    with ExitStack() as stack:

        def server(kind):
            if kind not in running:
                running[kind] = stack.enter_context(services.shared(kind, folder))
            return running[kind]

        yield server


@pytest.fixture(params=["sqlite", "mysql", "postgres"])
async def database_url(request, servers):
    """An empty database of each kind: what `data.database` takes."""
    if request.param == "sqlite":
        yield ""
        return
    async with databases.empty(servers(request.param)) as url:
        yield url


@pytest.fixture
async def database(tmp_path, database_url):
    """A database of each kind, with its tables."""
    async with open_database(database_url, tmp_path) as opened:
        yield opened


@pytest.fixture
async def store(tmp_path, database_url):
    """A store on each kind of database."""
    async with open_store(database_url, tmp_path, open_vault(tmp_path)) as opened:
        yield opened
