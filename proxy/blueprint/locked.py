"""The secrets of an installation, encrypted with a passphrase so that another one can take them.

Keys of tokens are in no installation, only their hashes; those go along with the key by which they were made,
and the other installation looks tokens up by it too. Password hashes need no key.
"""

from __future__ import annotations

import hashlib
import os
from base64 import b64decode, b64encode

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from .document import Locked

LEAST_PASSPHRASE = 8
_CIPHER = "scrypt-32768-8-3 aes-256-gcm"
_PURPOSE = b"canalgate export"
_NONCE_BYTES = 12


class ChannelSecrets(msgspec.Struct, frozen=True):
    """What of a channel is secret."""

    key: str = ""
    proxy: str = ""
    options: dict[str, str] = {}

    def __repr__(self) -> str:
        return "ChannelSecrets()"


class Secrets(msgspec.Struct, frozen=True):
    """Secrets by the names of what has them. A token is its user, name, end, and hash; hashes are in hex."""

    hash_keys: tuple[str, ...] = ()
    channels: dict[str, ChannelSecrets] = {}
    passwords: dict[str, str] = {}
    tokens: tuple[tuple[str, str, str, str], ...] = ()

    def __repr__(self) -> str:
        return "Secrets()"


NO_SECRETS = Secrets()


def lock(secrets: Secrets, passphrase: str) -> Locked:
    """Encrypt secrets; takes 0.3 s. Raises ValueError for a passphrase that is too short."""
    if len(passphrase) < LEAST_PASSPHRASE:
        raise ValueError(f"the passphrase has at least {LEAST_PASSPHRASE} characters")
    salt, nonce = os.urandom(16), os.urandom(_NONCE_BYTES)
    sealed = nonce + _aes(passphrase, salt).encrypt(nonce, msgspec.json.encode(secrets), _PURPOSE)
    return Locked(cipher=_CIPHER, salt=b64encode(salt).decode(), sealed=b64encode(sealed).decode())


def unlock(locked: Locked, passphrase: str) -> Secrets:
    """Decrypt secrets. Raises ValueError if the passphrase is another one, or the text was changed."""
    if locked.cipher != _CIPHER:
        raise ValueError(f"secrets.cipher: this program knows {_CIPHER!r} only")
    try:
        salt, sealed = b64decode(locked.salt, validate=True), b64decode(locked.sealed, validate=True)
        text = _aes(passphrase, salt).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], _PURPOSE)
        return msgspec.json.decode(text, type=Secrets)
    except (InvalidTag, ValueError) as exc:
        raise ValueError("secrets: the passphrase does not open them, or they were changed") from exc


def _aes(passphrase: str, salt: bytes) -> AESGCM:
    key = hashlib.scrypt(passphrase.encode(), salt=salt, n=2**15, r=8, p=3, maxmem=64 * 1024 * 1024, dklen=32)
    return AESGCM(key)
