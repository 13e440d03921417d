"""The page of the first run, done as it says: every command in its order, in an empty folder."""

import http.server
import os
import re
import shutil
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import processes
import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs" / "first-run.md"

MODELS = b'{"object":"list","data":[{"id":"deepseek-chat","object":"model"}]}'
USAGE = b'"usage":{"prompt_tokens":5,"completion_tokens":2,"total_tokens":7}'
JSON = b'{"id":"1","choices":[{"index":0,"message":{"role":"assistant","content":"Hi"}}],' + USAGE + b"}"
EVENTS = (
    b'data: {"id":"1","choices":[{"index":0,"delta":{"content":"Hi"}}]}\n\n'
    b'data: {"id":"1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],' + USAGE + b"}\n\n"
    b"data: [DONE]\n\n"
)


class Provider(http.server.BaseHTTPRequestHandler):
    """Answers in the place of the provider that the page names."""

    def do_GET(self):
        self.say("application/json", MODELS)

    def do_POST(self):
        streams = b'"stream":true' in self.rfile.read(int(self.headers["content-length"])).replace(b" ", b"")
        self.say(*(("text/event-stream", EVENTS) if streams else ("application/json", JSON)))

    def say(self, kind, body):
        good = self.headers["authorization"] == "Bearer sk-of-the-provider-1f0c"
        self.send_response(200 if good else 401)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format, *arguments):
        pass


@contextmanager
def provider():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Provider) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def steps():
    """What is to be typed, and what is said to be printed then (empty where the page shows nothing)."""
    found = re.findall(r"(?ms)^```sh\n(.*?)^```(?:\n\n```text\n(.*?)^```)?", PAGE.read_text("utf-8"))
    assert len(found) > 5
    return found


def fits(shown, printed):
    """Whether what was printed begins like each line shown, in this order; `...` is anything."""
    pattern = "(?s)" + ".*?".join(
        re.escape(line).replace(re.escape("..."), ".*?") for line in shown.splitlines() if line
    )
    return re.search(pattern, printed) is not None


def typed(folder, commands, environment):
    """Type commands into a shell, and the provider's key where one is asked for."""
    done = subprocess.run(
        ["bash", "-eu", "-c", commands], cwd=folder, env=environment, input="sk-of-the-provider-1f0c\n",
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, f"{commands}\n{done.stdout}"
    return done.stdout


@pytest.mark.skipif(
    shutil.which("curl") is None and os.environ.get("CI") != "true", reason="curl is not installed"
)
def test_the_page_of_the_first_run_does_what_it_says(tmp_path):
    (begin, listens), *rest = steps()
    *prepared, serve = begin.splitlines()
    assert (prepared, serve) == (["mkdir gate", "cd gate"], "canalgate serve")
    folder = tmp_path / "gate"
    folder.mkdir()
    gateway = processes.start(folder, "serve", CANALGATE_LEDGER__DURABILITY="database")  # no wait for the log
    try:
        with provider() as url:
            _follow(folder, gateway, rest, url)
        assert fits(listens.replace("3000", str(gateway.port)), gateway.out.read_text())
        assert gateway.stop()[0] == 0
    finally:
        gateway.process.kill()
        gateway.process.wait()


def _follow(folder, gateway, rest, url):
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = processes.ENVIRONMENT | {"PATH": path, "CANALGATE_SERVER__PORT": str(gateway.port)}
    key, known = gateway.shown("client token"), ""
    for commands, shown in rest:
        commands = commands.replace("=sk-...", f"={key}").replace(":3000/", f":{gateway.port}/")
        commands = commands.replace("--type deepseek", f"--type deepseek --base-url {url}")
        printed = typed(folder, known + commands, environment)
        assert fits(shown, printed), f"{commands}\n{printed}"
        key = next(iter(re.findall(r"(?m)^sk-\w+", printed)), key)
        known += "".join(re.findall(r"(?m)^[A-Z]+=.+\n", commands))
