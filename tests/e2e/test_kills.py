"""What a client has received whole is in the ledger, once, whatever dies: the short forms of two programs.

The long ones are `make prove`.
"""

import os
import shutil

import databases
import kills
import power_loss
import pytest


@pytest.fixture(scope="module", autouse=True)
def lane():
    """A process of its own reads its own settings; once is enough."""


async def test_ten_kills_under_fifty_streams(tmp_path):
    outcome = await kills.Kills(tmp_path, kills=10, streams=50, seed=7).run()
    assert outcome.faults == []
    assert outcome.kills == 10
    assert outcome.slowest_start_s < 2


@pytest.mark.parametrize("kind", ["mysql", "postgres"])
async def test_kills_with_a_database_server(tmp_path, servers, kind):
    async with databases.empty(servers(kind)) as url:
        outcome = await kills.Kills(tmp_path, kills=3, streams=20, seed=8, database=url).run()
    assert outcome.faults == []


async def test_a_loss_of_power_leaves_a_sound_database_and_every_acknowledged_request():
    if shutil.which("strace") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("strace is required under CI")
        pytest.skip("strace is not installed")
    looked, wrong = await power_loss.check(requests=20, points=60, seed=3)
    assert looked == 60
    assert wrong == []


def test_what_is_not_synced_is_not_on_the_disk():
    disk = power_loss.Disk()
    disk.apply("pwrite64", r'3<\x2f\x64\x2f\x66>, "\x61\x62", 2, 0', 2, "/d")
    assert disk.files["/d/f"].synced == b""
    disk.apply("fdatasync", r"3<\x2f\x64\x2f\x66>", 0, "/d")
    assert disk.files["/d/f"].synced == b"ab"
