"""The page on adapters: its code loads from the plugin folder, and from a package, and does what it says."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import orjson
import pytest
from calls import call, chat, failed, sent
from canalgate.adapters import BUILTIN
from canalgate.plugins import BodyError, ErrorKind, UpstreamError, UpstreamResponse, Usage
from canalgate.plugins.manager import PluginManager
from canalgate.proxy.conformance import read_json, read_stream
from support import cuts

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "write-an-adapter.md").read_text("utf-8")
PACKAGE = ROOT / "docs" / "examples" / "canalgate-adapter-parrot"


def section(start: str, end: str = "\n## ") -> str:
    """A part of the page, from a heading to the next of its rank."""
    text = PAGE[PAGE.index(start) + 3 :]
    return text[: text.index(end)]


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


WIRE = section("## A wire of its own")
STEPS = WIRE[: WIRE.index("### 7.")]
CODE = "\n".join(blocks(STEPS, "python"))
ASKED, ANSWERED, FAILED = (orjson.loads(block) for block in blocks(STEPS, "json"))
(STREAMED,) = (block.encode() for block in blocks(STEPS, "text"))
EVENTS = UpstreamResponse(200, {"content-type": "text/event-stream"})


def loaded(folder: Path, file: str, code: str):
    """What the gateway makes of a file in its plugin folder."""
    (folder / file).write_text(code, "utf-8")
    manager = PluginManager(BUILTIN, folder)
    assert not [plugin for plugin in manager.plugins if plugin.problem and not plugin.disabled]
    return manager.adapters


@pytest.fixture
def parrot(tmp_path):
    return loaded(tmp_path, "parrot.py", CODE)["parrot"]


def test_the_ten_lines_for_an_openai_host_load(tmp_path):
    (code,) = blocks(section("## A provider that speaks OpenAI's API"), "python")
    adapter = loaded(tmp_path, "acme.py", code)["acme"]
    assert adapter.request(call(chat())).url == "https://api.acme.example/v1/chat/completions"


def test_a_wire_of_its_own_takes_fewer_than_sixty_lines():
    assert len(CODE.splitlines()) < 60


def test_the_request_is_the_one_the_page_shows(parrot):
    assert sent(parrot, call(chat("Hello"), model="macaw-2")) == ASKED
    request = parrot.request(call(chat("Hello", temperature=0.5, perch="left", stream=True)))
    assert (request.url, request.dropped) == ("https://api.parrot.example/say", ("temperature",))
    assert orjson.loads(request.body)["live"] is True
    assert orjson.loads(request.body)["perch"] == "left"


def test_a_request_without_messages_is_refused(parrot):
    with pytest.raises(BodyError):
        parrot.request(call({"messages": []}))


def test_the_answer_becomes_openais(parrot):
    reply = parrot.reply(call(chat()), UpstreamResponse(200, {}, orjson.dumps(ANSWERED)))
    (choice,) = read_json(reply.body).choices
    assert (choice.text, choice.finish_reason, reply.usage) == ("Hello, you!", "stop", Usage(4, 3))


@pytest.mark.parametrize("how", ["whole", "events", "bytes", "random"])
def test_the_stream_becomes_openais_in_every_split(parrot, how):
    stream = parrot.stream(call(chat(stream=True)), EVENTS)
    outcome = read_stream(b"".join(map(stream.feed, cuts(STREAMED, how))) + stream.close())
    (choice,) = outcome.choices
    assert (choice.text, choice.finish_reason, outcome.complete) == ("Hello, you!", "stop", True)
    assert stream.usage == Usage(4, 3)


def test_the_few_calls_without_a_gateway_are_enough(parrot):
    *_, code = [block for block in blocks(WIRE, "python") if "recorded" in block]
    said = code.replace("call = ...", "call = given")
    names = {"UpstreamResponse": UpstreamResponse, "Parrot": lambda: parrot, "recorded": STREAMED}
    names["given"] = call(chat(stream=True))
    exec(said, names)
    assert read_stream(names["sent"]).choices[0].text == "Hello, you!"


@pytest.mark.parametrize("how", ["whole", "bytes"])
def test_a_stream_that_breaks_off_has_no_good_end(parrot, how):
    stream = parrot.stream(call(chat(stream=True)), EVENTS)
    shown = b"".join(map(stream.feed, cuts(STREAMED[: STREAMED.index(b'data: {"why"')], how)))
    with pytest.raises(UpstreamError) as caught:
        stream.close()
    assert (read_stream(shown).choices[0].text, caught.value.kind) == ("Hello, you!", ErrorKind.FAULT)


def test_a_failure_in_a_stream_is_raised_after_what_came_before(parrot):
    stream = parrot.stream(call(chat(stream=True)), EVENTS)
    begun = STREAMED[: STREAMED.index(b'data: {"piece": " you!"}')]
    shown = stream.feed(begun + b"data: " + orjson.dumps(FAILED) + b"\n\n")
    with pytest.raises(UpstreamError, match="one squawk a second") as caught:
        stream.close()
    assert (read_stream(shown).choices[0].text, caught.value.kind) == ("Hello,", ErrorKind.RATE)


@pytest.mark.parametrize("status", [200, 429, 500])
def test_the_failure_of_the_page_is_one_of_rate_whatever_the_status(parrot, status):
    error = failed(parrot, status, FAILED, retry_after="3")
    assert (error.kind, error.message, error.retry_after) == (ErrorKind.RATE, "one squawk a second", 3.0)


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "bad_key", ErrorKind.CREDENTIAL),
        (400, "no_such_bird", ErrorKind.MODEL),
        (400, "moulting", ErrorKind.REQUEST),
        (503, "moulting", ErrorKind.BUSY),
        (200, "moulting", ErrorKind.FAULT),
    ],
)
def test_other_codes_go_by_the_table_and_then_by_the_status(parrot, status, code, kind):
    assert failed(parrot, status, {"problem": {"code": code, "text": "x"}}).kind is kind


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"problem":'])
def test_what_is_not_of_parrot_goes_by_the_status(parrot, body):
    assert parrot.error(call(chat()), UpstreamResponse(401, {}, body)).kind is ErrorKind.CREDENTIAL


def recorded(folder: Path, stream: bool) -> None:
    """Put the page's answer, whole or streamed, into a folder as a case of the conformance kit."""
    case = folder / ("stream" if stream else "whole")
    case.mkdir(parents=True)
    form, file = ("sse", "response.sse") if stream else ("json", "response.json")
    meta = {"provider": "parrot", "case": case.name, "api": "parrot.say", "status": 200, "stream": stream}
    (case / "meta.json").write_bytes(orjson.dumps({**meta, "body_form": form, "response_file": file}))
    (case / file).write_bytes(STREAMED if stream else orjson.dumps(ANSWERED))
    choice = {"index": 0, "text": "Hello, you!", "reasoning": "", "tool_calls": [], "finish_reason": "stop"}
    usage = {"prompt_tokens": 4, "completion_tokens": 3}
    (case / "expected.json").write_bytes(orjson.dumps({"choices": [choice], "usage": usage}))


