"""The keys of an installation as they are written: words of hexadecimal digits, the oldest first. Pure.

`A` is one key, which seals and from which the key of hashes is made. `A B` opens what either has sealed and
seals with `B`; hashes stay those of `A`, so that tokens go on working. In `A next:B` the last seals only once
something sealed with it was met, for installations on several machines, which cannot all learn of it at once.
`hash:H B` has no need of `A` any more.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass, field, replace

_WORD = re.compile(r"(?:(hash|next):)?([0-9a-fA-F]{64})")
EXPECTED = "64 hexadecimal digits"


@dataclass(frozen=True, slots=True)
class Keyring:
    """Keys that seal, the oldest first, the key of hashes, and whether the last key is only a coming one."""

    hash_key: bytes = field(repr=False)
    keys: tuple[bytes, ...] = field(repr=False)
    last_is_next: bool = False
    states_hash_key: bool = False

    def with_new(self, *, is_next: bool) -> Keyring:
        """Return the keys with another, which seals from now on or is only a coming one."""
        return replace(self, keys=(*self.keys, secrets.token_bytes(32)), last_is_next=is_next)

    def begun(self) -> Keyring:
        """Return the keys with the last one sealing."""
        return replace(self, last_is_next=False)

    def newest_only(self) -> Keyring:
        """Return the keys without those that have had their time; hashes stay as they are."""
        return Keyring(self.hash_key, self.keys[-1:], states_hash_key=True)

    def written(self) -> str:
        """Return the text of which `parse` makes this again, a word a line."""
        words = [f"hash:{self.hash_key.hex()}"] if self.states_hash_key else []
        words += [key.hex() for key in self.keys]
        if self.last_is_next:
            words[-1] = f"next:{words[-1]}"
        return "\n".join(words) + "\n"


def parse(text: str) -> Keyring:
    """Read keys, separated by blanks, commas or lines. Raises ValueError saying what is expected."""
    words = [_WORD.fullmatch(word) for word in text.replace(",", " ").split()]
    found = [(word[1] or "", bytes.fromhex(word[2])) for word in words if word]
    stated = [key for kind, key in found if kind == "hash"]
    keys = [key for kind, key in found if kind != "hash"]
    places = [place for place, (kind, _) in enumerate(found) if kind == "next"]
    plain = len(keys) - len(places)
    if None in words or not plain or len(stated) > 1 or places not in ([], [len(found) - 1]):
        raise ValueError(f"expected {EXPECTED}")
    if len(set(keys)) < len(keys):
        raise ValueError("a key is there twice")
    return Keyring(stated[0] if stated else hash_key_of(keys[0]), tuple(keys), bool(places), bool(stated))


def hash_key_of(key: bytes) -> bytes:
    """Return the key of hashes that belongs to an installation's first key."""
    return hashlib.blake2b(key, person=b"token-hash", digest_size=32).digest()
