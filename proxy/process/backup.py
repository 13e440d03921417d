"""Keep an installation in one file, while gateways run, and make one of such a file again.

The file is a compressed tar archive: the database as it was at one moment, the secret key, and the ledger's
journals with what is not in the database yet. Journals are copied before the database, so that what leaves
them meanwhile is in it. Databases on servers have tools of their own, which do this better.

One that is to be sent is made in the data directory, and is gone once it has been read. It is the only one
there at a time, whichever gateway makes it; what a gateway that died has left of one goes with the next.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tarfile
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from ... import __version__
from ..config import Config
from ..disk import locked, sync_folder
from ..errors import ConfigError
from ..keys.vault import KEY_FILE, open_vault
from ..ledger.journal import is_in_use
from ..ledger.ledger import FOLDER
from ..store.copies import Progress, check_sqlite, copy_sqlite
from ..store.open import DATABASE_FILE

_FORMAT = 1
_MANIFEST = "manifest.json"
_KNOWN = re.compile(
    rf"{re.escape(DATABASE_FILE)}|{re.escape(KEY_FILE)}|{FOLDER}/[0-9a-f-]+/[0-9]+\.log|{re.escape(_MANIFEST)}"
)
_SENT = ".backup"
_LEVEL = 3
"""Of compression: a tenth slower than none, and a third of the size."""
_PART = 1 << 20


@dataclass(frozen=True, slots=True)
class Kept:
    """What a file holds. `at` is unix seconds; `has_key` is false where the key is in the configuration."""

    version: str
    at: int
    has_key: bool
    bytes: int


@dataclass(frozen=True, slots=True)
class Extent:
    """What a backup would be made of, in bytes, and what is free where it is made."""

    database: int
    journals: int
    has_key: bool
    free: int

    @property
    def needed(self) -> int:
        """Free space that making one takes at most: a copy of the database, and the file."""
        return 2 * self.database + self.journals


class Busy(Exception):
    """A backup is being made or sent already, or there is no room for one."""


def measure(config: Config) -> Extent:
    """Say how much there is to keep. Raises ConfigError where the database is on a server; OSError."""
    _refuse_servers(config)
    data = config.data_dir
    files = [data / f"{DATABASE_FILE}{end}" for end in ("", "-wal")]
    return Extent(
        _bytes(files),
        _bytes(_journals(data)),
        (data / KEY_FILE).is_file(),
        shutil.disk_usage(data).free,
    )


@contextmanager
def for_sending(config: Config, now: int) -> Iterator[tuple[Kept, BinaryIO]]:
    """Make a backup to be read, which is gone in the end; waits for the disk.

    Raises Busy, ConfigError, OSError, DatabaseError.
    """
    extent, folder = measure(config), config.data_dir / _SENT
    folder.mkdir(mode=0o700, exist_ok=True)
    with ExitStack() as held:
        try:
            held.enter_context(locked(folder / "lock"))
        except OSError as exc:
            raise Busy("a backup is being made or sent already; wait for it") from exc
        made = folder / "made"
        shutil.rmtree(made, ignore_errors=True)  # of a gateway that died
        if extent.free < extent.needed:
            raise Busy(f"making one takes {extent.needed} bytes of disk, and {extent.free} are free")
        made.mkdir(mode=0o700)
        held.callback(shutil.rmtree, made, ignore_errors=True)
        kept = back_up(config, made / "canalgate.tar.gz", now, lambda *_: None)
        yield kept, held.enter_context((made / "canalgate.tar.gz").open("rb"))


def back_up(config: Config, to: Path, now: int, progress: Progress) -> Kept:
    """Write an installation into a new file that its owner alone can read; waits for the disk.

    Raises ConfigError where there is nothing to keep, or it is on a server; OSError; DatabaseError.
    """
    _refuse_servers(config)
    data = config.data_dir
    if not (data / DATABASE_FILE).is_file():
        raise ConfigError(f"{data}: there is no database; check data.dir")
    if to.exists():
        raise ConfigError(f"{to}: is there already; choose another name")
    with tempfile.TemporaryDirectory(dir=to.absolute().parent, prefix=f".{to.name}.") as folder:
        made, whole = Path(folder), Path(folder) / "whole"
        has_key = (data / KEY_FILE).is_file()
        os.close(os.open(whole, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        with tarfile.open(whole, "w:gz", compresslevel=_LEVEL) as archive:
            _add_text(
                archive, made, {"format": _FORMAT, "version": __version__, "at": now, "has_key": has_key}
            )
            for journal in _journals(data):
                _add_journal(archive, made, journal, f"{FOLDER}/{journal.parent.name}/{journal.name}")
            copy_sqlite(data / DATABASE_FILE, made / DATABASE_FILE, progress)
            archive.add(made / DATABASE_FILE, DATABASE_FILE)
            if has_key:
                archive.add(data / KEY_FILE, KEY_FILE)
        with whole.open("rb") as written:
            os.fsync(written.fileno())
        whole.rename(to)
    sync_folder(to.absolute().parent)
    return Kept(__version__, now, has_key, to.stat().st_size)


def restore(
    config: Config, source: Path, now: int, progress: Progress, *, replace: bool = False
) -> tuple[Kept, Path | None]:
    """Make an installation of a file, where none is, or with `replace` in the place of one.

    Returns what it was, and the folder that what was there before has been moved to, if anything was. Nothing
    changes before the file has proved whole. Raises ConfigError, OSError, DatabaseError.
    """
    _refuse_servers(config)
    data = config.data_dir
    if is_in_use(data / FOLDER):
        raise ConfigError(f"{data}: a gateway is running on it; stop it first")
    if (data / DATABASE_FILE).exists() and not replace:
        raise ConfigError(f"{data}: there is a database already; --replace puts it aside")
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=data, prefix=".restore.") as folder:
        made = Path(folder)
        kept = _unpack(source, made, progress)
        check_sqlite(made / DATABASE_FILE)
        if kept.has_key:
            open_vault(made)
        before = _put_aside(data, now)
        for name in (KEY_FILE, FOLDER, DATABASE_FILE):
            if (made / name).exists():
                (made / name).rename(data / name)
    return kept, before


def _refuse_servers(config: Config) -> None:
    if config.data.database:
        raise ConfigError(
            "data.database is on a server: use its own tools (mysqldump --single-transaction, pg_dump),"
            f" and keep {config.data_dir / KEY_FILE} with what they write"
        )


def _bytes(files: Iterable[Path]) -> int:
    """How many bytes files have; one that goes meanwhile has none."""
    total = 0
    for file in files:
        with suppress(FileNotFoundError):
            total += file.stat().st_size
    return total


def _journals(data: Path) -> Iterator[Path]:
    yield from sorted((data / FOLDER).glob("*/*.log"))


def _add_text(archive: tarfile.TarFile, folder: Path, manifest: dict[str, object]) -> None:
    file = folder / _MANIFEST
    file.write_text(json.dumps(manifest, indent=2), "utf-8")
    archive.add(file, _MANIFEST)


def _add_journal(archive: tarfile.TarFile, folder: Path, journal: Path, name: str) -> None:
    """Add a file that is being written to, and that may go any moment: then the database has its records."""
    still = folder / "journal"
    try:
        shutil.copyfile(journal, still)
    except FileNotFoundError:
        return
    archive.add(still, name)


def _unpack(source: Path, folder: Path, progress: Progress) -> Kept:
    with source.open("rb") as packed, _opened(packed, source) as archive:
        total = os.fstat(packed.fileno()).st_size
        for member in archive:
            if not member.isfile() or not _KNOWN.fullmatch(member.name):
                raise ConfigError(f"{source}: holds {member.name[:200]!r}, so it is no backup of canalgate")
            file = folder / member.name
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            read = archive.extractfile(member)
            assert read is not None
            with closing(read), os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as out:
                while part := read.read(_PART):
                    out.write(part)
                    progress("bytes", packed.tell(), total)
                os.fsync(out.fileno())
    try:
        manifest = json.loads((folder / _MANIFEST).read_text("utf-8"))
        if manifest["format"] != _FORMAT or not (folder / DATABASE_FILE).is_file():
            raise ConfigError(f"{source}: made by a newer canalgate, or not whole")
        return Kept(manifest["version"], manifest["at"], manifest["has_key"], source.stat().st_size)
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise ConfigError(f"{source}: is no backup of canalgate") from exc


@contextmanager
def _opened(packed: BinaryIO, source: Path) -> Iterator[tarfile.TarFile]:
    try:
        with tarfile.open(fileobj=packed, mode="r:gz") as archive:
            yield archive
    except (tarfile.TarError, EOFError) as exc:
        raise ConfigError(f"{source}: is no backup of canalgate, or not whole") from exc


def _put_aside(data: Path, now: int) -> Path | None:
    """Move what is there into a folder beside it; plugins stay where they are."""
    names = (DATABASE_FILE, f"{DATABASE_FILE}-wal", f"{DATABASE_FILE}-shm", KEY_FILE, FOLDER)
    there = [data / name for name in names if (data / name).exists()]
    if not there:
        return None
    before = data / time.strftime("before-restore-%Y%m%d-%H%M%S", time.gmtime(now))
    before.mkdir(mode=0o700)
    for path in there:
        path.rename(before / path.name)
    return before
