"""`canalgate conformance` as people and CI run it."""

import json
from pathlib import Path

import pytest
from canalgate.proxy.cli import main
from conformance import acme_cases

HERE = Path(__file__).parent
ACME = str(HERE / "acme.py")


@pytest.fixture
def run(tmp_path, monkeypatch, capfd):
    """Run the command in an empty folder; returns its exit status and what it wrote."""
    monkeypatch.chdir(tmp_path)

    def running(*arguments):
        status = main(["conformance", *arguments])
        return status, *capfd.readouterr()

    return running


@pytest.fixture
def recorded(tmp_path):
    return str(acme_cases.write(tmp_path / "cases"))


def plugin(folder, text):
    path = folder / "mine.py"
    path.write_text(text, "utf-8")
    return str(path)


MINE = """
from canalgate.adapters.openai import OpenAIAdapter
from canalgate.plugins import hookimpl
{imports}

class Mine(OpenAIAdapter):
    name = "mine"
    title = "Mine"
{body}

@hookimpl
def register_adapters(register):
    register(Mine())
"""


def test_a_built_in_adapter_is_found_by_its_name_and_passes(run):
    status, out, _ = run("openai")
    last = out.splitlines()[-1].split()
    assert (status, last[0], last[-1]) == (0, "all", "ok")
    assert last[1] == last[3]


def test_an_adapter_that_answers_by_itself_needs_no_traffic(run):
    status, out, _ = run("demo")
    assert status == 0
    assert "answers by itself" in out


def test_a_wire_of_its_own_is_checked_with_the_recorded_answers_of_its_author(run, recorded):
    status, out, _ = run(ACME, "--cases", recorded)
    assert (status, "FAILED" in out) == (0, False)
    assert "over a socket" in out


def test_without_recorded_answers_a_wire_of_its_own_is_refused_with_the_way_out(run):
    status, out, err = run(ACME)
    assert (status, out) == (2, "")
    assert "--cases DIR" in err and "docs/conformance.md" in err


def test_a_faulty_file_fails_and_its_fault_is_said(run, tmp_path):
    body = "    def auth(self, call):\n        return {}\n"
    status, out, _ = run(plugin(tmp_path, MINE.format(imports="", body=body)))
    assert status == 1
    assert "the key: the request is not signed" in out


@pytest.mark.parametrize("name", ["time", "socket", "logging"])
def test_input_and_output_in_an_adapter_are_found(run, tmp_path, name):
    status, out, _ = run(plugin(tmp_path, MINE.format(imports=f"import {name}", body="")), "--no-sockets")
    assert status == 1
    assert f"its module imports {name}" in out


def test_a_program_gets_json(run, recorded):
    status, out, _ = run(ACME, "--cases", recorded, "--json", "--no-sockets")
    (report,) = json.loads(out)
    assert status == 0
    assert (report["adapter"], report["wire"], report["ok"]) == ("acme", "own", True)
    assert report["passed"] == report["total"] == sum(section["total"] for section in report["sections"])


def test_a_program_gets_the_failures_too(run, tmp_path):
    body = "    def auth(self, call):\n        return {}\n"
    status, out, _ = run(plugin(tmp_path, MINE.format(imports="", body=body)), "--json", "--no-sockets")
    (report,) = json.loads(out)
    (failing,) = [section for section in report["sections"] if section["failures"]]
    assert (status, report["ok"], failing["name"]) == (1, False, "requests")
    assert "not signed" in failing["failures"][0]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nobody"], "there is no adapter 'nobody'; there are "),
        (["nowhere.py"], "there is no file 'nowhere.py'"),
        (["openai", "--cases", "nowhere"], "no recorded case below 'nowhere'"),
    ],
)
def test_what_cannot_be_found_is_named(run, arguments, words):
    status, out, err = run(*arguments)
    assert (status, out) == (2, "")
    assert words in err


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("import nothing_of_this_name", "ModuleNotFoundError"),
        ("x = 1", "registers no adapter"),
        (MINE.format(imports="", body="    endpoints = frozenset()"), "states no endpoints"),
        ("raise SystemExit(3)", "SystemExit"),
    ],
    ids=["import", "nothing", "no endpoints", "exit"],
)
def test_a_file_that_cannot_be_used_is_refused_with_the_reason(run, tmp_path, text, words):
    status, _, err = run(plugin(tmp_path, text))
    assert status == 2
    assert words in err


def test_settings_of_the_channel_reach_the_adapter(run, tmp_path):
    body = "    def check(self, channel):\n        if channel.options.get('colour') != 'red':\n"
    body += "            raise ValueError('red is wanted')\n"
    path = plugin(tmp_path, MINE.format(imports="", body=body))
    status, out, _ = run(path, "--no-sockets")
    assert status == 1 and "red is wanted; say what it needs with --key, --base-url or --option" in out
    assert run(path, "--no-sockets", "--option", "colour=red")[0] == 0
