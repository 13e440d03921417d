"""Hand a running gateway's port to its successor, so that no connection is lost.

A running gateway can be met at a unix socket in its data directory, by its own user alone. Or it starts its
successor itself, which then inherits a socket to it. What is said there:

    successor                         running gateway
    connects                      ->
                                  <-  the listening socket, and which settings it was opened by
    serves from it, says "ready"  ->
                                  <-  connections of clients as they become idle, until it ends

Both hold the same listening socket, so nothing that waits to be accepted is lost, and an idle connection goes
over with what its client may just be sending. A gateway that is never told "ready" goes on as it was.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ..config import Config
from ..errors import ConfigError
from ..tasks import Owner
from . import systemd

log = logging.getLogger(__name__)

OPTION = "--replace"
INHERITED = "CANALGATE_HANDOVER_FD"
"""Names, for a successor, the socket to the gateway that started it."""

MOST_AT_ONCE = 100
"""Connections in one message; systems take 253."""

_READY = b"ready"
_GIVEN = b"."
_PLACE_BYTES = 1024
_READY_S = 300.0
"""A new version may have much to change in the database before it serves."""

_MEET_TRIES, _MEET_AGAIN_S = 20, 0.05
_LONGEST_ADDRESS = 100


class Successor:
    """The gateway that serves from now on, as its predecessor sees it."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel

    def give(self, connections: Sequence[int]) -> bool:
        """Let it serve these connections, which we then close; False if it cannot take them now.

        At most MOST_AT_ONCE file descriptors.
        """
        try:
            return socket.send_fds(self._channel, [_GIVEN], connections) > 0
        except OSError:
            return False

    def close(self) -> None:
        """Nothing more will come."""
        self._channel.close()


class Predecessor:
    """The gateway whose port we take. `listener` is that port."""

    def __init__(self, channel: socket.socket, listener: socket.socket) -> None:
        self._channel = channel
        self.listener = listener

    def take_over(self, adopt: Callable[[socket.socket], None]) -> None:
        """Say that we serve. Connections that it gives us go to `adopt`.

        Raises ConfigError if it does not wait for us any more, and so may go on serving.
        """
        try:
            self._channel.send(_READY)
        except OSError as exc:
            raise ConfigError(f"{OPTION}: the running gateway did not wait; try again") from exc
        asyncio.get_running_loop().add_reader(self._channel, self._receive, adopt)

    def _receive(self, adopt: Callable[[socket.socket], None]) -> None:
        try:
            data, given, _, _ = socket.recv_fds(self._channel, len(_GIVEN), MOST_AT_ONCE)
        except BlockingIOError:
            return
        except OSError:
            data, given = b"", []
        for number in given:
            adopt(_own(number))
        if not data:
            self.close()

    def close(self) -> None:
        """Take nothing more."""
        if self._channel.fileno() >= 0:
            asyncio.get_running_loop().remove_reader(self._channel)
            self._channel.close()


async def meet(config: Config) -> Predecessor | None:
    """Ask the gateway that runs in this place for its port; None if there is none.

    Raises ConfigError if it will not give it, or has been opened at another address than we should be.
    """
    if sys.platform == "win32":
        raise ConfigError(f"{OPTION}: not possible on Windows; stop the gateway and start it again")
    for _ in range(_MEET_TRIES):
        channel = _channel_to(config)
        if channel is None:
            return None
        place, listener = await _offered(channel)
        if listener is not None:
            if place != _place(config):
                raise ConfigError(
                    f"{OPTION}: the running gateway was started for {place}, this one for {_place(config)};"
                    " to change server.host or server.port, stop it and start it again"
                )
            return Predecessor(channel, listener)
        channel.close()
        await asyncio.sleep(_MEET_AGAIN_S)  # it is ending, or has just been replaced by another
    raise ConfigError(f"{OPTION}: the running gateway does not give its port away; is it another user's?")


