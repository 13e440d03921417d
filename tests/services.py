"""Throw-away MariaDB and PostgreSQL servers, on free ports, each in a folder of its own.

`shared` gives one server of a kind to all workers of a test run. It belongs to a keeper, a process that runs
this file: it stops the server when the last of those who hold a connection to it has gone, however they went,
and removes everything.
"""

import contextlib
import ctypes
import fcntl
import os
import pathlib
import pwd
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import pytest

ROOT = os.geteuid() == 0
PR_SET_PDEATHSIG = 1
USER, PASSWORD = "gate", "never-in-a-log"


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def find(name):
    """Path of a program; Debian keeps some outside PATH. None if it is not installed."""
    debian = sorted(map(str, pathlib.Path("/usr/lib/postgresql").glob("*/bin")), reverse=True)
    return shutil.which(name, path=os.pathsep.join([*debian, os.environ["PATH"], "/usr/sbin"]))


def quietly(command, **more):
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, **more)


def die_with_parent(number):
    """Let the kernel send a signal when the thread that starts this program ends, however it does."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number)


class Server:
    """A database server of one kind. `start` makes a folder the first time, and takes it up again later.

    What is committed survives `kill`, though not the machine: nothing is synced.
    """

    program = ""
    database = ""
    stop_signal = signal.SIGTERM

    def __init__(self):
        self.port = free_port()
        self.process = None
        # Short: the path of a Unix socket ends at 107 bytes.
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="db-"))
        if ROOT:
            shutil.chown(self.folder, self.owner)

    def url(self, name=None, password=PASSWORD):
        return f"{self.scheme}://{USER}:{password}@127.0.0.1:{self.port}/{name or self.database}"

    def start(self):
        fresh = not (self.folder / "data").exists()
        if fresh:
            self.make()
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(
                self.command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                preexec_fn=lambda: die_with_parent(self.stop_signal),
                **self.become(),
            )
        end = time.monotonic() + 60
        while not self.is_ready():
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(
                    f"{self.program} did not start:\n{(self.folder / 'log').read_text()[-2000:]}"
                )
            time.sleep(0.05)
        if fresh:
            self.fill()

    def become(self):
        """Neither server runs as root."""
        if not ROOT:
            return {}
        return {"user": self.owner, "group": pwd.getpwnam(self.owner).pw_gid, "extra_groups": []}

    def kill(self):
        """As a crash does it: with the processes of its own, which PostgreSQL would let finish."""
        own = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        self.process.kill()
        self.process.wait()
        for pid in map(int, own):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        while any(os.path.exists(f"/proc/{pid}") for pid in own):
            time.sleep(0.01)

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(self.stop_signal)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


class Postgres(Server):
    program, scheme, database = "postgres", "postgresql", "postgres"
    owner = "postgres"
    stop_signal = signal.SIGINT  # the fast one; SIGTERM waits for clients

    def make(self):
        secret = self.folder / "password"
        secret.write_text(PASSWORD)
        quietly(
            [find("initdb"), "-D", f"{self.folder}/data", "-U", USER, "-A", "scram-sha-256",
             f"--pwfile={secret}", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"],
            cwd=self.folder, **self.become(),
        )  # fmt: skip

    def command(self):
        quick = ("fsync=off", "full_page_writes=off", "listen_addresses=127.0.0.1")
        options = [part for option in quick for part in ("-c", option)]
        return [
            find("postgres"),
            "-D",
            f"{self.folder}/data",
            "-p",
            str(self.port),
            "-k",
            str(self.folder),
            *options,
        ]

    def is_ready(self):
        ready = [find("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(ready, timeout=10).returncode == 0

    def fill(self):
        pass


class Mariadb(Server):
    program, scheme, database = "mariadbd", "mysql", "gate"
    owner = "mysql"

    def base(self):
        # Its temporary files beside its data: TMPDIR may be a folder that only we may write to.
        folder = [f"--datadir={self.folder}/data", f"--tmpdir={self.folder}"]
        return ["--no-defaults", *folder, "--skip-name-resolve"]

    def make(self):
        method = "--auth-root-authentication-method=normal"
        quietly([find("mariadb-install-db"), *self.base(), method, "--skip-test-db"], **self.become())

    def command(self):
        return [
            find("mariadbd"), *self.base(), f"--port={self.port}", "--bind-address=127.0.0.1",
            f"--socket={self.folder}/s", f"--pid-file={self.folder}/pid", "--skip-log-bin",
            "--innodb-flush-log-at-trx-commit=2", "--innodb-flush-method=nosync", "--sync-frm=OFF",
            "--innodb-doublewrite=OFF", "--innodb-buffer-pool-size=64M", "--performance-schema=OFF",
        ]  # fmt: skip

    def is_ready(self):
        with socket.socket() as sock:
            return sock.connect_ex(("127.0.0.1", self.port)) == 0

    def fill(self):
        sql = (
            f"CREATE DATABASE gate; CREATE USER {USER}@'127.0.0.1' IDENTIFIED BY '{PASSWORD}';"
            f"GRANT ALL ON *.* TO {USER}@'127.0.0.1'"
        )
        quietly([find("mariadb"), "--no-defaults", f"--socket={self.folder}/s", "-uroot", "-e", sql])


KINDS = {"mysql": Mariadb, "postgres": Postgres}


def needed(kind):
    """Skip the test where the server is not installed; under CI that is a failure."""
    program = KINDS[kind].program
    if find(program) is None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(f"{program} is not installed")


@contextlib.contextmanager
def own(kind):
    """A server for one test, which may kill it."""
    needed(kind)
    server = KINDS[kind]()
    try:
        server.start()
        yield server
    finally:
        server.stop()


@contextlib.contextmanager
def shared(kind, folder):
    """A function from a database's name to its URL, on the server that all who name this folder share."""
    needed(kind)
    path = f"{folder}/{kind}"
    with open(f"{path}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            kept, url = join(path)
        except OSError:
            start_keeper(kind, path)
            kept, url = join(path)
    with kept:
        yield lambda name: url.replace("/?", f"/{name}")


def join(path):
    """Connect to a keeper, and wait for its server. Raises OSError where there is none."""
    kept = socket.socket(socket.AF_UNIX)
    try:
        kept.settimeout(90)
        kept.connect(f"{path}.sock")
        url = kept.recv(1000).decode()
        if not url:
            raise ConnectionResetError
    except BaseException:
        kept.close()
        raise
    return kept, url


def start_keeper(kind, path):
    with contextlib.suppress(FileNotFoundError):
        os.unlink(f"{path}.sock")
    # The shell leaves it behind, so that it is nobody's child.
    start = ["sh", "-c", 'exec "$@" &', "sh", sys.executable, __file__, kind, f"{path}.sock"]
    with open(f"{path}.err", "wb") as err:
        subprocess.run(start, stdin=subprocess.DEVNULL, stdout=err, stderr=err, start_new_session=True)
    end = time.monotonic() + 30
    while not os.path.exists(f"{path}.sock"):
        if time.monotonic() > end:
            raise RuntimeError(f"no keeper: {pathlib.Path(f'{path}.err').read_text()[-2000:]}")
        time.sleep(0.02)


def keep(kind, path):
    """Run a server as long as somebody is connected."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{path}.new")
        listener.listen(100)
        os.rename(f"{path}.new", path)  # so that who sees it can connect
        server = KINDS[kind]()
        try:
            server.start()
            serve_keepers(listener, server.url("?"))
        finally:
            os.unlink(path)
            if server.process is not None and server.process.poll() is not None:
                print((server.folder / "log").read_text()[-5000:], file=sys.stderr)  # it has crashed
            server.stop()


def serve_keepers(listener, url):
    connected = [listener]
    while True:
        for ready in select.select(connected, [], [], 90)[0] or [None]:
            if ready is listener:
                client, _ = listener.accept()
                client.send(url.encode())
                connected.append(client)
            elif ready is not None:
                connected.remove(ready)
                ready.close()
        if connected == [listener]:
            return


if __name__ == "__main__":
    keep(*sys.argv[1:])
