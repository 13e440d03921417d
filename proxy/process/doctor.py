"""Look an installation over: what is wrong, what soon will be, and what to do about it.

Each finding stands for itself, and what cannot be looked at because of another is left out. Nothing is made
that is not there, and nobody is asked beyond this machine and its database unless `online` says so.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import re
import shutil
import socket
import ssl
import sys
import time
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import closing
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Literal, TypeAlias
from urllib.parse import urlsplit

from ...plugins.manager import PluginManager
from ..config import Config, load
from ..errors import ConfigError
from ..host import Opened, bind, load_plugins, opened
from ..keys.vault import KEY_FILE, open_vault
from ..prices.book import make_book
from ..prices.table import shipped
from ..records import ENABLED
from ..routing.snapshot import Rules, UsableChannel, build
from ..store import DatabaseError, StoreError
from ..store.open import DATABASE_FILE
from ..store.requests import Filters
from ..upstream.pool import tls_context

State = Literal["ok", "warn", "fail"]

_LOW_BYTES, _NO_BYTES = 1_000_000_000, 100_000_000
_SLOW_MS, _APART_S = 200, 5
_FEW_FILES = 4096
_PORT_S, _DATE_S = 3.0, 3.0


@dataclass(frozen=True, slots=True)
class Finding:
    """How one part is. `advice` says what to do, where there is something to do."""

    part: str
    state: State
    what: str
    advice: str = ""


_Tried: TypeAlias = tuple[Finding, int | None]
"""How a host is, and how many seconds its clock is ahead of ours."""


async def examine(path: Path | None, *, online: bool) -> AsyncIterator[Finding]:
    """Yield what is found about the installation that a configuration file describes, as it is found."""
    try:
        config = load(path)
    except ConfigError as exc:
        yield Finding(
            "configuration", "fail", str(exc), "correct this; the rest cannot be looked at without it"
        )
        return
    yield Finding("configuration", "ok", "every setting is understood")
    key = _key(config)
    for finding in (*_folder(config), key, _disk(config), *_files(), await asyncio.to_thread(_port, config)):
        yield finding
    plugins = load_plugins(config)
    for finding in (*_plugins(plugins), _prices(config)):
        yield finding
    if not config.data.database and not (config.data_dir / DATABASE_FILE).is_file():
        yield Finding("database", "ok", "none yet; the first `canalgate serve` makes it")
        return
    if not config.data.secret_key and not (config.data_dir / KEY_FILE).is_file():
        return  # opening it would make a new key
    try:
        async with opened(config) as parts:
            async for finding in _contents(parts, online):
                yield finding
    except (ConfigError, DatabaseError, StoreError) as exc:
        yield Finding("database", "fail", str(exc), "until it can be opened, no gateway can start")


def _folder(config: Config) -> Iterator[Finding]:
    folder = config.data_dir
    if not folder.is_dir():
        above = next(one for one in folder.absolute().parents if one.exists())
        if folder.exists() or not os.access(above, os.W_OK):
            yield Finding(
                "data", "fail", f"{folder} cannot be made", "set data.dir to a folder you may write to"
            )
        else:
            yield Finding("data", "ok", f"{folder} is not there; the first `canalgate serve` makes it")
        return
    if _is_read_only(folder):
        advice = "mount it for writing, or set data.dir to a folder elsewhere"
        yield Finding("data", "fail", f"{folder} is on a file system that is mounted read-only", advice)
    elif not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        advice = "run as the user it belongs to, or give it to who runs the gateway (chown -R)"
        yield Finding("data", "fail", f"{folder} cannot be written by this user", advice)
    elif _is_open(folder):
        yield Finding("data", "warn", f"{folder} is open to other users", f"chmod 700 {folder}")
    else:
        yield Finding("data", "ok", f"{folder} can be written, by its owner alone")


def _key(config: Config) -> Finding:
    path = config.data_dir / KEY_FILE
    if config.data.secret_key:
        return Finding("secret key", "ok", "from the configuration")
    if not path.is_file():
        if config.data.database or (config.data_dir / DATABASE_FILE).is_file():
            advice = (
                f"restore {KEY_FILE} from a backup: without it no key of a channel and no token can be read"
            )
            return Finding("secret key", "fail", f"{path} is missing", advice)
        return Finding("secret key", "ok", "none yet; the first `canalgate serve` makes it")
    try:
        open_vault(config.data_dir)
    except ConfigError as exc:
        return Finding("secret key", "fail", str(exc), "restore it from a backup")
    if _is_open(path):
        return Finding("secret key", "warn", f"{path} can be read by other users", f"chmod 600 {path}")
    return Finding("secret key", "ok", f"{path} is whole, and its owner's alone; keep a copy elsewhere")


def _disk(config: Config) -> Finding:
    folder = config.data_dir.absolute()
    free = shutil.disk_usage(next(one for one in (folder, *folder.parents) if one.is_dir())).free
    size = f"{free / 1e9:.1f} GB" if free >= _LOW_BYTES else f"{free / 1e6:.0f} MB"
    what = f"{size} free below {config.data_dir}"
    if free < _LOW_BYTES:
        advice = "make room, or keep requests for fewer days: ledger.keep_days"
        return Finding("disk", "fail" if free < _NO_BYTES else "warn", what, advice)
    return Finding("disk", "ok", what)


def _files() -> Iterator[Finding]:
    if sys.platform == "win32":
        return
    import resource

    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    what = f"{most} files may be open; a request takes two"
    if 0 <= most < _FEW_FILES:
        advice = "ulimit -n 65536, or LimitNOFILE=65536 in a systemd unit"
        yield Finding("open files", "warn", what, advice)
    else:
        yield Finding("open files", "ok", what if most >= 0 else "any number of files may be open")


def _port(config: Config) -> Finding:
    host, port = config.server.host, config.server.port
    where = f"{host}:{port}"
    if port == 0:
        return Finding("port", "ok", "any that is free")
    if _is_ours(host, port):
        return Finding("port", "ok", f"a gateway answers at {where}")
    try:
        bind(config).close()
    except ConfigError as exc:
        return Finding("port", "fail", str(exc), "stop the program that has it, or set server.port")
    return Finding("port", "ok", f"{where} is free; no gateway is running there")


def _is_ours(host: str, port: int) -> bool:
    """Ask whoever has the port what it is."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    try:
        with closing(http.client.HTTPConnection(host, port, timeout=_PORT_S)) as connection:
            connection.request("GET", "/api/status")
            said = json.loads(connection.getresponse().read(10_000))
        return bool(said["data"]["system_name"] == "canalgate")
    except (OSError, http.client.HTTPException, ValueError, LookupError, TypeError):
        return False


