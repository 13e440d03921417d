"""What shells complete, by the scripts that the command prints."""

import shlex
import shutil
import subprocess

import pytest
from processes import run

BASH = """\
source {script}
complete_line() {{ COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _canalgate; echo "${{COMPREPLY[*]}}"; }}
complete_line {line}
"""

ZSH = """\
compdef() {{ : }}
compadd() {{ shift; print -r -- $*; }}
_files() {{ print FILES; }}
source {script}
words=({line}); CURRENT=$#words; _canalgate
"""


@pytest.fixture(scope="module", autouse=True)
def lane():
    """No gateway is needed, so each test runs once."""


@pytest.fixture(scope="module")
def scripts(tmp_path_factory):
    """The scripts by shell. Settings that cannot be read do not matter."""
    folder = tmp_path_factory.mktemp("completion")
    (folder / "config.toml").write_text("nonsense")
    for shell in ("bash", "zsh", "fish"):
        done = run(folder, "completion", shell)
        assert (done.returncode, done.stderr) == (0, "")
        (folder / shell).write_text(done.stdout)
    return folder


def said(shell, script):
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed")
    options = {"bash": ["--norc"], "zsh": ["-f"], "fish": ["-N"]}[shell]
    done = subprocess.run([shell, *options, "-c", script], capture_output=True, text=True, timeout=20)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split()


LINES = [
    ("canalgate ch", ["check", "channel"]),
    ("canalgate price ''", ["list", "show", "set", "unset", "import"]),
    ("canalgate channel add --na", ["--name"]),
    ("canalgate --config x.toml user create --role ''", ["user", "admin"]),
    ("canalgate usage --by ''", ["model", "token", "user", "channel"]),
    ("canalgate token create --name channel --us", ["--user"]),
    ("canalgate import ''", ["oneapi", "newapi", "aiproxy", "litellm"]),
    # Nothing of ours, so that the shell offers files.
    ("canalgate --config ''", []),
    ("canalgate backup ''", []),
    ("canalgate import oneapi ''", []),
    ("canalgate usage --since ''", []),
    ("canalgate nonsense channel lis", ["list"]),
]


@pytest.mark.parametrize(("line", "words"), LINES)
def test_bash_completes(scripts, line, words):
    assert said("bash", BASH.format(script=scripts / "bash", line=line)) == words


def test_bash_offers_files_where_we_have_nothing(scripts):
    script = f"source {scripts / 'bash'}; complete -p canalgate"
    assert said("bash", script) == ["complete", "-o", "default", "-F", "_canalgate", "canalgate"]


@pytest.mark.parametrize(("line", "words"), [
    ("canalgate price ''", ["list", "show", "set", "unset", "import"]),
    ("canalgate user create --role ''", ["user", "admin"]), ("canalgate backup ''", ["FILES"]),
])  # fmt: skip
def test_zsh_completes(scripts, line, words):
    assert said("zsh", ZSH.format(script=scripts / "zsh", line=line)) == words


@pytest.mark.parametrize(("line", "first"), [
    ("canalgate chec", "check"), ("canalgate user create --role a", "admin"),
    ("canalgate channel add --na", "--name"),
])  # fmt: skip
def test_fish_completes(scripts, line, first):
    assert said("fish", f"source {scripts / 'fish'}; complete -C {shlex.quote(line)}")[0] == first


def test_another_shell_is_wrong_usage(scripts):
    done = run(scripts, "completion", "tcsh")
    assert (done.returncode, "bash" in done.stderr) == (2, True)
