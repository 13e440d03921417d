"""Somebody who follows a page: types its commands one after the other, and stops what runs in the end."""

import http.server
import os
import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import processes
import services

KEY = "sk-of-the-provider-1f0c"
MODELS = b'{"object":"list","data":[{"id":"deepseek-chat","object":"model"}]}'
BILLING = b'{"hard_limit_usd":10,"total_usage":250}'
USAGE = b'"usage":{"prompt_tokens":5,"completion_tokens":2,"total_tokens":7}'
JSON = (
    b'{"id":"1","choices":[{"index":0,"message":{"role":"assistant","content":"Hi"},"finish_reason":"stop"}],'
    + USAGE
    + b"}"
)
EVENTS = (
    b'data: {"id":"1","choices":[{"index":0,"delta":{"content":"Hi"}}]}\n\n'
    b'data: {"id":"1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],' + USAGE + b"}\n\n"
    b"data: [DONE]\n\n"
)


class Provider(http.server.BaseHTTPRequestHandler):
    """Answers in the place of the providers that pages name; a prompt `fail` is refused."""

    def do_GET(self):
        self.say("application/json", BILLING if "/dashboard/billing/" in self.path else MODELS)

    def do_POST(self):
        asked = self.rfile.read(int(self.headers["content-length"])).replace(b" ", b"")
        if b'"fail"' in asked:
            return self.say("application/json", b'{"error":{"message":"refused"}}', 400)
        streams = b'"stream":true' in asked
        return self.say(*(("text/event-stream", EVENTS) if streams else ("application/json", JSON)))

    def say(self, kind, body, status=200):
        good = self.headers["authorization"] == f"Bearer {KEY}"
        self.send_response(status if good else 401)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format, *arguments):
        pass


@contextmanager
def provider():
    """The address of a provider that runs."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Provider) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


class Reader:
    """A shell in a folder. `words` is what stands for the words of a page that nobody types as they are."""

    def __init__(self, folder, words, **environment):
        home = folder / "home"
        home.mkdir()
        (home / ".curlrc").write_text("fail-with-body\nsilent\nshow-error\nmax-time = 20\n")
        (folder / ".venv").symlink_to(sys.prefix)
        port = services.free_port()
        self.folder, self.words, self.answers = folder, {**words, ":3000": f":{port}"}, f"{KEY}\n"
        self.gateways, self.logs, self.kept = [], [], ""
        self.environment = processes.ENVIRONMENT | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(home),
            "CANALGATE_SERVER__PORT": str(port),
            "CANALGATE_LEDGER__DURABILITY": "database",  # so that a request is in the log when it ends
            "PIP_NO_INDEX": "1",
            **environment,
        }

    def filled(self, text):
        """A command with everything put in that the page leaves to the reader."""
        for said, meant in self.words.items():
            text = text.replace(said, meant)
        return text

    def type(self, text, where):
        """Run a command to its end and return what it prints, or start a gateway. A failure names `where`."""
        command = self.filled(text)
        if re.match(r"canalgate serve", command):
            return self.serve(command, where)
        done = subprocess.run(
            ["bash", "-euc", f"{self.kept}\n{command}\npwd > {self.folder}/.pwd"], cwd=self.folder,
            env=self.environment, input=self.answers, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            encoding="utf-8", timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, f"{where}: {command}\nstatus {done.returncode}\n{done.stdout}"
        assert '"stream":true' not in command or "data: [DONE]" in done.stdout, f"{where}: {done.stdout}"
        self.folder = Path((self.folder / ".pwd").read_text().strip())
        self.kept += "".join(re.findall(r"(?m)^(?:export )?[A-Z_]+=.+\n?", command)) + "\n"
        self._learn(done.stdout)
        if command.startswith("kill -USR2"):
            self.gateways[-1].wait(30)  # it ends when its successor serves
        return done.stdout

    def _learn(self, printed):
        """Take up what was shown once, for the commands that follow."""
        for said, pattern in {
            "sk-...": r"(?m)^(sk-\w+)",
            "CODE": r"(?m)^([0-9a-f]{32})$",
            "REQUEST_ID": r"(?mi)^x-request-id: (\S+)",
        }.items():
            for found in re.findall(pattern, printed)[:1]:
                self.words[said] = found

    def serve(self, command="canalgate serve", where="before the page"):
        """Start a gateway, wait until it listens, and return what it has printed."""
        out, err = (self.folder / f"gateway{len(self.gateways)}.{end}" for end in ("out", "err"))
        with out.open("wb") as stdout, err.open("wb") as stderr:
            process = subprocess.Popen(
                ["bash", "-euc", f"{self.kept}\nexec {command}"], cwd=self.folder, env=self.environment,
                stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, start_new_session=True,
            )  # fmt: skip
        self.gateways.append(process)
        self.logs.append(err)
        end = time.monotonic() + 30
        while "listens on" not in out.read_text():
            assert process.poll() is None and time.monotonic() < end, f"{where}: {command}\n{err.read_text()}"
            time.sleep(0.02)
        self.words["PID"] = str(process.pid)
        for said, pattern in {
            "sk-...": r"client token +(\S+)",
            "SETUP_SECRET": r"setup secret +(\S+)",
        }.items():
            for shown in re.findall(pattern, out.read_text()):
                self.words[said] = shown
        return out.read_text()

    def errors(self):
        """What gateways have logged as errors, such as a plugin that does not take its settings."""
        return [line for log in self.logs for line in log.read_text().splitlines() if " ERROR " in line]

    def stop(self):
        """Stop every gateway and its successors, and wait until they are gone."""
        for process in self.gateways:
            for wanted in (signal.SIGTERM, signal.SIGKILL):
                end = time.monotonic() + 10
                while _told(process, wanted) and time.monotonic() < end:
                    wanted = 0
                    time.sleep(0.02)
        self.gateways.clear()


def _told(process, number):
    """Send a signal to a gateway and its successors; whether there was one to get it."""
    process.poll()
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return False
    return True
