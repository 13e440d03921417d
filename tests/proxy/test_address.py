"""Addresses of databases: what is understood, and that nothing secret is repeated."""

import ssl

import pytest
from canalgate.proxy.errors import ConfigError
from canalgate.proxy.store.address import Address, parse

UNDERSTOOD = {
    "mysql://u:p@h/n": Address("mysql", "h", 3306, "u", "p", "n"),
    "mariadb://u:p@h:1/n": Address("mysql", "h", 1, "u", "p", "n"),
    "postgres://u:p@h/n": Address("postgres", "h", 5432, "u", "p", "n"),
    "postgresql://u@h/n": Address("postgres", "h", 5432, "u", "", "n"),
    "postgresql://u:p@[::1]:6000/n?sslmode=disable": Address("postgres", "::1", 6000, "u", "p", "n", "off"),
    "mysql://u%40x:p%2F%3A%25%E4%B8%BB@h/n%20m": Address("mysql", "h", 3306, "u@x", "p/:%主", "n m"),
    "mysql://u:p@h/n?tls=skip-verify": Address("mysql", "h", 3306, "u", "p", "n", "unverified"),
    "postgresql://u:p@h/n?sslmode=verify-full": Address("postgres", "h", 5432, "u", "p", "n", "verified"),
    "u:p@tcp(h:1)/n": Address("mysql", "h", 1, "u", "p", "n"),
    "u:p@tcp(h)/n?charset=utf8mb4&parseTime=True&loc=Local": Address("mysql", "h", 3306, "u", "p", "n"),
    "u:p@:/?#%2F)(@tcp([::1]:1)/n": Address("mysql", "::1", 1, "u", "p@:/?#%2F)(", "n"),
    "u@tcp(h)/n?tls=true": Address("mysql", "h", 3306, "u", "", "n", "verified"),
}


@pytest.mark.parametrize("text", UNDERSTOOD)
def test_an_address_is_understood(text):
    assert parse(text) == UNDERSTOOD[text]


REFUSED = [
    "hunter22", "hunter22@h", "sqlite:///hunter22", "mysql://", "mysql://h/hunter22", "mysql://u:hunter22@h",
    "mysql://u:hunter22@/n", "mysql://u:hunter22@h/n/m", "mysql://u:hunter22@h:many/n",
    "mysql://u:hunter22@h:99999/n", "mysql://u:hunter22/x@h:3306/n", "mysql://u:x#hunter22@h/n",
    "mysql://u:p@h/n?password=hunter22", "mysql://u:p@h/n?sslmode=hunter22", "mysql://u:p@[hunter22/n",
    "u:hunter22@tcp(h:1)", "u:hunter22@unix(/s)/n", "u:hunter22@tcp(h:123456)/n", "u:p@tcp(h)/n?tls=hunter22",
    "oracle://u:hunter22@h/n",
]  # fmt: skip


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_no_address_is_refused_and_not_repeated(text):
    with pytest.raises(ConfigError, match=r"^data\.database: ") as caught:
        parse(text)
    assert "hunter22" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", UNDERSTOOD)
def test_an_address_as_text_has_neither_user_nor_password(text):
    address = parse(text)
    assert str(address).endswith(f":{address.port}/{address.name}")
    assert "@" not in str(address)
    assert not address.password or repr(address.password) not in repr(address)


@pytest.mark.parametrize(
    ("tls", "mode", "checks_name"),
    [("unverified", ssl.CERT_NONE, False), ("verified", ssl.CERT_REQUIRED, True)],
)
def test_encryption_is_verified_where_that_is_asked(tls, mode, checks_name):
    context = Address("mysql", "h", 1, "u", "p", "n", tls).tls_context()
    assert (context.verify_mode, context.check_hostname) == (mode, checks_name)


@pytest.mark.parametrize(("tls", "said"), [("", None), ("off", False)])
def test_without_a_word_on_encryption_drivers_choose(tls, said):
    assert Address("postgres", "h", 1, "u", "p", "n", tls).tls_context() is said
