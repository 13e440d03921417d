"""What systemd gives a service and wants to hear from it: the port, and words on its state.

Facts: sd_listen_fds(3), sd_notify(3), sd_watchdog_enabled(3). Where systemd did not start us,
nothing here does anything.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ..errors import ConfigError

_FIRST = 3
_WORDS = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")


def listener() -> socket.socket | None:
    """Return the socket that is open for us already, once; None without socket activation.

    Raises ConfigError if it is not one TCP port.
    """
    pid, count, _ = (os.environ.pop(name, "") for name in _WORDS)
    if pid != str(os.getpid()) or count in ("", "0"):
        return None
    if count != "1":
        raise ConfigError(f"LISTEN_FDS = {count!r}: expected 1; give the socket unit one ListenStream")
    try:
        sock = socket.socket(fileno=_FIRST)
        is_port = sock.family in (socket.AF_INET, socket.AF_INET6) and sock.type == socket.SOCK_STREAM
        is_port = is_port and sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1
    except OSError as exc:
        raise ConfigError(f"LISTEN_FDS: {exc.strerror}; check the socket unit") from exc
    if not is_port:
        sock.detach()
        raise ConfigError("LISTEN_FDS: not a TCP port; write ListenStream=PORT and Accept=no")
    sock.set_inheritable(False)
    sock.setblocking(False)
    return sock


def notify(*words: str) -> None:
    """Tell systemd how we are, if it wants to know. Never waits, never fails."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.sendto("\n".join(words).encode(), address)


@asynccontextmanager
async def watched() -> AsyncIterator[None]:
    """Tell systemd twice in each period that the event loop turns, where a unit's WatchdogSec asks for it."""
    period = os.environ.get("WATCHDOG_USEC", "")
    if not period.isascii() or not period.isdigit() or int(period) == 0:
        yield
        return
    loop, every_s = asyncio.get_running_loop(), int(period) / 2e6
    next_time: asyncio.Handle

    def tell() -> None:
        nonlocal next_time
        notify("WATCHDOG=1")
        next_time = loop.call_later(every_s, tell)

    next_time = loop.call_soon(tell)
    try:
        yield
    finally:
        next_time.cancel()


def reloading() -> None:
    """Tell systemd that a successor is being started; READY=1 must follow."""
    notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
