"""The secrets of an installation: its key, what is sealed with it, and hashes of tokens and passwords.

One 32-byte key, made at the first start beside the database (or given by configuration), seals channel
keys (AES-256-GCM) and keys the hash by which tokens are found. A stolen database alone holds no secret.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import string
from base64 import b64decode, b64encode
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from .errors import ConfigError

KEY_FILE = "secret.key"
TOKEN_PREFIX = "sk-"
_ALPHABET = string.ascii_letters + string.digits
_NONCE_BYTES = 12
_SETUP = "setup"
_BCRYPT = ("$2a$", "$2b$", "$2y$")
_BCRYPT_BYTES = 72
_SCRYPT_N, _SCRYPT_R, _SCRYPT_P = 2**15, 8, 3
_SCRYPT_MEMORY = 64 * 1024 * 1024


class Vault:
    """Seals and hashes with one installation's key."""

    def __init__(self, key: bytes) -> None:
        self._hash_key = hashlib.blake2b(key, person=b"token-hash", digest_size=32).digest()
        self._cipher = AESGCM(hashlib.blake2b(key, person=b"seal", digest_size=32).digest())

    def token_hash(self, key: str) -> bytes:
        """Keyed hash of a client's key without its `sk-`; the same key gives the same hash."""
        return hashlib.blake2b(key.encode("utf-8", "replace"), key=self._hash_key, digest_size=32).digest()

    def key_hash(self, key: str) -> str:
        """Keyed hash of a channel's key, by which it can be told again without being kept."""
        return self.token_hash(f"channel key\0{key}").hex()

    def setup_hash(self, secret: str) -> str:
        """What stands in a password's place until it is set with this secret; it is nobody's password."""
        return f"{_SETUP}${self.token_hash(secret).hex()}"

    def seal(self, text: str, purpose: str) -> bytes:
        """Encrypt. `purpose` must be given again to open, so that sealed values cannot be swapped."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, text.encode(), purpose.encode())

    def open(self, sealed: bytes, purpose: str) -> str:
        """Decrypt. Raises ConfigError if the value was sealed with another key, or tampered with."""
        try:
            plain = self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], purpose.encode())
        except (InvalidTag, ValueError) as exc:  # ValueError: cut short
            raise ConfigError(
                f"the secret key does not open the {purpose} in the database;"
                f" restore {KEY_FILE} from the same backup"
            ) from exc
        return plain.decode()


def open_vault(data_dir: Path, secret_key: str = "") -> Vault:
    """Return the installation's vault; its key is made at the first call. `secret_key` is 64 hex digits."""
    if secret_key:
        return Vault(bytes.fromhex(secret_key))
    path = data_dir / KEY_FILE
    try:
        if not path.exists():
            _make_key(path)
        return Vault(_read_key(path))
    except OSError as exc:
        raise ConfigError(
            f"{path}: {exc.strerror}; it must be readable by the user who runs canalgate"
        ) from exc


def _make_key(path: Path) -> None:
    """Make a key file, whole or not at all; of two processes that start at once both keep the first's."""
    whole = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    handle = os.open(whole, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(secrets.token_hex(32) + "\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(whole, path)
    except FileExistsError:
        pass
    except (PermissionError, NotImplementedError):  # a file system without links
        whole.rename(path)
    whole.unlink(missing_ok=True)


def _read_key(path: Path) -> bytes:
    try:
        key = bytes.fromhex(path.read_text("ascii").strip())
    except ValueError as exc:
        raise ConfigError(f"{path}: expected 64 hexadecimal digits; restore it from a backup") from exc
    if len(key) != 32:
        raise ConfigError(f"{path}: expected 64 hexadecimal digits; restore it from a backup")
    return key


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
