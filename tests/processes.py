"""The command as people run it, in a process of its own."""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from forked import Forked

ENVIRONMENT = {
    name: value for name, value in os.environ.items() if not name.startswith(("CANALGATE_", "SQL_DSN"))
}
COMMAND = [sys.executable, "-m", "canalgate"]


CHAT = {"model": "demo", "messages": [{"role": "user", "content": "hi"}]}


def run(folder, *arguments, text="", **environment):
    """Run a command to its end."""
    with ExitStack() as stack:
        given, *said = (stack.enter_context(tempfile.TemporaryFile()) for _ in range(3))
        given.write(text.encode())
        given.seek(0)
        process = Forked(arguments, folder, ENVIRONMENT | environment, (given, *said))
        try:
            status = process.wait(20)
        finally:
            process.kill()
            process.wait()
        return subprocess.CompletedProcess([*COMMAND, *arguments], status, *map(_written, said))


def _written(file):
    file.seek(0)
    return file.read().decode(errors="surrogateescape")


@dataclass
class Serving:
    """A running `canalgate serve`, with what it has written."""

    process: Forked
    out: Path
    err: Path

    @property
    def port(self):
        return int(re.search(r"listens on http://127\.0\.0\.1:(\d+)", self.out.read_text())[1])

    def shown(self, what):
        return re.search(rf"{what} +(\S+)", self.out.read_text())[1]

    def stop(self):
        """Ask it to stop; returns its exit status and the seconds it took."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20), time.monotonic() - began

    def ask(self, path, body=None, key=""):
        """Return status and body of a request."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}",
            None if body is None else json.dumps(body).encode(),
            {"authorization": f"Bearer {key}", "content-type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as exc:
            with exc:
                return exc.code, exc.read().decode()

    def chat(self, key, model="demo"):
        return self.ask("/v1/chat/completions", CHAT | {"model": model}, key)[0]


def start(folder, name, *arguments, **environment):
    """Start a gateway on a free port and wait until it listens."""
    out, err = folder / f"{name}.out", folder / f"{name}.err"
    with out.open("wb") as stdout, err.open("wb") as stderr:
        wanted = ("serve", "--port", "0", *arguments)
        process = Forked(wanted, folder, ENVIRONMENT | environment, (0, stdout, stderr))
    end = time.monotonic() + 15
    while "listens on" not in out.read_text() and process.poll() is None and time.monotonic() < end:
        time.sleep(0.02)
    assert "listens on" in out.read_text(), err.read_text()
    return Serving(process, out, err)