def _plugins(plugins: PluginManager) -> Iterator[Finding]:
    bad = [plugin for plugin in plugins.plugins if plugin.problem and not plugin.disabled]
    for plugin in bad:
        advice = f"correct it, or name it in plugins.disabled = [{json.dumps(plugin.name)}]"
        yield Finding("plugin", "fail", f"{plugin.name} ({plugin.source}): {plugin.problem}", advice)
    if not bad:
        count = sum(not plugin.disabled for plugin in plugins.plugins)
        yield Finding("plugins", "ok", f"{count} loaded, {len(plugins.plugins) - count} off")


def _prices(config: Config) -> Finding:
    try:
        make_book(config.prices)
    except ConfigError as exc:
        return Finding("prices", "fail", str(exc), "correct the file, or the setting prices.file")
    return Finding("prices", "ok", config.prices.file or shipped().source)


async def _contents(parts: Opened, online: bool) -> AsyncIterator[Finding]:
    yield await _database(parts)
    rows = await parts.store.channels()
    faults = await parts.store.faults.all()
    rules = Rules(refused={(fault.channel_id, fault.key_hash): fault for fault in faults})
    snapshot = build(0, rows, parts.plugins.adapters, rules)
    names = {row.id: f"channel {row.id} {row.name}" for row in rows}
    for number, problem in snapshot.problems.items():
        yield Finding(
            "channel", "fail", f"{names[number]}: {problem}", f"canalgate channel edit {number} --help"
        )
    for fault in faults:
        what = f"{names.get(fault.channel_id)}: a key was refused ({fault.kind})"
        again = f"canalgate channel enable {fault.channel_id}"
        advice = f"canalgate channel edit {fault.channel_id} --key -, then {again}"
        yield Finding("channel", "warn", what, advice)
    good = [one for one in snapshot.usable.values() if one.row.status == ENABLED]
    if not rows:
        answer = "the demo answers" if parts.config.demo.enabled else "nothing can be served"
        yield Finding("channels", "warn", f"none, so {answer}", "canalgate channel add --help")
    elif not snapshot.problems and not faults:
        yield Finding(
            "channels", "ok", f"{len(good)} enabled of {len(rows)}; test them: canalgate channel test all"
        )
    tried = await asyncio.gather(*_reached(parts.config, good)) if online else []
    for finding, _ in tried:
        yield finding
    yield await _clock(parts, [apart_s for _, apart_s in tried if apart_s is not None])


