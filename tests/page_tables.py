"""What the test of the pages must know of each: what a reader has of their own, what is not typed here."""

import json
import plistlib
import re
import shlex
import shutil
import subprocess

import canalgate
import pages
import sources
import yaml
from canalgate.proxy.cli import _parser
from pages import ROOT

ADMIN_KEY = "the-admin-key-of-this-test"

INSTEAD = {
    "": {
        "--type deepseek": "--type deepseek --base-url {provider}",
        "python3.11": "python",
        " canalgate-adapter-parrot": " --no-deps --no-build-isolation {parrot}",
    },
    "README.md": {"=...": f"={ADMIN_KEY}"},
    "admin-api.md": {'"secret":"..."': '"secret":"SETUP_SECRET"', "KEY=...": f"KEY={ADMIN_KEY}"},
    "configuration.md": {"'mysql://USER:PASSWORD@HOST:3306/NAME?sslmode=verify-full'": "'{mysql}'"},
    "deploying.md": {"cd /etc/canalgate && sudo -u canalgate ": "", "/var/lib/canalgate": "data"},
    "fastgpt.md": {"=...": f"={ADMIN_KEY}"},
    "many-instances.md": {
        "'postgresql://canalgate:PASSWORD@db.example:5432/canalgate?sslmode=verify-full'": "'{postgres}'",
        "SECRET_KEY=...": f"SECRET_KEY={'5e' * 32}",
    },
    "moving.md": {
        "/data/one-api.db": "one-api.db",
        "'root:secret@tcp(db.example:3306)/oneapi?charset=utf8mb4'": "'{oneapi}'",
        "'postgres://newapi:secret@db.example:5432/newapi?sslmode=disable'": "'{newapi}'",
        "'postgres://aiproxy:secret@db.example:5432/aiproxy'": "'{aiproxy}'",
        "import aiproxy - ": "import aiproxy - <<< '{aiproxy}' ",
        "'postgres://llm:secret@db.example:5432/litellm'": "'{litellm}'",
    },
}
"""What is typed instead of what a page says: addresses, keys and paths that a reader has of their own."""

FRESH = {"README.md", "first-run.md", "admin-api.md", "deploying.md", "many-instances.md", "configuration.md"}
"""Pages for a new installation; the others find the one of `FURNISHED`."""

ALONE = {"conformance.md", "life-of-a-request.md", "write-an-adapter.md"}
"""Pages on which no gateway runs."""

SETTINGS = {
    "streams.md": {"CANALGATE_SERVER__RESUME_S": "60"},
    "config-as-code.md": {"CANALGATE_PASSPHRASE": "correct horse"},
}
"""What is set before a page begins, as it says itself in a sentence."""

STOPPED = {"canalgate restore"}
"""Before these the gateway is stopped, as the page says."""

MODELS = {
    "one": ["deepseek-chat", "gpt-4o", "gpt-4o-mini"],
    "two": ["gpt-4o", "claude-sonnet"],
    "three": ["my-model", "deepseek-chat"],
}
FURNISHED = {
    "version": 1,
    "users": [{"name": "otto", "balance": "$1"}],
    "tokens": [{"user": "root", "name": f"of program {number}"} for number in range(2, 8)],
}
"""The installation on most pages, with `MODELS` as its channels, at the provider of the test."""

ONE_API = {
    "users": [{"id": 5, "username": "berta", "password": "", "role": 1, "quota": 5, "group": "default"}],
    "tokens": [{"id": 1, "user_id": 5, "key": sources.key("a"), "name": "a", "unlimited_quota": True}],
    "channels": [
        {
            "id": 1,
            "type": 1,
            "key": "sk-1",
            "name": "main",
            "base_url": "",
            "models": "m1",
            "group": "default",
        }
    ],
    "abilities": [{"group": "default", "model": "m1", "channel_id": 1, "enabled": True}],
}
"""What another gateway's database has on the page of moving."""


def parsed(block, reader):
    """Bash understands it, and files of ours that it names are there; tests/release looks at those."""
    done = subprocess.run(["bash", "-n"], input=block.text, capture_output=True, encoding="utf-8", timeout=20)
    assert done.returncode == 0, done.stderr
    named = re.findall(r"(?<![\w/.])(?:release/[\w.]+|config\.example\.toml)", block.text)
    assert [name for name in named if not (ROOT / name).exists()] == []


def made(block, reader):
    """Each is a target of the Makefile."""
    for command in block.commands():
        words = [*shlex.split(command.text, comments=True), "--dry-run"]
        done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=20)
        assert done.returncode == 0, done.stderr


def composed(block, reader):
    """The tag is this version's, and what compose is asked for is in the file that it names."""
    parsed(block, reader)
    assert f"--tag canalgate:{canalgate.__version__} " in block.text
    for file, words in re.findall(r"--file (release/\S+yaml) (.*)", block.text):
        services = yaml.safe_load((ROOT / file).read_text("utf-8"))["services"]
        assert "up" in words or words.split()[1] in services


NOT_TYPED = {
    ("README.md", "make run"): (made, "the test suite would run itself"),
    ("first-run.md", "python3 -m venv"): (parsed, "it fetches packages; `make run` installs in the same way"),
    ("deploying.md", "install -m 755"): (parsed, "it changes users and services of the system"),
    ("deploying.md", "docker build"): (composed, "it needs a container engine"),
    ("write-an-adapter.md", "canalgate conformance"): (parsed, "test_write_an_adapter.py does that"),
    ("write-an-adapter.md", "pip install"): (parsed, "test_write_an_adapter.py installs the package"),
}
"""Blocks by their page and first words: how they are looked over instead, and why."""


