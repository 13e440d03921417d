"""Secrets under a passphrase."""

from base64 import b64decode, b64encode

import msgspec
import pytest
from canalgate.proxy.blueprint.locked import ChannelSecrets, Secrets, lock, unlock

SECRETS = Secrets(
    ("aa" * 32,),
    {"main": ChannelSecrets("sk-provider")},
    {"root": "scrypt$a$b"},
    (("anna", "t", "abcd", "ff" * 32),),
)
PASSPHRASE = "correct horse 电池"


@pytest.fixture(scope="module")
def locked():
    return lock(SECRETS, PASSPHRASE)


def flipped(text):
    data = bytearray(b64decode(text))
    data[len(data) // 2] ^= 1
    return b64encode(bytes(data)).decode()


def test_the_passphrase_opens_what_it_closed(locked):
    assert unlock(locked, PASSPHRASE) == SECRETS


def test_nothing_of_it_shows(locked):
    shown = b64decode(locked.sealed) + repr(locked).encode()
    assert not [word for word in (b"sk-provider", b"anna", b"aaaa", b"main") if word in shown]
    assert "sk-provider" not in repr(SECRETS)


CHANGES = [
    ("salt", flipped),
    ("sealed", flipped),
    ("sealed", lambda text: text[:8]),
    ("sealed", lambda text: ""),
    ("sealed", lambda text: "no base64!"),
    ("salt", lambda text: "ключ"),
    ("cipher", lambda text: "rot13"),
]


@pytest.mark.parametrize(("field", "change"), CHANGES)
def test_what_was_changed_does_not_open(locked, field, change):
    changed = msgspec.structs.replace(locked, **{field: change(getattr(locked, field))})
    with pytest.raises(ValueError, match="secrets"):
        unlock(changed, PASSPHRASE)


@pytest.mark.parametrize("passphrase", ["", "correct horse", PASSPHRASE + " "])
def test_another_passphrase_does_not_open(locked, passphrase):
    with pytest.raises(ValueError, match="the passphrase does not open them"):
        unlock(locked, passphrase)


@pytest.mark.parametrize("passphrase", ["", "1234567"])
def test_a_short_passphrase_closes_nothing(passphrase):
    with pytest.raises(ValueError, match="at least 8"):
        lock(SECRETS, passphrase)


def test_the_same_secrets_are_closed_differently_each_time(locked):
    assert lock(SECRETS, PASSPHRASE).sealed != locked.sealed
