"""Secrets: what seals, what opens, and what does not."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from canalgate.proxy.errors import ConfigError
from canalgate.proxy.keys.vault import (
    KEY_FILE,
    Vault,
    check_password,
    hash_password,
    new_password,
    new_token_key,
    open_vault,
)

KEY = bytes(range(32))


@pytest.fixture(scope="module")
def stored():
    return hash_password("correct horse")


@pytest.mark.parametrize("text", ["", "sk-provider", "密钥 ключ", "x" * 100_000])
def test_what_is_sealed_opens_again(text):
    assert Vault(KEY).open(Vault(KEY).seal(text, "p"), "p") == text


def test_the_same_text_is_sealed_differently_each_time():
    assert Vault(KEY).seal("same", "p") != Vault(KEY).seal("same", "p")


def test_the_sealed_value_does_not_show_the_text():
    assert b"sk-provider" not in Vault(KEY).seal("sk-provider", "p")


SEALED = Vault(KEY).seal("text", "p")


@pytest.mark.parametrize(
    ("key", "sealed", "purpose"),
    [
        (bytes(32), SEALED, "p"),
        (KEY, SEALED, "other purpose"),
        (KEY, SEALED[:-1] + bytes([SEALED[-1] ^ 1]), "p"),
        (KEY, bytes([SEALED[0] ^ 1]) + SEALED[1:], "p"),
        (KEY, SEALED[:-1], "p"),
        (KEY, SEALED[:5], "p"),
        (KEY, b"", "p"),
    ],
    ids=["other key", "other purpose", "end changed", "start changed", "cut", "cut short", "empty"],
)
def test_nothing_else_opens_and_the_remedy_is_named(key, sealed, purpose):
    with pytest.raises(ConfigError, match=r"restore secret\.key from the same backup"):
        Vault(key).open(sealed, purpose)


def test_the_key_is_made_once_and_only_its_owner_may_read_it(tmp_path):
    first = open_vault(tmp_path).token_hash("k")
    assert open_vault(tmp_path).token_hash("k") == first
    assert (tmp_path / KEY_FILE).stat().st_mode & 0o777 == 0o600


def test_starts_at_the_same_time_agree_on_one_key(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        hashes = set(pool.map(lambda _: open_vault(tmp_path).token_hash("k"), range(32)))
    assert len(hashes) == 1
    assert [path.name for path in tmp_path.iterdir()] == [KEY_FILE]


def test_a_key_from_configuration_needs_no_file(tmp_path):
    open_vault(tmp_path, KEY.hex())
    assert not list(tmp_path.iterdir())


def test_a_key_from_configuration_is_the_key_of_a_file_with_it(tmp_path):
    (tmp_path / KEY_FILE).write_text(KEY.hex() + "\n")
    assert open_vault(tmp_path).token_hash("k") == open_vault(tmp_path, KEY.hex()).token_hash("k")


@pytest.mark.parametrize("text", ["", "short", "ab" * 31, "ab" * 33, "zz" * 32, "é" * 64])
def test_a_damaged_key_file_is_named_and_left_as_it_is(tmp_path, text):
    path = tmp_path / KEY_FILE
    path.write_text(text, "utf-8")
    with pytest.raises(ConfigError, match="expected 64 hexadecimal digits; restore it"):
        open_vault(tmp_path)
    assert path.read_text("utf-8") == text


def test_another_installation_hashes_the_same_token_differently():
    assert Vault(KEY).token_hash("k") != Vault(bytes(32)).token_hash("k")


@pytest.mark.parametrize("key", ["", "a" * 5000, "ключ", "\udcff"])
def test_any_text_can_be_looked_up(key):
    assert len(Vault(KEY).token_hash(key)) == 32


def test_the_right_password_is_accepted(stored):
    assert check_password("correct horse", stored)


@pytest.mark.parametrize("password", ["", "correct hors", "Correct horse", "correct horse "])
def test_another_password_is_not(stored, password):
    assert not check_password(password, stored)


@pytest.mark.parametrize("hashed", ["", "plain", "bcrypt$a$b", "scrypt$$"])
def test_a_user_without_a_usable_hash_cannot_log_in(hashed):
    assert not check_password("", hashed)


def test_the_hash_does_not_hold_the_password(stored):
    assert "correct" not in stored


@pytest.mark.parametrize("make", [new_token_key, new_password])
def test_generated_secrets_are_long_and_never_the_same(make):
    made = {make() for _ in range(100)}
    assert len(made) == 100
    assert min(map(len, made)) >= 20


def test_a_key_file_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "secret.key").mkdir()
    with pytest.raises(ConfigError, match=r"secret\.key: .*must be readable"):
        open_vault(tmp_path)
