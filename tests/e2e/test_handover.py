"""A gateway that another one replaces: nothing is refused or cut; and where it cannot be, it stays."""

import contextlib
import os
import signal
import socket
import stat
import subprocess
import sys
import time

import handovers
import processes
import pytest


@pytest.fixture(scope="module", autouse=True)
def lane():
    """A process of its own reads its own settings; once is enough."""


async def test_gateways_replaced_under_load_drop_nothing_and_the_ledger_has_every_answer_once(tmp_path):
    work = handovers.Handovers(tmp_path, times=4, streams=40, seed=7)
    outcome = await work.run()
    assert outcome.faults == []
    assert (outcome.kills, outcome.refused, outcome.broken, work.closed) == (4, 0, 0, 0)


@pytest.fixture
def place(tmp_path):
    """A folder for gateways."""
    made = Place(tmp_path)
    yield made
    made.end()


@pytest.fixture(scope="module")
def steady(tmp_path_factory):
    """A folder with a gateway that nobody succeeds in replacing."""
    deep = tmp_path_factory.mktemp("steady") / ("deep" * 25)  # more than a socket's address can hold
    deep.mkdir()
    made = Place(deep)
    made.start()
    yield made
    made.end()


class Place:
    def __init__(self, folder):
        self.folder = folder
        self.started = []

    @property
    def data(self):
        return self.folder / "data"

    def start(self, *arguments, **environment):
        self.started.append(processes.start(self.folder, str(len(self.started)), *arguments, **environment))
        return self.started[-1]

    def serving_pid(self):
        return handovers.serving_pid(self.data)

    def end(self):
        with contextlib.suppress(OSError):
            os.kill(self.serving_pid(), signal.SIGKILL)
        for serving in self.started:
            serving.process.kill()
            serving.process.wait()


def until(true):
    end = time.monotonic() + 10
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


ASK = b"GET /health/ready HTTP/1.1\r\nhost: x\r\n\r\n"


def test_an_idle_connection_goes_over_to_the_successor(place):
    first = place.start()
    with socket.create_connection(("127.0.0.1", first.port), timeout=10) as client:
        client.sendall(ASK)
        assert client.recv(65536).endswith(b'{"status":"ready"}')
        second = place.start("--replace")
        assert first.process.wait(10) == 0
        client.sendall(ASK)
        answer = client.recv(65536)
    assert answer.endswith(b'{"status":"ready"}')
    assert b"connection: close" not in answer
    assert second.port == first.port


def test_a_gateway_starts_its_successor_at_sigusr2_and_that_one_the_next(place):
    first = place.start()
    pid = first.process.pid
    for _ in range(2):
        os.kill(pid, signal.SIGUSR2)
        pid = handovers.successor_of(pid, place.data)
    assert first.process.wait(10) == 0
    assert first.ask("/health/ready")[0] == 200
    assert "no successor" not in first.err.read_text()


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ("[server]\nprot = 1\n", "config.toml: server.prot"),
        ("[server]\nhost = '127.0.0.2'\n", "started for 127.0.0.1:0, this one for 127.0.0.2:0"),
        ("[data]\ndatabase = 'mysql://u:p@127.0.0.1:1/x'\n", "data.database"),
    ],
)
def test_where_the_successor_cannot_start_the_gateway_stays_and_says_why(steady, config, said):
    (serving,) = steady.started
    before = len(serving.err.read_text())
    (steady.folder / "config.toml").write_text(config)
    serving.process.send_signal(signal.SIGUSR2)
    until(lambda: "no successor, this gateway goes on" in serving.err.read_text()[before:])
    (steady.folder / "config.toml").unlink()
    assert said in serving.err.read_text()[before:]
    assert steady.serving_pid() == serving.process.pid
    assert serving.ask("/health/ready")[0] == 200


def test_what_asks_for_the_port_and_then_dies_changes_nothing(steady):
    (serving,) = steady.started
    assert [steady.serving_pid() for _ in range(3)] == [serving.process.pid] * 3
    assert serving.ask("/health/ready")[0] == 200


def test_only_the_gateways_user_can_ask_for_its_port(steady):
    (path,) = steady.data.glob("*.sock")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(steady.data.stat().st_mode) == 0o700


def test_replace_starts_where_no_gateway_runs(place):
    serving = place.start("--replace")
    assert serving.ask("/health/ready")[0] == 200
    assert serving.stop()[0] == 0
    assert list(place.data.glob("*.sock")) == []


