"""The secrets of an installation: what is sealed with its keys, and hashes of tokens and passwords.

A 32-byte key, made at the first start beside the database (or given by configuration), seals channel keys
(AES-256-GCM) and keys the hash by which tokens are found. A stolen database alone holds no secret. After a
rotation there are several keys: each sealed value begins with the id of its own, and one that has none was
sealed with the oldest.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import string
from base64 import b64decode, b64encode
from collections.abc import Callable
from functools import partial
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ..errors import ConfigError
from . import keyfile, keyring
from .keyfile import KEY_FILE as KEY_FILE
from .keyring import Keyring

TOKEN_PREFIX = "sk-"
_ALPHABET = string.ascii_letters + string.digits
_NONCE_BYTES = 12
_WITH_ID = b"\x01"
_ID_BYTES = 9
"""A sealed value begins with `_WITH_ID` and eight bytes that tell its key, else with its nonce."""

_SETUP = "setup"
_BCRYPT = ("$2a$", "$2b$", "$2y$")
_BCRYPT_BYTES = 72
_SCRYPT_N, _SCRYPT_R, _SCRYPT_P = 2**15, 8, 3
_SCRYPT_MEMORY = 64 * 1024 * 1024


class Vault:
    """Seals and hashes with one installation's keys. `read` reads them again where they may have changed."""

    def __init__(self, keys: bytes | Keyring, read: Callable[[], Keyring] | None = None) -> None:
        self._read = read
        self._current = b""
        self._take(keyring.Keyring(keyring.hash_key_of(keys), (keys,)) if isinstance(keys, bytes) else keys)

    def _take(self, keys: Keyring) -> None:
        self.hash_key = keys.hash_key
        self._ciphers = {_id(key): _cipher(key) for key in keys.keys}
        ids = list(self._ciphers)
        self._oldest = ids[0]
        self._coming = ids[-1] if keys.last_is_next else None
        if self._current != self._coming or self._coming is None:
            self._current = ids[-2] if keys.last_is_next else ids[-1]

    def token_hash(self, key: str) -> bytes:
        """Keyed hash of a client's key without its `sk-`; the same key gives the same hash."""
        return token_hash(key, self.hash_key)

    def key_hash(self, key: str) -> str:
        """Keyed hash of a channel's key, by which it can be told again without being kept."""
        return self.token_hash(f"channel key\0{key}").hex()

    def setup_hash(self, secret: str) -> str:
        """What stands in a password's place until it is set with this secret; it is nobody's password."""
        return f"{_SETUP}${self.token_hash(secret).hex()}"

    def seal(self, text: str, purpose: str) -> bytes:
        """Encrypt. `purpose` must be given again to open, so that sealed values cannot be swapped."""
        nonce = os.urandom(_NONCE_BYTES)
        cipher = self._ciphers[self._current]
        return self._current + nonce + cipher.encrypt(nonce, text.encode(), purpose.encode())

    def open(self, sealed: bytes, purpose: str) -> str:
        """Decrypt. Raises ConfigError if the value was sealed with another key, or tampered with.

        The first value of a key that is not known has the keys read again: they may be being rotated.
        """
        try:
            return self._opened(sealed, purpose)
        except (InvalidTag, ValueError) as exc:  # ValueError: cut short
            problem = exc
        if self._read is not None and sealed[:_ID_BYTES] not in self._ciphers:
            self._take(self._read())
            try:
                return self._opened(sealed, purpose)
            except (InvalidTag, ValueError) as exc:
                problem = exc
        raise ConfigError(
            f"the secret key does not open the {purpose} in the database;"
            f" restore {KEY_FILE} from the same backup"
        ) from problem

    def _opened(self, sealed: bytes, purpose: str) -> str:
        cipher = self._ciphers.get(sealed[:_ID_BYTES])
        if cipher is None:
            return _decrypted(self._ciphers[self._oldest], sealed, purpose)
        if sealed[:_ID_BYTES] == self._coming:
            self._current = self._coming  # a rotation has begun
        return _decrypted(cipher, sealed[_ID_BYTES:], purpose)

    # Rotation.

    def begin(self, keys: Keyring) -> None:
        """Seal with the newest of these keys from now on."""
        self._take(keys.begun())

    def is_current(self, sealed: bytes) -> bool:
        """Whether a value is sealed with the key that seals now."""
        return sealed[:_ID_BYTES] == self._current


def open_vault(data_dir: Path, secret_key: str = "") -> Vault:
    """Return the installation's vault; its key is made at the first call. `secret_key`: see keyring.py."""
    if secret_key:
        return Vault(keyring.parse(secret_key))
    path = data_dir / KEY_FILE
    return Vault(keyfile.read_or_make(path), partial(keyfile.read, path))


def token_hash(key: str, hash_key: bytes) -> bytes:
    """Return the keyed hash of a client's key, as an installation has it that hashes with `hash_key`."""
    return hashlib.blake2b(key.encode("utf-8", "replace"), key=hash_key, digest_size=32).digest()


def _cipher(key: bytes) -> AESGCM:
    return AESGCM(hashlib.blake2b(key, person=b"seal", digest_size=32).digest())


def _id(key: bytes) -> bytes:
    return _WITH_ID + hashlib.blake2b(key, person=b"key-id", digest_size=_ID_BYTES - 1).digest()


def _decrypted(cipher: AESGCM, sealed: bytes, purpose: str) -> str:
    return cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], purpose.encode()).decode()


def new_token_key() -> str:
    """Return a new client key: 48 random letters and digits, without the `sk-`."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(48))


def new_password() -> str:
    """Return a password a person can read from a terminal."""
    return "-".join(
        "".join(secrets.choice("abcdefghjkmnpqrstuvwxyz23456789") for _ in range(5)) for _ in range(4)
    )


def hash_password(password: str) -> str:
    """Return a salted scrypt hash. Takes about 0.3 s of CPU: call it off the event loop."""
    salt = os.urandom(16)
    digest = _scrypt(password, salt)
    return f"scrypt${b64encode(salt).decode()}${b64encode(digest).decode()}"


def check_password(password: str, stored: str) -> bool:
    """Say whether this is the password. As slow as hashing it; hashes of One API are understood."""
    if stored.startswith(_BCRYPT):
        return _check_bcrypt(password.encode(), stored.encode())
    scheme, _, rest = stored.partition("$")
    salt, _, digest = rest.partition("$")
    if scheme != "scrypt":
        return False
    return hmac.compare_digest(_scrypt(password, b64decode(salt)), b64decode(digest))


def is_awaiting_setup(stored: str) -> bool:
    """Whether a password is still to be set with the setup secret."""
    return stored.startswith(f"{_SETUP}$")


def is_hash(stored: str) -> bool:
    """Whether this is a hash that some password may have."""
    return stored.startswith(("scrypt$", *_BCRYPT))


def is_outdated(stored: str) -> bool:
    """Whether a password's hash is of a kind that is only checked, and to be replaced when it is used."""
    return stored.startswith(_BCRYPT)


def _check_bcrypt(password: bytes, stored: bytes) -> bool:
    import bcrypt  # only installations that were imported need it

    try:
        return len(password) <= _BCRYPT_BYTES and bcrypt.checkpw(password, stored)
    except ValueError:  # a hash cut short, or a password with a NUL in it
        return False


def _scrypt(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(
        password.encode(), salt=salt, n=_SCRYPT_N, r=_SCRYPT_R, p=_SCRYPT_P, maxmem=_SCRYPT_MEMORY, dklen=32
    )