def applied(block, reader):
    (reader.folder / "shown.toml").write_text(block.text, "utf-8")
    reader.type("canalgate apply shown.toml", f"{block.page}:{block.line}")


def told(block, reader):
    """A text that is printed by nothing: a picture."""


def of_launchd(block, reader):
    arguments = plistlib.loads(block.text.encode())["ProgramArguments"]
    assert _parser()[0].parse_args(arguments[1:]).run


def of_windows(block, reader):
    (command,) = re.findall(r'/tr "(.+?)"', block.text)
    assert _parser()[0].parse_args(command.split()[1:]).run


def of_nginx(block, reader):
    if shutil.which("nginx") is None:
        return
    place = reader.folder / "nginx"
    place.mkdir()
    server = f"server {{ listen 127.0.0.1:8099; {block.text} }}"
    whole = f"pid {place}/pid; error_log stderr; events {{}} http {{ access_log off; {server} }}"
    (place / "nginx.conf").write_text(whole, "utf-8")
    command = ["nginx", "-t", "-q", "-p", place, "-c", place / "nginx.conf"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert (done.returncode, done.stderr) == (0, "")


CADDY = {
    "request_body",
    "max_size",
    "reverse_proxy",
    "flush_interval",
    "transport",
    "response_header_timeout",
}


def of_caddy(block, reader):
    """Braces match, and there are only words that Caddy's manual has."""
    words = [line.split()[0] for line in block.text.splitlines()]
    assert {word for word in words if word != "}"} == {"gateway.example.com", *CADDY}
    assert block.text.count("{") == block.text.count("}")


def before(block, reader):
    """It is in a file already, since `prepared` has put it there."""
    assert block.text.splitlines()[-1] in "".join(
        path.read_text("utf-8") for path in reader.folder.rglob("*") if path.suffix in (".json", ".toml")
    )


def replayed(block, reader):
    """The test on the page, run with the adapter of the other page."""
    (reader.folder / "replay.py").write_text(f"{ACME}\nadapter = Acme()\n{block.text}", "utf-8")
    reader.type("python replay.py", f"{block.page}:{block.line}")


NOT_SHELL = {
    ("config-as-code.md", "toml"): applied,
    ("conformance.md", "json"): before,
    ("conformance.md", "python"): replayed,
    ("deploying.md", "bat"): of_windows,
    ("deploying.md", "caddy"): of_caddy,
    ("deploying.md", "nginx"): of_nginx,
    ("deploying.md", "xml"): of_launchd,
    ("life-of-a-request.md", "text"): told,
    ("plugins.md", "toml"): before,
    ("plugins/prometheus.md", "toml"): before,
    ("plugins/request_log.md", "toml"): before,
    ("plugins/response_cache.md", "toml"): before,
    ("plugins/think_split.md", "toml"): before,
    ("prices.md", "toml"): before,
    ("streams.md", "text"): told,
}
"""What is done with blocks of other languages, by their page."""

ELSEWHERE = {("plugins.md", "python"): ROOT / "tests/guards/test_docs.py"} | {
    ("write-an-adapter.md", language): ROOT / "tests/docs/test_write_an_adapter.py"
    for language in ("ini", "json", "python", "text")
}
"""Blocks that a test of their own is about."""

CALLED = '{"index": 0, "id": null, "function": {"name": "weather", "arguments": "{\\"city\\": \\"Bern\\"}"}}'
ANSWER = f"""data: {{"id": "1", "model": "m", "choices": [{{"index": 0, "delta": {{"content": "Hello"}}}}]}}

data: {{"id": "1", "model": "m", "choices": [{{"index": 0, "delta": {{"tool_calls": [{CALLED}]}}}}]}}

data: {{"id": "1", "model": "m", "choices": [{{"index": 0, "delta": {{}}, "finish_reason": "tool_calls"}}],
data: "usage": {{"prompt_tokens": 5, "completion_tokens": 9, "total_tokens": 14}}}}

data: [DONE]

"""
ACME = next(block.text for block in pages.blocks("write-an-adapter.md") if block.language == "python")


def prepared(name, folder):
    """Put into a folder what a page takes for granted: files that it names, and files that it shows."""
    shown = [block.text for block in pages.blocks(name) if block.language in ("json", "toml")]
    files = {}
    if name == "conformance.md":
        files = {"my_adapter.py": ACME, "data/plugins/acme.py": ACME, "recorded/1/response.sse": ANSWER}
        files |= {"recorded/1/meta.json": shown[0], "recorded/1/expected.json": shown[1]}
    elif name == "prices.md":
        files = {"prices.toml": shown[0], "config.toml": '[prices]\nfile = "prices.toml"\n'}
        files["options.json"] = OPTIONS
    elif name.startswith("plugins"):
        files = {"config.toml": shown[0]}
    elif name == "money.md":
        files = {"one-api-options.json": OPTIONS}
    elif name == "moving.md":
        files = {"config.yaml": LITELLM}
        sources.fill_file(folder / "one-api.db", sources.ONE_API, ONE_API)
    for file, text in files.items():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(text, "utf-8")


OPTIONS = json.dumps({"ModelRatio": json.dumps({"gpt-4o": 1.25}), "GroupRatio": json.dumps({"vip": 0.8})})
LITELLM = "model_list:\n  - model_name: m1\n    litellm_params: {model: openai/up-m1, api_key: sk-1}\n"
