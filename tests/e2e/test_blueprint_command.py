"""`canalgate export` and `apply`: what they print, what they write, and a gateway that follows."""

import asyncio
import json
import tomllib

import pytest
import support
from canalgate.proxy.cli import main
from canalgate.proxy.keys.vault import hash_password
from canalgate.proxy.records import ENABLED, ROLE_USER, Token, User
from support import json_answer

PASSPHRASE = "correct horse battery"
KEY = "sk-provider-secret-key"


@pytest.fixture(scope="module", autouse=True)
def lane():
    """Commands know no lanes; once is enough."""


@pytest.fixture
def run(tmp_path, capsys, monkeypatch):
    """Run a command on a data directory of its own; returns status, output and errors."""
    monkeypatch.setenv("CANALGATE_PASSPHRASE", PASSPHRASE)
    monkeypatch.delenv("CANALGATE_DATA__SECRET_KEY", raising=False)

    def command(*words, at="here"):
        monkeypatch.setenv("CANALGATE_DATA__DIR", str(tmp_path / at))
        try:
            status = main([str(word) for word in words])
        except SystemExit as exc:
            status = exc.code
        return status, *capsys.readouterr()

    return command


@pytest.fixture
def filled(run):
    """An installation with a channel, a user and a token; returns the token's key."""
    assert run("user", "create", "anna", "--quota", "10usd")[0] == 0
    key = run("token", "create", "cli", "--user", "anna")[1].split()[0]
    add = ("channel", "add", "--name", "main", "--models", "m", "--base-url", "http://h/v1", "--key", KEY)
    assert run(*add, "--proxy", "http://u:proxy-secret@h:1")[0] == 0
    return key


def test_what_is_printed_holds_no_secret_and_is_toml(run, filled):
    status, out, err = run("export")
    table = tomllib.loads(out)
    assert (status, err, table["channels"][0]["name"]) == (0, "", "main")
    assert not [word for word in (KEY, "proxy-secret", filled, "scrypt") if word in out]


@pytest.mark.parametrize("ending", ["toml", "json"])
@pytest.mark.parametrize("secrets", [[], ["--secrets"]])
def test_a_file_is_its_owners_and_holds_no_secret_in_the_clear(run, filled, tmp_path, ending, secrets):
    path = tmp_path / f"gate.{ending}"
    path.write_text("there before")
    status, out, err = run("export", path, *secrets)
    text = path.read_text("utf-8")
    table = (json if ending == "json" else tomllib).loads(text)
    assert (status, err, path.stat().st_mode & 0o777) == (0, "", 0o600)
    assert ("secrets" in table) == bool(secrets)
    assert not [word for word in (KEY, "proxy-secret", filled, PASSPHRASE) if word in text + out]
    assert not [one.name for one in tmp_path.iterdir() if one.name.startswith(".gate")]


def test_applying_ones_own_file_changes_nothing(run, filled, tmp_path):
    for secrets in ([], ["--secrets"]):
        run("export", tmp_path / "gate.toml", *secrets)
        status, out, err = run("apply", tmp_path / "gate.toml", "--prune")
        assert (status, out, err) == (0, "0 added, 0 changed, 0 removed\n", "")


def test_a_dry_run_says_what_would_be_and_changes_nothing(run, filled, tmp_path):
    path = tmp_path / "gate.toml"
    path.write_text("version = 1\n[[channels]]\nname = 'new'\ntype = 'demo'\nmodels = ['x']\n[[tokens]]\n"
                    "user = 'anna'\nname = 'more'")  # fmt: skip
    before = run("export")[1]
    status, out, err = run("apply", path, "--dry-run")
    assert (status, err) == (0, "")
    assert out.startswith("+ channel new\n    type: demo\n    models: x\n")
    assert out.endswith("2 added, 0 changed, 0 removed\nnothing was changed\n")
    assert "not in the file, and left as they are (2; --prune removes them):\n    channel main" in out
    assert "sk-" not in out
    assert run("export")[1] == before


