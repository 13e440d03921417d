"""`canalgate import`: what it prints, what it leaves alone, and what it says of sources that are none."""

import json
import os
import pty
import sqlite3
import subprocess
import sys

import pytest
import sources
from canalgate.proxy.cli import main

URL = "http://127.0.0.1:9"
SECRETS = ("sk-upstream-1", "aws-secret", "azure-secret", "smtp-secret", sources.key("b"), "c" * 32, "$2a$")


@pytest.fixture(scope="module", autouse=True)
def lane():
    """Commands know no lanes; once is enough."""


@pytest.fixture
def run(tmp_path, capsys, monkeypatch):
    """Run a command on a data directory of its own; returns status, output and errors."""
    monkeypatch.setenv("CANALGATE_DATA__DIR", str(tmp_path / "here"))

    def command(*words):
        try:
            status = main(list(words))
        except SystemExit as exc:
            status = exc.code
        return status, *capsys.readouterr()

    return command


@pytest.fixture
def one_api(tmp_path):
    rows = sources.one_api_rows(URL)
    rows["abilities"] = sources.abilities_of(rows["channels"])
    return sources.fill_file(tmp_path / "one-api.db", sources.ONE_API, rows)


def dump(folder):
    with sqlite3.connect(folder / "canalgate.db") as connection:
        lines = [line for line in connection.iterdump() if "instances" not in line]
    connection.close()
    return lines


def test_a_dry_run_shows_what_becomes_what_and_changes_nothing(run, one_api, tmp_path):
    assert run("user", "list")[0] == 0
    before = dump(tmp_path / "here")
    status, out, err = run("import", "oneapi", one_api, "--dry-run")
    assert (status, err) == (0, "")
    assert "3 aws" in out and "bedrock, 1 models, groups vip, enabled" in out
    assert "channel 4 'replicate'" in out and "Replicate" in out
    assert "nothing was changed" in out
    assert dump(tmp_path / "here") == before


def test_a_run_reports_and_a_second_one_has_nothing_to_do(run, one_api, tmp_path):
    status, out, err = run("import", "oneapi", one_api, "--logs")
    assert (status, err) == (0, "")
    assert "call log: 1 requests came, 3 rows are no requests" in out
    before = dump(tmp_path / "here")
    status, out, _ = run("import", "oneapi", one_api, "--logs", "--json")
    again = json.loads(out)
    assert {item["fate"] for item in again["items"]} == {"there"}
    assert again["logs"] == {"came": 0, "no_requests": 0}
    assert dump(tmp_path / "here") == before


def test_the_source_is_left_as_it_was(run, one_api, tmp_path):
    before = (tmp_path / "one-api.db").read_bytes()
    os.chmod(one_api, 0o444)
    assert run("import", "oneapi", one_api, "--logs")[0] == 0
    assert (tmp_path / "one-api.db").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("one-api")] == ["one-api.db"]


def test_a_source_with_a_write_ahead_log_gets_no_files_beside_it(run, one_api, tmp_path):
    with sqlite3.connect(one_api) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("UPDATE users SET quota = 77 WHERE id = 2")
        connection.commit()
        assert (
            '"becomes": "user, group vip, enabled, $0.000154 left"'
            in run("import", "oneapi", one_api, "--dry-run", "--json")[1]
        )
    connection.close()
    assert run("import", "oneapi", one_api)[0] == 0
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("one-api")] == ["one-api.db"]


@pytest.mark.parametrize("flags", [("--dry-run",), ("--dry-run", "--json"), (), ("--json",), ("--verify",)])
def test_no_secret_of_the_source_is_printed(run, one_api, flags):
    _, out, err = run("import", "oneapi", one_api, *flags)
    assert out
    assert [secret for secret in SECRETS if secret in out + err] == []


def test_verify_says_what_differs_by_its_exit_status(run, one_api, tmp_path):
    assert run("import", "--verify", "oneapi", one_api)[0] == 1
    with sqlite3.connect(one_api) as connection:
        connection.execute("DELETE FROM channels WHERE id IN (4, 5, 8, 9)")
        connection.execute("DELETE FROM abilities WHERE channel_id IN (4, 5, 8, 9)")
    connection.close()
    assert run("import", "oneapi", one_api)[0] == 0
    assert run("import", "--verify", "oneapi", one_api) == (
        0, f"no differences between oneapi {one_api} and what is here\n", ""
    )  # fmt: skip
    with sqlite3.connect(tmp_path / "here" / "canalgate.db") as connection:
        connection.execute("UPDATE channels SET status = 'disabled' WHERE id = 1")
    connection.close()
    status, out, _ = run("import", "--verify", "oneapi", one_api, "--json")
    assert status == 1
    assert {"what": "channels of 'm2' for group 'vip'", "source": "1", "here": "none"} in json.loads(out)


