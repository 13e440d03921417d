"""The command as people run it, in a process of its own."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

ENVIRONMENT = {
    name: value for name, value in os.environ.items() if not name.startswith(("CANALGATE_", "SQL_DSN"))
}
COMMAND = [sys.executable, "-m", "canalgate"]


CHAT = {"model": "demo", "messages": [{"role": "user", "content": "hi"}]}


def run(folder, *arguments, text="", **environment):
    """Run a command to its end."""
    return subprocess.run(
        [*COMMAND, *arguments], cwd=folder, env=ENVIRONMENT | environment, input=text, timeout=20,
        capture_output=True, encoding="utf-8", errors="surrogateescape",
    )  # fmt: skip


@dataclass
class Serving:
    """A running `canalgate serve`, with what it has written."""

    process: subprocess.Popen
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
        process = subprocess.Popen(
            [*COMMAND, "serve", "--port", "0", *arguments], cwd=folder, env=ENVIRONMENT | environment,
            stdout=stdout, stderr=stderr,
        )  # fmt: skip
    end = time.monotonic() + 15
    while "listens on" not in out.read_text() and process.poll() is None and time.monotonic() < end:
        time.sleep(0.02)
    assert "listens on" in out.read_text(), err.read_text()
    return Serving(process, out, err)