async def _clock(parts: Opened, apart_s: list[int]) -> Finding:
    """Judge this machine's clock by what providers say, and by the latest request of the log."""
    newest, _ = await parts.store.requests.page(Filters(), None, 1)
    back_s = max([one.at_ms // 1000 - int(time.time()) for one in newest], default=0)
    advice = "set it by NTP (timedatectl set-ntp true): tokens' ends, budgets and the log go by it"
    if apart_s and abs(least := min(apart_s, key=abs)) > _APART_S:
        return Finding("clock", "warn", f"every provider's clock is {least:+} s from this machine's", advice)
    if back_s > _APART_S:
        return Finding("clock", "warn", f"it is {back_s} s before the latest request of the log", advice)
    if apart_s:
        return Finding("clock", "ok", "agrees with a provider's")
    return Finding("clock", "ok", "goes on from the log; --online compares it with providers'")


async def _database(parts: Opened) -> Finding:
    database = parts.store.database
    began = time.monotonic()
    seconds = await database.clock()
    took_ms = round((time.monotonic() - began) * 1000)
    apart = seconds - int(time.time())
    what = f"{database.place} answers in {took_ms} ms"
    if abs(apart) > _APART_S:
        advice = "set both clocks by NTP: tokens' ends, budgets and the log go by them"
        return Finding("database", "warn", f"{what}, its clock is {apart:+} s from this machine's", advice)
    if took_ms > _SLOW_MS:
        return Finding(
            "database", "warn", what, "bring it nearer: records are imported, and balances leased, there"
        )
    is_remote = bool(parts.config.data.database)
    return Finding("database", "ok", f"{what}, clocks agree" if is_remote else what)


def _reached(config: Config, channels: list[UsableChannel]) -> Iterator[Coroutine[Any, Any, _Tried]]:
    """Yield a try of each host, once."""
    hosts: dict[tuple[str, int, bool], str] = {}
    for one in channels:
        url = urlsplit(one.row.proxy or one.channel.base_url or one.adapter.base_url)
        if url.hostname:
            is_tls = url.scheme == "https"
            where = url.hostname, url.port or (443 if is_tls else 80), is_tls
            hosts.setdefault(where, f"channel {one.row.id} {one.row.name}")
    for (host, port, is_tls), name in hosts.items():
        yield _reach(config, host, port, is_tls, name)


async def _reach(config: Config, host: str, port: int, is_tls: bool, name: str) -> _Tried:
    """Connect, speak TLS where the address says so, and ask what time it is there; no key is sent."""
    where = f"{name}: {host}:{port}"
    tls = tls_context(config.upstream.ca_file) if is_tls else None
    try:
        async with asyncio.timeout(config.upstream.connect_s):
            reader, writer = await asyncio.open_connection(host, port, ssl=tls)
    except (OSError, ValueError) as exc:
        what, advice = _why(exc, config.upstream.connect_s)
        return Finding("provider", "fail", f"{where}: {what}", advice), None
    with closing(writer):
        apart_s = await _apart(reader, writer, host)
    return Finding("provider", "ok", f"{where} can be reached{' by TLS' if is_tls else ''}"), apart_s


async def _apart(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str) -> int | None:
    """Return how many seconds the clock of an HTTP server is ahead of ours; None where it does not say."""
    try:
        async with asyncio.timeout(_DATE_S):
            writer.write(f"HEAD / HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
        said = re.search(rb"(?im)^date: (.+?)\r$", head)
        return round(parsedate_to_datetime(said[1].decode()).timestamp() - time.time()) if said else None
    except (OSError, ValueError, EOFError, asyncio.LimitOverrunError):
        return None


def _why(exc: Exception, waited_s: float) -> tuple[str, str]:
    """Return why a host cannot be reached, and what to do about it."""
    if isinstance(exc, TimeoutError):
        advice = "a firewall may be in between; a proxy on the way is set by channel edit --proxy"
        return f"no connection within {waited_s:g} s", advice
    if isinstance(exc, socket.gaierror):
        return "there is no such name", "check the channel's base URL, and this machine's DNS"
    if isinstance(exc, ConnectionRefusedError):
        return "nothing listens there", "start the program that should, or correct the channel's base URL"
    if isinstance(exc, ssl.SSLCertVerificationError):
        advice = "if its authority is your own, name it in upstream.ca_file; a wrong clock does this too"
        return f"its certificate is not trusted: {exc.verify_message}", advice
    if isinstance(exc, ssl.SSLError):
        advice = "correct the channel's base URL: perhaps http://, or another port"
        return f"no TLS there: {getattr(exc, 'reason', None) or exc}", advice
    what = getattr(exc, "strerror", None) or str(exc)
    return what, "check the channel's base URL, and this machine's network"


def _is_read_only(folder: Path) -> bool:
    return sys.platform != "win32" and bool(os.statvfs(folder).f_flag & os.ST_RDONLY)


def _is_open(path: Path) -> bool:
    return sys.platform != "win32" and bool(path.stat().st_mode & 0o077)