def test_what_is_done_is_told_to_programs_with_keys_that_are_new(run, filled, tmp_path):
    path = tmp_path / "gate.json"
    path.write_text(json.dumps({"version": 1, "users": [{"name": "anna", "group": "vip"}, {"name": "bob"}],
                                "tokens": [{"user": "bob", "name": "t"}]}))  # fmt: skip
    told = json.loads(run("apply", path, "--json")[1])
    assert [(one["action"], one["name"]) for one in told["changes"][:2]] == [
        ("changed", "anna"),
        ("added", "bob"),
    ]
    assert told["changes"][0]["fields"] == [{"name": "group", "before": "default", "after": "vip"}]
    assert told["without_password"] == ["bob"]
    ((name, key),) = told["new_keys"].items()
    assert (name, key[:3]) == (f"bob/t ...{key[-4:]}", "sk-")
    assert told["not_in_the_file"] == [f"token anna/cli ...{filled[-4:]}"]


WRONG = [
    (("export", "gate.yaml"), 2, "expected a name that ends in .toml or .json"),
    (("export", "/nowhere/gate.toml"), 1, "No such file"),
    (("apply",), 2, "FILE"),
    (("apply", "missing.toml"), 1, "missing.toml: No such file"),
    (("apply", "bad.toml"), 1, "bad.toml: channels 'a'.weigth: there is no such field"),
    (("apply", "refused.toml"), 1, "refused.toml: channels 'a'.type: there is no adapter 'nope'"),
    (("apply", "binary.toml"), 1, "binary.toml: "),
    (("apply", "locked.toml"), 1, "locked.toml: secrets: the passphrase does not open them"),
    (("export", "--secrets", "--passphrase-file", "none"), 1, "none: cannot be read"),
    (("export", "--secrets", "--passphrase-file", "short"), 1, "at least 8 characters"),
]


@pytest.mark.parametrize(("words", "status", "problem"), WRONG)
def test_what_goes_wrong_is_said_in_a_line(run, filled, tmp_path, monkeypatch, words, status, problem):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.toml").write_text("version = 1\n[[channels]]\nname = 'a'\nweigth = 1")
    (tmp_path / "refused.toml").write_text("version = 1\n[[channels]]\nname='a'\ntype='nope'\nmodels=['m']")
    (tmp_path / "binary.toml").write_bytes(b"\xff\x00")
    (tmp_path / "short").write_text("short")
    (tmp_path / "other").write_text("another passphrase\n")
    run("export", "locked.toml", "--secrets", "--passphrase-file", "other")
    got, _, err = run(*words)
    assert (got, err.count("\n")) == (status, 1)
    assert problem in err


def test_without_a_terminal_a_passphrase_must_be_given(run, filled, monkeypatch):
    monkeypatch.delenv("CANALGATE_PASSPHRASE")
    status, out, err = run("export", "--secrets")
    assert (status, out) == (1, "")
    assert "CANALGATE_PASSPHRASE" in err


async def test_a_running_gateway_follows_and_old_keys_work_in_a_new_installation(
    tmp_path, provider, run, monkeypatch
):
    provider.says(json_answer({"choices": [1]}))
    file, key = tmp_path / "gate.toml", "k" * 48
    async with support.gateway(tmp_path / "old") as old:
        await old.add_channel(provider, "m", name="main")
        user = await old.parts.store.add_user(
            User(0, "anna", ROLE_USER, "default", ENABLED, 1, hash_password("open sesame"))
        )
        hashed = old.parts.vault.token_hash(key)
        await old.parts.store.add_token(Token(0, user.id, "cli", hashed, key[-4:], ENABLED, 1))
    assert await in_thread(run, "export", file, "--secrets", at="old") == 0
    async with support.gateway(tmp_path / "new") as new:
        assert (await new.chat(key=f"sk-{key}")).status == 401
        assert await in_thread(run, "apply", file, at="new") == 0
        assert (await new.chat(key=f"sk-{key}")).status == 200
        assert provider.asked[-1].header("authorization") == "Bearer sk-upstream-secret"
        assert (await new.parts.store.user("anna")).password_hash.startswith("scrypt$")
        assert await in_thread(run, "secrets", "rotate", "--forget", at="new") == 0
        assert (await new.chat(key=f"sk-{key}")).status == 200
        text = file.read_text("utf-8").replace('name = "cli"', 'name = "cli"\nstatus = "disabled"')
        file.write_text(text, "utf-8")
        assert await in_thread(run, "apply", file, at="new") == 0
        assert (await new.chat(key=f"sk-{key}")).status in (401, 403)


async def in_thread(run, *words, at):
    """Run a command beside the loop of a gateway; returns its status."""

    return (await asyncio.to_thread(run, *words, at=at))[0]
