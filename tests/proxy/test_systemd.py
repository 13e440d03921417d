"""What systemd is told of a gateway that it watches."""

import asyncio
import socket

import pytest
from canalgate.proxy.process import systemd


@pytest.fixture
def words(tmp_path, monkeypatch):
    """The socket that systemd listens on."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(str(tmp_path / "notify"))
        heard.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield heard


async def test_a_watched_gateway_says_again_and_again_that_it_lives(words, monkeypatch):
    monkeypatch.setenv("WATCHDOG_USEC", "20000")
    loop = asyncio.get_running_loop()
    async with systemd.watched(), asyncio.timeout(5):
        assert [await loop.sock_recv(words, 100) for _ in range(3)] == [b"WATCHDOG=1"] * 3


async def test_after_the_end_nothing_is_said(words, monkeypatch):
    monkeypatch.setenv("WATCHDOG_USEC", "20000")
    async with systemd.watched():
        pass
    await asyncio.sleep(0.03)
    with pytest.raises(BlockingIOError):
        words.recv(100)


@pytest.mark.parametrize("period", ["", "0", "-5", "soon", "٣"])
async def test_without_a_period_nothing_is_said(words, monkeypatch, period):
    monkeypatch.setenv("WATCHDOG_USEC", period)
    async with systemd.watched():
        await asyncio.sleep(0.01)
    with pytest.raises(BlockingIOError):
        words.recv(100)