def test_replace_starts_where_a_gateway_was_killed(place):
    killed = place.start()
    killed.process.kill()
    killed.process.wait()
    (left,) = place.data.glob("*.sock")
    assert left.is_socket()
    assert place.start("--replace").ask("/health/ready")[0] == 200


def test_another_user_gets_no_port(steady):
    if os.getuid() != 0:
        pytest.skip("only root can be another user")
    (path,) = steady.data.glob("*.sock")
    path.chmod(0o666)
    # The folders above are this user's alone, so the other one is led in by a handle.
    code = (
        "import os, socket, sys; os.fchdir(int(sys.argv[1])); os.setuid(65534);"
        f"s = socket.socket(socket.AF_UNIX); s.connect({path.name!r}); print(socket.recv_fds(s, 100, 1)[:2])"
    )
    steady.data.chmod(0o755)
    folder = os.open(steady.data, os.O_RDONLY)
    try:
        done = subprocess.run(
            [sys.executable, "-c", code, str(folder)], pass_fds=(folder,), capture_output=True, text=True
        )
    finally:
        os.close(folder)
        path.chmod(0o600)
        steady.data.chmod(0o700)
    assert done.stdout == "(b'', [])\n", done.stderr


class Systemd:
    """What a service manager has: a port and a socket for words."""

    def __init__(self):
        self.port = socket.create_server(("127.0.0.1", 0))
        self.words = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.words.bind(f"\0canalgate-test-{os.getpid()}-{id(self)}")
        self.words.settimeout(10)

    def start(self, folder, count="1"):
        """Start a gateway as a service with a socket unit."""
        code = (
            "import os, sys; os.dup2(int(sys.argv[1]), 3); os.environ['LISTEN_PID'] = str(os.getpid());"
            "os.execv(sys.argv[2], sys.argv[2:])"
        )
        environment = {"LISTEN_FDS": count, "NOTIFY_SOCKET": "@" + self.words.getsockname()[1:].decode()}
        with (folder / "out").open("wb") as out, (folder / "err").open("wb") as err:
            number = self.port.fileno()
            process = subprocess.Popen(
                [sys.executable, "-c", code, str(number), *processes.COMMAND, "serve"], pass_fds=(number, 3),
                cwd=folder, env=processes.ENVIRONMENT | environment, stdout=out, stderr=err,
            )  # fmt: skip
        return processes.Serving(process, folder / "out", folder / "err")

    def said(self):
        return self.words.recv(1000).decode().split("\n")


@pytest.fixture
def systemd():
    made = Systemd()
    yield made
    made.port.close()
    made.words.close()


def test_a_service_serves_from_the_socket_of_systemd_and_says_how_it_is(tmp_path, systemd):
    serving = systemd.start(tmp_path)
    try:
        assert systemd.said() == ["READY=1"]
        assert serving.port == systemd.port.getsockname()[1]
        assert serving.ask("/health/ready")[0] == 200
        serving.process.send_signal(signal.SIGTERM)
        assert systemd.said() == ["STOPPING=1"]
        assert serving.process.wait(10) == 0
    finally:
        serving.process.kill()
        serving.process.wait()


def test_a_service_that_starts_its_successor_names_it_as_the_main_process(tmp_path, systemd):
    serving = systemd.start(tmp_path)
    successor = 0
    try:
        assert systemd.said() == ["READY=1"]
        serving.process.send_signal(signal.SIGUSR2)
        reloading, since = systemd.said()
        assert (reloading, since.partition("=")[0]) == ("RELOADING=1", "MONOTONIC_USEC")
        said = [systemd.said(), systemd.said()]
        (named,) = [one for one in said if len(one) == 2]
        successor = int(named[0].removeprefix("MAINPID="))
        assert named[1] == "READY=1"
        assert serving.process.wait(10) == 0
        assert serving.ask("/health/ready")[0] == 200
        os.kill(successor, signal.SIGTERM)
        assert systemd.said() == ["STOPPING=1"]
        successor = 0
    finally:
        serving.process.kill()
        serving.process.wait()
        if successor:
            os.kill(successor, signal.SIGKILL)


def test_a_service_with_two_sockets_does_not_start(tmp_path, systemd):
    serving = systemd.start(tmp_path, "2")
    assert serving.process.wait(10) == 1
    assert "LISTEN_FDS = '2': expected 1" in serving.err.read_text()
