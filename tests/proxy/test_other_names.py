"""Names of other gateways in the environment: what they become, and that the page tells the same."""

import re
from pathlib import Path

import pytest
from canalgate.proxy.cli import main
from canalgate.proxy.config import load
from canalgate.proxy.errors import ConfigError
from canalgate.proxy.other_names import AI_PROXY, NAMES, ONE_API, OWN, Meaning, understood

PAGE = Path(__file__).resolve().parents[2] / "docs" / "moving-environment.md"


def loaded(tmp_path, environ):
    (tmp_path / "config.toml").write_text("")
    return load(tmp_path / "config.toml", environ)


def setting_of(config, path):
    section, _, key = path.partition(".")
    return getattr(getattr(config, section), key)


@pytest.mark.parametrize(
    ("name", "text", "setting", "value"),
    [
        ("PORT", "8080", "server.port", 8080),
        ("LISTEN", ":4000", "server.port", 4000),
        ("LISTEN", ":4000", "server.host", "0.0.0.0"),
        ("LISTEN", "[::1]:4000", "server.host", "::1"),
        ("SQL_DSN", "root:x@tcp(db:3306)/oneapi", "data.database", "root:x@tcp(db:3306)/oneapi"),
        ("DEBUG", "true", "log.level", "debug"),
        ("DEBUG", "1", "log.level", "info"),
        ("DEBUG", "app:*", "log.level", "info"),
        ("RELAY_TIMEOUT", "90", "upstream.first_byte_s", 90.0),
        ("RELAY_TIMEOUT", "0", "upstream.first_byte_s", 600.0),
        ("LOG_STORAGE_HOURS", "25", "ledger.keep_days", 2),
        ("LOG_STORAGE_HOURS", "0", "ledger.keep_days", 0),
        ("LOG_STORAGE_HOURS", "-1", "ledger.keep_days", 400),
        ("ADMIN_KEY", "secret", "admin.key", "secret"),
        ("CANALGATE_ADMIN_KEY", "secret", "admin.key", "secret"),
        ("INITIAL_ROOT_TOKEN", "sk-mine-own", "admin.root_token", "sk-mine-own"),
        ("INITIAL_ROOT_ACCESS_TOKEN", "a" * 32, "admin.root_access_token", "a" * 32),
    ],
)
def test_a_name_that_has_a_setting_becomes_it(tmp_path, name, text, setting, value):
    assert setting_of(loaded(tmp_path, {name: text}), setting) == value


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"PORT": "http"}, "PORT='http': expected a whole number"),
        ({"PORT": "70000"}, "server.port = 70000"),
        ({"LISTEN": "4000"}, "LISTEN='4000': expected HOST:PORT"),
        ({"LISTEN": "localhost:"}, ""),
        ({"RELAY_TIMEOUT": "-1"}, "upstream.first_byte_s"),
        ({"RELAY_TIMEOUT": "soon"}, "RELAY_TIMEOUT='soon': expected a number"),
        ({"LOG_STORAGE_HOURS": "a week"}, "LOG_STORAGE_HOURS='a week': expected a whole number of hours"),
        ({"INITIAL_ROOT_TOKEN": "two words"}, "admin.root_token: expected"),
        ({"INITIAL_ROOT_TOKEN": "short"}, "admin.root_token: expected"),
        ({"INITIAL_ROOT_ACCESS_TOKEN": "x" * 192}, "admin.root_access_token: expected"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused_by_its_name(tmp_path, environ, said):
    if not said:
        assert loaded(tmp_path, environ).server.port == 3000  # no port is named, so ours stays
        return
    with pytest.raises(ConfigError, match=re.escape(said)) as caught:
        loaded(tmp_path, environ)
    assert "two words" not in str(caught.value)


def test_a_name_of_ours_goes_before_all_others(tmp_path):
    environ = {
        "PORT": "1",
        "LISTEN": ":2",
        "CANALGATE_SERVER__PORT": "3",
        "ADMIN_KEY": "a",
        "CANALGATE_ADMIN_KEY": "b",
    }
    config = loaded(tmp_path, environ)
    assert (config.server.port, config.admin.key) == (3, "b")


@pytest.mark.parametrize("name", [name for name, meaning in NAMES.items() if not meaning.settings])
def test_a_name_without_a_setting_changes_nothing(tmp_path, name):
    assert loaded(tmp_path, {name: "nonsense"}) == loaded(tmp_path, {})


@pytest.mark.parametrize("name", ["one", "two"])
def test_a_name_that_is_empty_is_not_set(name):
    assert list(understood({"PORT": "", name: "1"})) == []


def rows_of(title):
    part = PAGE.read_text("utf-8").partition(f"## Names of {title}\n")[2].partition("\n## ")[0]
    return re.findall(r"(?m)^\| `(\w+)` \| (\w+) \| (.*) \| (.*) \|$", part)


@pytest.mark.parametrize(("title", "table"), [("One API", ONE_API), ("AI Proxy", AI_PROXY)])
def test_the_page_has_every_name_as_the_program_reads_it(title, table):
    def shown(meaning: Meaning):
        return meaning.kind, ", ".join(f"`{setting}`" for setting in meaning.settings), meaning.what

    assert rows_of(title) == [(name, *shown(meaning)) for name, meaning in table.items()]


def test_no_name_stands_in_two_tables():
    assert len(NAMES) == len(ONE_API) + len(AI_PROXY) + len(OWN)


def test_check_tells_of_every_name_that_is_set_and_of_no_value(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name, text in (
        ("CANALGATE_DATA__DIR", str(tmp_path)), ("REDIS_CONN_STRING", "redis://hidden"), ("PORT", "3999"),
        ("RELAY_PROXY", "http://hidden:1"), ("INITIAL_ROOT_TOKEN", "hidden-token"), ("ADMIN_KEY", "hidden"),
    ):  # fmt: skip
        monkeypatch.setenv(name, text)
    assert main(["check"]) == 0
    said = capsys.readouterr().out
    assert "hidden" not in said
    lines = {
        line.split()[2].rstrip(":"): line.split()[1]
        for line in said.splitlines()
        if line.startswith("environment ")
    }
    assert lines == {
        "PORT": "used", "REDIS_CONN_STRING": "needless", "RELAY_PROXY": "elsewhere", "ADMIN_KEY": "used",
        "INITIAL_ROOT_TOKEN": "used",
    }  # fmt: skip
