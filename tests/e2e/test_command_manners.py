"""How commands behave in scripts and on terminals: exit statuses, what goes where, colours, progress."""

import json
import os
import pty
import select
import signal
import subprocess
import time

import pytest
import sources
from canalgate.proxy.cli import main
from processes import COMMAND, ENVIRONMENT, run


@pytest.fixture(scope="module", autouse=True)
def lane():
    """A process of its own reads its own settings; once is enough."""


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder to run commands in, in this process."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(("CANALGATE_", "SQL_DSN"))]:
        monkeypatch.delenv(name)
    return tmp_path


def status(*arguments):
    """The exit status of a command."""
    try:
        return main(arguments)
    except SystemExit as exc:
        return exc.code


OK, FAILED, USAGE = 0, 1, 2
STATUSES = {
    "--version": OK,
    "--help": OK,
    "channel add --help": OK,
    "check": OK,
    "doctor": OK,
    "channel list": OK,
    "channel test all": OK,
    "channel add --name a --key k --models m": OK,
    "user create ann": OK,
    "ledger verify": OK,
    "conformance demo --no-sockets": OK,
    "completion bash": OK,
    "backup kept.tar.gz": FAILED,
    "restore missing.tar.gz": FAILED,
    "channel enable 7": FAILED,
    "channel edit 7 --weight 2": FAILED,
    "channel test 7": FAILED,
    "channel add --name a --type nothing --models m": FAILED,
    "token create t": FAILED,  # no user has been made yet
    "token edit 7 --quota 1usd": FAILED,
    "user topup nobody 1usd": FAILED,
    "code redeem nothing --user nobody": FAILED,
    "log show nothing": FAILED,
    "price show nothing": FAILED,
    "price set m": FAILED,
    "limit set elephant --rpm 1": FAILED,
    "route nothing": FAILED,
    "apply missing.toml": FAILED,
    "export --secrets": FAILED,
    "import oneapi missing.db": FAILED,
    "--config missing.toml channel list": FAILED,
    "--config missing.toml doctor": FAILED,
    "": USAGE,
    "nothing": USAGE,
    "channel": USAGE,
    "channel nothing": USAGE,
    "channel list --nothing": USAGE,
    "channel enable": USAGE,
    "channel enable x": USAGE,
    "channel enable 0": USAGE,
    "channel add --models m": USAGE,
    "user topup a much": USAGE,
    "export file.yaml": USAGE,
    "import elsewhere file": USAGE,
    "conformance nothing": USAGE,
    "log list --limit 0": USAGE,
}


@pytest.mark.parametrize("command", STATUSES)
def test_a_command_ends_with_the_status_that_the_page_names(here, capfd, command):
    assert status(*command.split()) == STATUSES[command]
    said = capfd.readouterr()
    if STATUSES[command] == OK:
        assert said.err == ""
    elif STATUSES[command] == USAGE:
        assert said.out == "" and said.err


@pytest.mark.parametrize("command", [name for name, code in STATUSES.items() if code == FAILED])
def test_what_fails_says_why_in_one_line_that_is_no_part_of_the_result(here, capfd, command):
    status(*command.split())
    said = capfd.readouterr()
    if command not in ("route nothing", "--config missing.toml doctor"):  # whose result that is
        assert (said.out, len(said.err.splitlines()), said.err[:11]) == ("", 1, "canalgate: ")


CHANGES = [
    ("channel add --name a --key k --models m", {"id", "live", "done"}),
    ("channel edit 1 --weight 3", {"id", "live", "done"}),
    ("channel disable 1", {"id", "live", "done"}),
    ("model set m --mode latency", {"model", "live", "done"}),
    ("model unset m", {"model", "live", "done"}),
    ("token create t --user first", {"id", "key", "live", "done"}),
    ("token edit 1 --quota 1usd", {"id", "live", "done"}),
    ("token revoke 1", {"id", "live", "done"}),
    ("user create ann", {"id", "name", "password", "live", "done"}),
    ("user edit ann --group vip", {"id", "name", "live", "done"}),
    ("user topup ann 2usd", {"id", "name", "amount", "remaining", "used", "done"}),
    ("user password ann", {"id", "name", "password", "live", "done"}),
    ("group set vip --ratio 0.5", {"group", "ratio", "live", "done"}),
    ("price set m --prompt 1", {"model", "live", "done"}),
    ("price unset m", {"model", "live", "done"}),
    ("limit set user:1 --rpm 3", {"subject", "live", "done"}),
    ("limit unset user:1", {"subject", "live", "done"}),
    ("code create --quota 1usd --count 2", {"codes"}),
    ("code disable 1", {"id", "done"}),
    ("secrets rotate", {"sealed", "live", "done"}),
    ("export all.json", {"file", "has_secrets", "done"}),
    ("apply all.json", {"dry_run", "changes", "not_in_the_file", "new_keys", "without_password"}),
    ("backup kept.tar.gz", {"file", "bytes", "has_key", "done"}),
    ("restore --replace kept.tar.gz", {"at", "version", "has_key", "put_aside", "done"}),
    ("channel remove 1", {"id", "live", "done"}),
]


def test_what_changes_something_says_so_to_programs_and_nothing_else(here, capfd):
    assert status("user", "create", "first") == OK
    capfd.readouterr()
    for command, fields in CHANGES:
        assert status(*command.split(), "--json") == OK, command
        said = capfd.readouterr()
        assert (set(json.loads(said.out)), said.err) == (fields, ""), command