class Handover:
    """A running gateway's readiness to be replaced: an async context manager.

    `on_replaced` is called once, when a successor serves. Windows has none of this, and nothing happens.
    """

    def __init__(
        self, config: Config, listener: socket.socket, on_replaced: Callable[[Successor], None]
    ) -> None:
        self._path = _path(config)
        self._place = _place(config)
        self._listener = listener
        self._on_replaced = on_replaced
        self._owner = Owner()
        self._turn = asyncio.Lock()
        self._door: socket.socket | None = None
        self._inode = 0
        self._is_replaced = False

    async def __aenter__(self) -> Handover:
        if sys.platform == "win32":
            return self
        try:
            self._door = _open_door(self._path)
            self._inode = self._path.stat().st_ino
        except OSError as exc:
            log.warning("%s will not find this gateway path=%s problem=%s", OPTION, self._path, exc.strerror)
        else:
            self._owner.start(self._receive(self._door), "handover")
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._owner.close()
        if self._door is not None:
            self._door.close()
            with contextlib.suppress(OSError):
                if self._path.stat().st_ino == self._inode:  # it may be a successor's by now
                    self._path.unlink()

    def start_successor(self) -> None:
        """Start the program again, as this process was started, to go on in our place."""
        if self._turn.locked() or self._is_replaced:
            log.warning("no successor is started: another one is about to take over")
            return
        self._owner.start(self._start_successor(), "successor")

    async def _start_successor(self) -> None:
        log.info("starting a successor")
        systemd.reloading()
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        try:
            with theirs:
                process = await asyncio.to_thread(_run_again, theirs.fileno())
        except OSError as exc:
            log.error("no successor, this gateway goes on problem=%s", exc)
            ours.close()
        else:
            if await self._offer(ours, process.pid):
                return
            process.terminate()
            status = await asyncio.to_thread(process.wait)
            log.error("no successor, this gateway goes on; the other has said why status=%d", status)
        systemd.notify("READY=1")

    async def _receive(self, door: socket.socket) -> None:
        while True:
            channel, _ = await asyncio.get_running_loop().sock_accept(door)
            channel.setblocking(False)
            if _is_ours(channel):
                await self._offer(channel)
            else:
                channel.close()

    async def _offer(self, channel: socket.socket, pid: int = 0) -> bool:
        """Give the port to who wants to serve; says whether it does. `pid` is that of our own successor."""
        is_taken = False
        try:
            async with self._turn:
                is_taken = not self._is_replaced and await self._is_taken(channel)
        finally:
            if not is_taken:
                channel.close()
        if not is_taken:
            return False
        self._is_replaced = True
        if pid:
            systemd.notify(f"MAINPID={pid}", "READY=1")
        self._on_replaced(Successor(channel))
        return True

    async def _is_taken(self, channel: socket.socket) -> bool:
        try:
            socket.send_fds(channel, [self._place.encode()], [self._listener.fileno()])
            async with asyncio.timeout(_READY_S):
                said = await asyncio.get_running_loop().sock_recv(channel, len(_READY))
        except OSError:
            return False
        return said == _READY


def _place(config: Config) -> str:
    return f"{config.server.host}:{config.server.port}"


def _path(config: Config) -> Path:
    return config.data_dir / f"gateway-{_place(config).replace('/', '_')}.sock"


def _run_again(channel: int) -> subprocess.Popen[bytes]:
    arguments = sys.orig_argv[1:]
    return subprocess.Popen(
        [sys.executable, *arguments, *([] if OPTION in arguments else [OPTION])],
        pass_fds=(channel,),
        # A PyInstaller program unpacks itself anew only if told so, and our files go when we do.
        env=os.environ | {INHERITED: str(channel), "PYINSTALLER_RESET_ENVIRONMENT": "1"},
    )


def _channel_to(config: Config) -> socket.socket | None:
    inherited = os.environ.pop(INHERITED, "")
    if inherited:
        return _own(int(inherited))
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    channel.setblocking(False)
    try:
        with _short(_path(config)) as address:
            channel.connect(address)
    except (FileNotFoundError, ConnectionRefusedError):
        channel.close()
        return None
    except OSError as exc:
        channel.close()
        raise ConfigError(f"{OPTION}: {_path(config)}: {exc.strerror}") from exc
    return channel


async def _offered(channel: socket.socket) -> tuple[str, socket.socket | None]:
    """Return what the running gateway says to whoever connects; no socket if it closes the connection."""
    try:
        await _readable(channel)
        place, given, _, _ = socket.recv_fds(channel, _PLACE_BYTES, 1)
    except TimeoutError as exc:
        raise ConfigError(f"{OPTION}: the running gateway does not answer; is it stopped?") from exc
    except OSError:
        return "", None
    return place.decode(), _own(given[0]) if given else None


async def _readable(channel: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    there = asyncio.Event()
    loop.add_reader(channel, there.set)
    try:
        async with asyncio.timeout(_READY_S + 1):
            await there.wait()
    finally:
        loop.remove_reader(channel)


def _own(number: int) -> socket.socket:
    sock = socket.socket(fileno=number)
    sock.set_inheritable(False)
    sock.setblocking(False)
    return sock


def _open_door(path: Path) -> socket.socket:
    """Listen at a path, in place of whoever has been there. Raises OSError."""
    door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    new = path.with_name(f".{os.getpid()}.sock")
    try:
        new.unlink(missing_ok=True)
        with _short(new) as address:
            door.bind(address)
        new.chmod(0o600)
        door.listen()
        door.setblocking(False)
        new.rename(path)
    except OSError:
        door.close()
        raise
    return door


@contextlib.contextmanager
def _short(path: Path) -> Iterator[str]:
    """Name a socket by an address that is not too long for one: Linux knows a way around deep folders."""
    if sys.platform != "linux" or len(os.fsencode(path)) < _LONGEST_ADDRESS:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_PATH)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def _is_ours(channel: socket.socket) -> bool:
    """Say whether our own user is at the other end. Elsewhere than on Linux the socket's mode must do."""
    if sys.platform != "linux":
        return True
    credentials = channel.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return bool(struct.unpack("3i", credentials)[1] == os.getuid())
