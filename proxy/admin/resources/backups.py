"""The installation in a file, for the root user: it holds the secret key, so the password is asked again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import ExitStack
from typing import BinaryIO

from ...config import Config
from ...errors import ConfigError, GatewayError
from ...process.backup import Busy, Extent, Kept, for_sending, measure
from ...store import DatabaseError
from ..fields import Shown
from ..operations import Call, Operations
from ..streams import ARCHIVE, Stream
from .account import confirm, own
from .reveal import Confirmed

operations = Operations("backup")

_PIECE_BYTES = 256 * 1024


class BackupExtent(Shown, frozen=True, kw_only=True):
    """What a backup is made of, in bytes. The file is compressed, to about a third.

    `needed` of `free` bytes are taken on the disk while it is made and sent. Without `has_key` the secret key
    is a setting and has to be kept too. `problem` says why there is none here; the numbers are 0 then.
    """

    database: int
    journals: int
    has_key: bool
    needed: int
    free: int
    problem: str | None


@operations.get("/backup", "root")
async def show_backup(call: Call) -> BackupExtent:
    """Show what a backup would hold, and what making it takes."""
    try:
        found, problem = await asyncio.to_thread(measure, call.desk.config), None
    except (ConfigError, OSError) as exc:
        found, problem = Extent(0, 0, False, 0), str(exc)
    return BackupExtent(
        database=found.database, journals=found.journals, has_key=found.has_key, needed=found.needed,
        free=found.free, problem=problem,
    )  # fmt: skip


@operations.run("/backup", "root", ARCHIVE)
async def make_backup(call: Call, body: Confirmed) -> Stream[bytes]:
    """Make a backup while the gateway runs and send it, to who gives their own password again.

    It is what `canalgate backup` writes: database, secret key, journals. `canalgate restore` makes an
    installation of it again. One at a time.
    """
    await confirm(call, await own(call), body.password, "password")
    now, held = int(time.time()), ExitStack()
    kept, file = await asyncio.to_thread(_made, call.desk.config, now, held)
    call.note("installation", bytes=kept.bytes, has_key=kept.has_key)
    day = time.strftime("%Y%m%d-%H%M%S", time.gmtime(now))
    return Stream(_pieces(file, held), ARCHIVE, f"canalgate-{day}.tar.gz", kept.bytes)


def _made(config: Config, now: int, held: ExitStack) -> tuple[Kept, BinaryIO]:
    try:
        return held.enter_context(for_sending(config, now))
    except (Busy, ConfigError) as exc:
        raise GatewayError(409, str(exc), code="no_backup") from exc
    except OSError as exc:
        raise GatewayError(507, f"no backup: {exc.strerror or exc}", code="no_backup") from exc
    except DatabaseError as exc:
        raise GatewayError(507, f"no backup: {exc}", code="no_backup") from exc


async def _pieces(file: BinaryIO, held: ExitStack) -> AsyncGenerator[bytes, None]:
    try:
        while piece := await asyncio.to_thread(file.read, _PIECE_BYTES):
            yield piece
    finally:
        await asyncio.to_thread(held.close)
