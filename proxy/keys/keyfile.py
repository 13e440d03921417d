"""The file `secret.key`: made at the first start, read, and replaced as a whole when keys are rotated."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from ..disk import locked, sync_folder
from ..errors import ConfigError
from . import keyring
from .keyring import Keyring

KEY_FILE = "secret.key"


def read(path: Path) -> Keyring:
    """Return the keys of a file. Raises ConfigError."""
    try:
        return keyring.parse(path.read_text("ascii"))
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: expected {keyring.EXPECTED}; restore it from a backup") from None
    except ValueError as exc:
        raise ConfigError(f"{path}: {exc}; restore it from a backup") from exc
    except OSError as exc:
        raise _unreadable(path, exc) from exc


def read_or_make(path: Path) -> Keyring:
    """The same; a file that is not there is made. Two processes that start at once agree on one."""
    try:
        if not path.exists():
            _make(path)
    except OSError as exc:
        raise _unreadable(path, exc) from exc
    return read(path)


def replace(path: Path, keys: Keyring) -> None:
    """Put other keys into the file, whole or not at all, for the same owner. Raises ConfigError."""
    try:
        there = path.stat()
        with _written(path, keys.written()) as whole:
            if hasattr(os, "chown") and (there.st_uid, there.st_gid) != (os.geteuid(), os.getegid()):
                os.chown(whole, there.st_uid, there.st_gid)  # the gateway must be able to read it
            whole.replace(path)
        sync_folder(path.parent)
    except OSError as exc:
        raise ConfigError(f"{path}: {exc.strerror}; nothing was changed") from exc


@contextlib.contextmanager
def alone(path: Path) -> Iterator[None]:
    """Keep other rotations out while this one runs. Raises ConfigError if there is one."""
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(locked(path.with_name(f".{path.name}.lock")))
        except OSError as exc:
            raise ConfigError(f"{path}: its keys are being rotated by another command") from exc
        yield


def _make(path: Path) -> None:
    with _written(path, secrets.token_hex(32) + "\n") as whole:
        try:
            os.link(whole, path)
        except FileExistsError:
            pass
        except (PermissionError, NotImplementedError):  # a file system without links
            whole.rename(path)


@contextlib.contextmanager
def _written(path: Path, text: str) -> Iterator[Path]:
    """Write a file beside another; it is gone in the end, unless it was moved."""
    whole = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    handle = os.open(whole, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        yield whole
    finally:
        whole.unlink(missing_ok=True)


def _unreadable(path: Path, exc: OSError) -> ConfigError:
    return ConfigError(f"{path}: {exc.strerror}; it must be readable by the user who runs canalgate")