def test_the_checks_the_page_speaks_of_find_nothing(tmp_path):
    file = tmp_path / "parrot.py"
    file.write_text(CODE, "utf-8")
    recorded(tmp_path / "cases", stream=True)
    recorded(tmp_path / "cases", stream=False)
    command = [sys.executable, "-m", "canalgate", "conformance", str(file), "--no-sockets"]
    done = subprocess.run(
        [*command, "--cases", str(tmp_path / "cases")], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_package_is_the_code_of_the_page():
    module = (PACKAGE / "canalgate_adapter_parrot" / "__init__.py").read_text("utf-8")
    assert ast.dump(ast.parse(module)) == ast.dump(ast.parse(CODE))
    assert blocks(section("## As a package", "```sh"), "ini") == [(PACKAGE / "setup.cfg").read_text("utf-8")]


def test_the_package_is_installed_by_pip_and_found_by_its_entry_point(tmp_path):
    source, target = tmp_path / "source", tmp_path / "lib"
    for path in [path for path in PACKAGE.rglob("*") if path.suffix in (".py", ".cfg", ".toml")]:
        copy = source / path.relative_to(PACKAGE)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    alone = ["--no-deps", "--no-index", "--no-build-isolation", "--disable-pip-version-check", "--quiet"]
    install = [sys.executable, "-m", "pip", "install", *alone, "--target", str(target), str(source)]
    done = subprocess.run(install, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    script = (
        "from canalgate.adapters import BUILTIN\n"
        "from canalgate.plugins.manager import PluginManager\n"
        "manager = PluginManager(BUILTIN)\n"
        "(plugin,) = [plugin for plugin in manager.plugins if plugin.name == 'parrot']\n"
        "print(manager.adapters['parrot'].title, plugin.source, plugin.version)\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", script],
        env={"PYTHONPATH": str(target)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert found.stdout == "Parrot package canalgate-adapter-parrot 1.0\n", found.stderr
