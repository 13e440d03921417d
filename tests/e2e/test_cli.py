"""The command as people run it: a process, its output, its exit status, and a gateway that follows."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from processes import CHAT, Serving, run, start


@pytest.fixture(scope="module", autouse=True)
def lane():
    """A process of its own reads its own settings; once is enough."""


@dataclass
class Installation:
    """A data directory that has been started twice: `first` has stopped, `server` runs."""

    folder: Path
    first: Serving
    first_stop: tuple
    curl: str
    server: Serving
    secret: str
    key: str

    def run(self, *arguments, **more):
        return run(self.folder, *arguments, **more)

    def live(self, *arguments, **more):
        """Run a command that must succeed and be live; returns its output."""
        done = self.run(*arguments, **more)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.rstrip().endswith("; live")
        return done.stdout


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("installation")
    first = server = None
    try:
        first = start(folder, "first")
        curl = run_curl(first.out.read_text())
        stopped = first.stop()
        server = start(folder, "second", CANALGATE_LOG__FORMAT="json")
        secret, key = first.shown("setup secret"), first.shown("client token")
        yield Installation(folder, first, stopped, curl, server, secret, key)
    finally:
        for serving in filter(None, (first, server)):
            serving.process.kill()
            serving.process.wait()


def run_curl(banner):
    """Run the curl command of a banner as it stands there; None if there is no curl."""
    if not shutil.which("curl"):
        return None
    command = re.search(r"(?m)^ *curl (?:.*\\\n)*.*", banner)[0]
    done = subprocess.run(["bash", "-c", f"{command} -sS"], capture_output=True, text=True, timeout=20)
    return done.stdout + done.stderr


def test_the_first_start_shows_a_setup_secret_and_a_token(place):
    assert re.fullmatch(r"[a-z2-9]{5}(-[a-z2-9]{5}){3}", place.secret)
    assert re.fullmatch(r"sk-\w{48}", place.key)


def test_the_curl_line_streams_as_it_is_printed(place):
    if place.curl is None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)("curl is not installed")
    events = [line for line in place.curl.splitlines() if line]
    assert len(events) > 5
    assert all(line.startswith("data: ") for line in events)
    assert events[-1] == "data: [DONE]"


def test_an_idle_gateway_stops_at_once(place):
    status, seconds = place.first_stop
    assert status == 0
    assert seconds < 2.0


def test_a_second_start_shows_no_secret(place):
    said = place.server.out.read_text()
    assert "listens on" in said
    assert not [text for text in (place.secret, place.key, "password") if text in said]


def test_the_token_of_the_first_start_works_after_the_second(place):
    assert place.server.ask("/v1/models", key=place.key)[0] == 200


def test_the_setup_secret_sets_the_password_of_the_root_user_once(place):
    body = {"secret": place.secret, "password": "battery staple"}
    login = {"name": "root", "password": "battery staple"}
    asked = [place.server.ask(f"/api/v1/{path}", given)[0] for path, given in (
        ("login", login), ("setup", body), ("login", login), ("setup", body),
    )]  # fmt: skip
    assert asked == [401, 204, 200, 409]


@pytest.mark.parametrize("path", ["/health/live", "/health/ready"])
def test_health_needs_no_key(place, path):
    assert place.server.ask(path)[0] == 200


def test_a_channel_is_live_from_add_to_remove(place):
    server, key = place.server, place.key
    added = place.live("channel", "add", "--name", "a", "--type", "demo", "--models", "x")
    assert "channel 1 added" in added
    assert (server.chat(key, "x"), server.chat(key, "demo")) == (200, 404)
    place.live("channel", "edit", "1", "--models", "y", "--weight", "5")
    assert (server.chat(key, "y"), server.chat(key, "x")) == (200, 404)
    place.live("channel", "disable", "1")
    assert server.chat(key, "y") == 404
    assert "ok" in place.run("channel", "test", "1").stdout
    place.live("channel", "enable", "1")
    assert server.chat(key, "y") == 200
    (row,) = json.loads(place.run("channel", "list", "--json").stdout)
    assert (row["id"], row["models"], row["weight"], row["status"]) == (1, ["y"], 5, "enabled")
    place.live("channel", "remove", "1")
    assert server.chat(key, "y") == 404
    assert server.chat(key, "demo") == 200


def test_a_channel_that_cannot_be_reached_fails_its_test_and_shows_no_key(place):
    secret = "sk-channel-secret-77"
    url = "http://127.0.0.1:9/v1"
    added = place.live(
        *f"channel add --name b --key - --models z --base-url {url}".split(), text=f"{secret}\n"
    )
    number = re.search(r"channel (\d+)", added)[1]
    tested = place.run("channel", "test", number)
    listed = place.run("channel", "list").stdout + place.run("channel", "list", "--json").stdout
    place.live("channel", "remove", number)
    assert tested.returncode == 1
    assert "FAILED" in tested.stdout
    assert secret not in added + tested.stdout + tested.stderr + listed


def test_a_token_works_from_create_to_revoke(place):
    made = place.live("token", "create", "laptop", "--models", "demo", "--expires", "1d")
    key, number = made.split()[0], re.search(r"token (\d+)", made)[1]
    assert place.server.chat(key) == 200
    assert place.server.chat(key, "demo-reasoning") == 403
    place.live("token", "revoke", number)
    assert place.server.chat(key) == 401
    place.live("token", "restore", number)
    assert place.server.chat(key) == 200
    rows = json.loads(place.run("token", "list", "--json").stdout)
    assert [row["name"] for row in rows] == ["first", "laptop"]
    assert key not in json.dumps(rows)


def test_a_disabled_user_is_refused_at_once(place):
    made = place.live("user", "create", "anna")
    key = place.live("token", "create", "annas", "--user", "anna").split()[0]
    assert re.match(r"password: \S{20,}\n", made)
    assert place.server.chat(key) == 200
    place.live("user", "disable", "anna")
    assert place.server.chat(key) == 403
    rows = {row["name"]: row for row in json.loads(place.run("user", "list", "--json").stdout)}
    assert (rows["anna"]["status"], rows["root"]["role"]) == ("disabled", "root")


BAD = [
    (2, "serve --port many", "invalid int value: 'many'"),
    (2, "nonsense", "invalid choice: 'nonsense'"),
    (2, "channel add", "required: --name"),
    (2, "channel remove one", "invalid id value: 'one'"),
    (2, "channel remove 99999999999999999999", "invalid id value"),
    (2, "token revoke -1", "id"),
    (2, "channel add --name \udcff --models m", "not valid UTF-8"),
    (2, "user create bob --role king", "invalid choice: 'king'"),
    (1, "serve --port 65536", "server.port = 65536: expected 0 to 65535"),
    (1, "--config missing.toml check", "missing.toml: No such file"),
    (1, "channel remove 99", "there is no channel 99"),
    (1, "channel test 99", "channel 99: no such channel"),
    (1, "channel models 99", "channel 99: no such channel"),
    (1, "channel add --name x", "models:"),
    (1, "channel add --name x --type gone --models m", "no adapter 'gone'; there are: "),
    (1, "channel add --name x --base-url ftp://h --models m", "http"),
    (1, "channel add --name x --models m --base-url http://h/v1 --weight -1", "weight:"),
    (1, "channel add --name x --models m --base-url http://h/v1 --map a", "--map: expected NAME=VALUE"),
    (1, "channel add --name x --models m --base-url http://h/v1 --option a=b", "does not know"),
    (1, "channel add --name x --models m --base-url http://h/v1 --proxy nonsense", "proxy"),
    (1, "token create x --user nobody", "there is no user 'nobody'"),
    (1, "token create x --expires soon", "expected 12h, 30d"),
    (1, "token create x --expires 999999w", "expected 12h, 30d"),
    (1, "token create x --expires 2001-01-01", "in the past"),
    (1, "token create x --subnets 10.0.0.0/99", "subnets"),
    (1, "user create root", "there is a user 'root' already"),
    (1, "user disable root", "the root user stays as it is"),
]


@pytest.fixture(scope="module")
def refused(place):
    """What each bad command says. They run beside each other, for a start takes most of their time."""
    with ThreadPoolExecutor(8) as pool:
        lines = [line for _, line, _ in BAD]
        return dict(zip(lines, pool.map(lambda line: place.run(*line.split(" ")), lines), strict=True))


@pytest.mark.parametrize(("status", "line", "said"), BAD, ids=[ascii(line) for _, line, _ in BAD])
def test_a_wrong_command_says_so_in_one_line(refused, status, line, said):
    done = refused[line]
    assert done.returncode == status
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""


@pytest.mark.parametrize("line", ["", "channel", "token", "user"])
def test_half_a_command_shows_help(place, line):
    done = place.run(*line.split())
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"usage: {' '.join(['canalgate', *line.split()])} ")


def test_a_port_that_is_taken_is_one_clear_line(place):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = place.run("serve", "--port", str(taken.getsockname()[1]))
    assert (done.returncode, done.stdout) == (1, "")
    assert "choose another port" in done.stderr
    assert len([line for line in done.stderr.splitlines() if "canalgate:" in line]) == 1
    assert "Traceback" not in done.stderr


def test_check_of_a_good_installation_succeeds(place):
    done = place.run("check")
    assert done.returncode == 0
    assert re.search(r"(?m)^data +ok", done.stdout)


def test_check_reports_every_problem(tmp_path):
    plugins = tmp_path / "data" / "plugins"
    plugins.mkdir(parents=True)
    (plugins / "broken.py").write_text("1 / 0")
    (plugins / "worse.py").write_text("raise SystemExit(0)")
    done = run(tmp_path, "check")
    assert done.returncode == 1
    assert re.search(r"(?m)^plugin +FAILED +broken .*ZeroDivisionError", done.stdout)
    assert re.search(r"(?m)^plugin +FAILED +worse .*SystemExit", done.stdout)
    assert re.search(r"(?m)^plugin +ok +openai", done.stdout)


@pytest.fixture(scope="module")
def listed(tmp_path_factory):
    """An installation with every kind of plugin, and what `canalgate plugins` says of it in both forms."""
    folder = tmp_path_factory.mktemp("plugins")
    lib = folder / "data" / "plugins" / "lib"
    described = lib / "parrot-1.5.dist-info"
    described.mkdir(parents=True)
    hook = "from canalgate.plugins import hookimpl\n@hookimpl\ndef on_usage(record): pass\n"
    (folder / "config.toml").write_text('[plugins]\nenabled = ["no_such"]\ndisabled = ["resting"]\n')
    (lib.parent / "broken.py").write_text("1 / 0")
    (lib.parent / "resting.py").write_text("1 / 0")
    (lib.parent / "good.py").write_text(f"__version__ = '2.5'\n{hook}")
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: parrot\nVersion: 1.5\n")
    (described / "entry_points.txt").write_text("[canalgate]\nparrot = parrot_of_tests\n")
    (lib / "parrot_of_tests.py").write_text(hook)
    return run(folder, "plugins"), run(folder, "plugins", "--json")


@pytest.mark.parametrize(
    ("name", "state", "version", "hooks", "reason"),
    [
        ("openai", "on", "", ["register_adapters"], ""),
        ("good", "on", "2.5", ["on_usage"], ""),
        ("parrot", "on", "1.5", ["on_usage"], ""),
        ("broken", "failed", "", [], "ZeroDivisionError: division by zero"),
        ("resting", "off", "", [], "disabled by configuration"),
        ("prometheus", "off", "", [], "not enabled"),
        ("no_such", "failed", "", [], "there is none; there are prometheus, "),
    ],
)
def test_plugins_says_what_is_loaded_and_why_something_is_not(listed, name, state, version, hooks, reason):
    rows = {row["name"]: row for row in json.loads(listed[1].stdout)}
    row = rows[name]
    assert (row["state"], row["version"], row["hooks"]) == (state, version, hooks)
    assert row["reason"].startswith(reason) and bool(row["reason"]) is bool(reason)


def test_plugins_shows_people_a_line_for_each(listed):
    shown, rows = listed[0], json.loads(listed[1].stdout)
    assert shown.returncode == 0
    lines = shown.stdout.splitlines()
    assert len(lines) == len(rows) + 1
    assert [line for line in lines if re.match(r"broken +failed .*broken\.py +ZeroDivisionError", line)]
    assert [line for line in lines if re.match(r"parrot +on +1\.5 .*on_usage +package parrot", line)]


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("CANALGATE_SERVER__PORT", "x", "expected a whole number"),
        ("CANALGATE_SERVER__PROT", "1", "names no setting"),
        ("CANALGATE_DATA__DIR", "/proc/no/such", "choose a folder you may write to"),
    ],
)
def test_a_start_that_cannot_work_is_one_line(tmp_path, name, value, said):
    done = run(tmp_path, "serve", **{name: value})
    assert done.returncode == 1
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_running_stream_is_finished_before_the_gateway_stops(place):
    server = start(place.folder, "third", CANALGATE_SERVER__NOTICE_S="0")
    words = {"role": "user", "content": " ".join(["word"] * 40)}
    body = json.dumps(CHAT | {"stream": True, "messages": [words]})
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {place.key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    try:
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
            client.sendall((head + body).encode())
            received = client.recv(65536)
            server.process.send_signal(signal.SIGTERM)
            time.sleep(0.2)
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", server.port), timeout=1)
            while piece := client.recv(65536):
                received += piece
        assert b"data: [DONE]\n\n" in received
        assert received.endswith(b"0\r\n\r\n")
        assert server.process.wait(10) == 0
    finally:
        server.process.kill()
        server.process.wait()


def request_lines(place):
    end = time.monotonic() + 5
    while True:
        lines = [json.loads(line) for line in place.server.err.read_text().splitlines()]
        found = [line for line in lines if line.get("logger") == "canalgate.request"]
        if (found and found[-1].get("first_byte_ms") is not None) or time.monotonic() > end:
            return found
        time.sleep(0.02)


def test_a_request_is_one_line_of_json_with_its_numbers(place):
    place.server.chat(place.key)
    line = request_lines(place)[-1]
    numbers = ("token", "channel", "status", "first_byte_ms", "total_ms", "bytes")
    assert {name: type(line[name]) for name in numbers} == dict.fromkeys(numbers, int)
    assert (line["model"], line["status"]) == ("demo", 200)
    assert line["request_id"]
    assert line["bytes"] > 100


@pytest.mark.parametrize("name", ["first", "second"])
def test_no_log_holds_a_secret_or_what_was_said(place, name):
    place.server.chat(place.key)
    logged = (place.folder / f"{name}.err").read_text()
    wrong = (place.secret, place.key, place.key[3:], "sk-channel-secret-77", "Hello", "password")
    assert "gateway started" in logged
    assert not [text for text in wrong if text in logged]