def test_an_export_is_json_where_that_is_asked_for(here, capfd):
    assert status("channel", "add", "--name", "a", "--key", "k", "--models", "m") == OK
    capfd.readouterr()
    assert status("export", "--json") == OK
    assert [one["name"] for one in json.loads(capfd.readouterr().out)["channels"]] == ["a"]


# Terminals


def on_terminal(folder, *arguments, stdout=False, **environment):
    """Run a command whose errors (or also output) go to a terminal; returns status, output, the screen."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, *arguments], cwd=folder, env=ENVIRONMENT | {"TERM": "xterm"} | environment,
        stdin=subprocess.DEVNULL, stdout=theirs if stdout else subprocess.PIPE, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    screen = read_terminal(ours)
    os.close(ours)
    out = b"" if stdout else process.stdout.read()
    if not stdout:
        process.stdout.close()
    return process.wait(20), out.decode(), screen


def read_terminal(ours, until=None):
    """What appears on a terminal until its programs are gone, or until some words are there."""
    screen, end = b"", time.monotonic() + 20
    while time.monotonic() < end and (until is None or until not in screen):
        try:
            if select.select([ours], [], [], 0.1)[0]:
                screen += os.read(ours, 65536) or b""
        except OSError:  # how Linux says that nobody has it open any more
            break
    return screen.decode()


@pytest.fixture(scope="module")
def settled(tmp_path_factory):
    """A folder with an installation, a backup of it, and a One API to move in from."""
    folder = tmp_path_factory.mktemp("settled")
    assert run(folder, "channel", "add", "--name", "gone", "--base-url", "http://127.0.0.1:9/v1",
               "--key", "k", "--models", "m").returncode == 0  # fmt: skip
    assert run(folder, "backup", "kept.tar.gz").returncode == 0
    rows = sources.one_api_rows("http://127.0.0.1:9")
    sources.fill_file(folder / "one-api.db", sources.ONE_API, rows)
    return folder


LONG = {
    "backup again.tar.gz": ("database", OK),
    "restore --replace kept.tar.gz": ("bytes", OK),
    "channel test all": ("tested", FAILED),
    "conformance demo": ("demo", OK),
    "export all.toml": ("exported", OK),
    "import oneapi one-api.db --dry-run": ("reading", OK),
}


@pytest.mark.parametrize("command", LONG)
def test_a_long_command_shows_how_far_it_is_and_takes_that_away(settled, command):
    what, expected = LONG[command]
    code, out, screen = on_terminal(settled, *command.split(), "--json")
    assert code == expected
    assert f"\r{what} " in screen and "##" in screen and screen.endswith(" \r")
    json.loads(out)


@pytest.mark.parametrize("command", LONG)
def test_elsewhere_it_shows_nothing_of_that(settled, command):
    for old in ("again.tar.gz", "all.toml"):
        (settled / old).unlink(missing_ok=True)
    assert run(settled, *command.split()).stderr == ""


GREEN, RED, PLAIN = "\x1b[32mok", "\x1b[31mFAILED", {"NO_COLOR": "1"}


def test_colours_are_for_terminals_only(settled):
    _, _, screen = on_terminal(settled, "doctor", stdout=True)
    assert GREEN in screen
    assert "\x1b" not in run(settled, "doctor").stdout
    _, out, _ = on_terminal(settled, "doctor")
    assert "\x1b" not in out


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}], ids=["NO_COLOR", "dumb"])
def test_who_wants_no_colours_gets_none(settled, environment):
    _, _, screen = on_terminal(settled, "channel", "test", "all", stdout=True, **environment)
    assert "FAILED" in screen and "\x1b" not in screen


def test_a_table_on_a_terminal_stays_one(settled):
    _, _, screen = on_terminal(settled, "channel", "test", "all", stdout=True)
    assert RED in screen
    head, row = [
        line for line in screen.replace("\x1b[31m", "").replace("\x1b[0m", "").splitlines() if "  " in line
    ][-2:]
    assert row.index("FAILED") == head.index("result")


def test_ctrl_c_ends_a_question_at_once_with_130(settled):
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, "channel", "add", "--name", "a", "--models", "m", "--key", "-"], cwd=settled,
        env=ENVIRONMENT, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    assert "key: " in read_terminal(ours, b"key: ")
    process.send_signal(signal.SIGINT)
    read_terminal(ours)
    os.close(ours)
    assert process.wait(20) == 130


# What is written to nobody


def test_a_reader_that_has_had_enough_is_no_error_worth_a_word(settled):
    ours, theirs = os.pipe()
    os.close(ours)
    done = subprocess.run(
        [*COMMAND, "channel", "list"], cwd=settled, env=ENVIRONMENT, stdout=theirs, stderr=subprocess.PIPE
    )
    os.close(theirs)
    assert (done.returncode, done.stderr) == (FAILED, b"")


def test_a_disk_that_is_full_is_said_in_a_line(settled):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*COMMAND, "channel", "list"], cwd=settled, env=ENVIRONMENT, stdout=full, stderr=subprocess.PIPE
        )
    assert done.returncode == FAILED
    assert done.stderr.decode() == "canalgate: standard output: No space left on device\n"


def test_without_uvloop_the_gateway_serves_and_says_so_in_a_line(settled):
    code = "import sys; sys.modules['uvloop'] = None; from canalgate.proxy.cli import main; sys.exit(main())"
    process = subprocess.Popen(
        [COMMAND[0], "-c", code, "serve", "--port", "0"], cwd=settled, env=ENVIRONMENT,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert "listens on" in process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=20)
    assert process.returncode == OK
    assert said.count("uvloop is not installed") == 1