def test_an_imported_root_user_is_the_root_user(run, one_api):
    run("import", "oneapi", one_api)
    rows = json.loads(run("user", "list", "--json")[1])
    assert (rows[0]["id"], rows[0]["name"], rows[0]["role"]) == (1, "root", "root")
    assert run("token", "list")[0] == 0
    assert run("code", "list")[0] == 0


def test_the_place_can_be_given_so_that_no_shell_remembers_it(one_api, tmp_path):
    environment = {**os.environ, "CANALGATE_DATA__DIR": str(tmp_path / "here")}
    command = [sys.executable, "-m", "canalgate", "import", "oneapi", "-", "--dry-run"]
    done = subprocess.run(
        command, input=f"{one_api}\n", env=environment, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_terminal_gets_a_bar_and_loses_it_again(one_api, tmp_path):
    terminal, theirs = pty.openpty()
    environment = {**os.environ, "CANALGATE_DATA__DIR": str(tmp_path / "here")}
    command = [sys.executable, "-m", "canalgate", "import", "oneapi", one_api]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=theirs, timeout=60)
    os.close(theirs)
    shown = os.read(terminal, 65536).decode()
    os.close(terminal)
    assert done.returncode == 0
    assert "reading      [" in shown and "5/5" in shown
    assert shown.endswith(" \r")
    assert "[#" not in done.stdout.decode()


def test_a_version_without_the_newer_columns_moves_too(run, tmp_path):
    schema = {
        "users": "id:id username:text password:text role:int status:int quota:int",
        "tokens": "id:id user_id:int key:char status:int name:text expired_time:int remain_quota:int"
        " unlimited_quota:bool",
        "channels": "id:id type:int key:text status:int name:text base_url:text models:text",
    }
    path = sources.fill_file(tmp_path / "old.db", schema, sources.one_api_rows(URL))
    status, out, _ = run("import", "oneapi", path, "--json")
    assert status == 0
    assert {row["what"]: row["new"] for row in json.loads(out)["counts"]}["channels"] >= 3


def other(tmp_path, name):
    """A source that is not what it claims to be."""
    makers = {
        "text": lambda path: path.write_text("this is no database, " * 100),
        "empty": lambda path: path.write_bytes(b""),
        "folder": lambda path: path.mkdir(),
        "ours": lambda path: sources.fill_file(path, {"users": "id:id name:text"}, {}),
        "new api": lambda path: sources.fill_file(path, sources.NEW_API, {}),
        "ai proxy": lambda path: sources.fill_file(path, sources.AI_PROXY, {}),
    }
    path = tmp_path / name.replace(" ", "-")
    makers[name](path)
    return str(path)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("text", "file is not a database"),
        ("empty", "no database of One API"),
        ("folder", "there is no file"),
        ("ours", "no database of One API"),
        ("new api", "canalgate import newapi"),
        ("ai proxy", "no database of One API"),
    ],
)
def test_a_file_that_is_something_else_is_said_in_one_line(run, tmp_path, name, words):
    status, out, err = run("import", "oneapi", other(tmp_path, name))
    assert (status, out) == (1, "")
    assert err.count("\n") == 1
    assert words in err


@pytest.mark.parametrize(
    ("kind", "place", "words"),
    [
        ("oneapi", "/nowhere/one-api.db", "there is no file"),
        ("oneapi", "", "expected the path of an SQLite file"),
        ("oneapi", "gate:never-shown@tcp(127.0.0.1:1)/oneapi", "mysql"),
        ("oneapi", "postgres://gate:never-shown@127.0.0.1:1/oneapi?sslmode=disable", "127.0.0.1"),
        ("oneapi", "redis://gate:never-shown@127.0.0.1:1/0", "expected the path"),
        ("oneapi", "gate:never-shown@unix(/tmp/mysql.sock)/oneapi", "Unix socket"),
        ("newapi", "mysql://gate:never-shown@127.0.0.1:nothing/x", "expected the path"),
        ("aiproxy", "postgres://127.0.0.1/x", "expected the path"),
        ("litellm", "/nowhere/config.yaml", "No such file"),
    ],
)
def test_a_place_that_is_none_is_said_in_one_line_without_its_password(run, kind, place, words):
    status, out, err = run("import", kind, place)
    assert (status, out) == (1, "")
    assert err.count("\n") == 1
    assert words in err
    assert "never-shown" not in err


@pytest.mark.parametrize("text", ["model_list: 5", "- 1", "a: [", "key: sk-secret\n  broken: : x", "\x00"])
def test_a_config_that_is_none_is_said_in_one_line(run, tmp_path, text):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    status, _, err = run("import", "litellm", str(path))
    assert status == 1
    assert err.count("\n") == 1
    assert "sk-secret" not in err


@pytest.mark.parametrize("words", [("oneapi",), ("dify", "x"), ("oneapi", "x", "--nothing")])
def test_wrong_usage_is_said(run, words):
    assert run("import", *words)[0] == 2
