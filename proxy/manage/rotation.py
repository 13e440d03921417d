"""Rotate the secret key: add one, seal everything with it, and, if asked, forget those before it.

Each step leaves an installation that works, and doing it again goes on where it was cut short: what is
sealed with an older key says so. Gateways that run meet a value of the new key and read the key file again;
hashes of tokens stay those of the first key. See keyring.py.
"""

from __future__ import annotations

from pathlib import Path

from ..errors import ConfigError
from ..keys import keyfile
from ..keys.keyring import Keyring, parse
from ..keys.vault import Vault
from ..store import Store


def is_on_one_machine(database: str) -> bool:
    """Whether no gateway elsewhere can be on this database: it is a file here."""
    return not database


async def add_key(store: Store, vault: Vault, path: Path, *, alone: bool) -> bool:
    """Let the newest key of the key file seal, after making one if it has been in use.

    False: the new key must first be brought to other machines (`alone` is False), and is only a coming one.
    Raises ConfigError.
    """
    keys = keyfile.read(path)
    is_new = not keys.last_is_next and not await _is_cut_short(store, vault, keys)
    if is_new:
        keys = keys.with_new(is_next=not alone)
    if is_new and not alone:
        keyfile.replace(path, keys)
        return False
    keyfile.replace(path, keys.begun())
    vault.begin(keys)
    return True


async def begin(store: Store, vault: Vault, secret_key: str) -> None:
    """Seal with the newest key of a setting, which nobody but its owner can change. Raises ConfigError."""
    keys = parse(secret_key)
    vault.begin(keys)
    if len(keys.keys) == 1 or not await store.sealed.old():
        raise ConfigError(
            "data.secret_key: everything is sealed with its last key; put a new one behind it, OLD,next:NEW,"
            " on every machine, restart the gateways there, and run this again"
        )


def forget_older(vault: Vault, path: Path) -> None:
    """Take all keys but the newest out of the key file. Nothing may be sealed with them any more."""
    keys = keyfile.read(path).newest_only()
    keyfile.replace(path, keys)
    vault.begin(keys)


async def _is_cut_short(store: Store, vault: Vault, keys: Keyring) -> bool:
    vault.begin(keys)
    return len(keys.keys) > 1 and await store.sealed.old() > 0
