"""What is released holds what the package says it needs, and no more than was meant."""

import configparser
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MOST_DEPENDENCIES = 15


def names(text):
    """Names of packages that lines of requirements begin with."""
    return set(re.findall(r"(?m)^\s*([A-Za-z0-9_.-]+)", text))


SETUP = configparser.ConfigParser()
SETUP.read(ROOT / "setup.cfg", "utf-8")
NEEDED = names(SETUP["options"]["install_requires"])
EXTRAS = set().union(
    *(names(text) for name, text in SETUP["options.extras_require"].items() if name != "dev")
)
LOCK = (ROOT / "release" / "requirements.lock").read_text("utf-8")


def test_the_binary_holds_every_package_that_is_needed_and_every_extra():
    assert names(LOCK) >= NEEDED | EXTRAS, "after a change of dependencies: make lock"


def test_every_package_of_the_locks_is_pinned_by_hashes():
    for text in (
        LOCK,
        *((ROOT / "release" / f"{name}.lock").read_text("utf-8") for name in ("tools", "zig")),
    ):
        wanted = re.split(r"\n(?=\S)", text.strip())
        assert [
            one for one in wanted if not re.match(r"\S+==\S+ .*--hash=sha256:[0-9a-f]{64}", one, re.DOTALL)
        ] == []


def test_windows_is_not_asked_for_the_event_loop_that_it_cannot_have():
    assert re.search(r"(?m)^uvloop==\S+ ; sys_platform != 'win32' ", LOCK)


def test_there_are_few_dependencies_and_each_is_justified():
    page = (ROOT / "docs" / "dependencies.md").read_text("utf-8")
    assert len(NEEDED) <= MOST_DEPENDENCIES
    assert {name for name in NEEDED | EXTRAS if not re.search(rf"\| {re.escape(name)} \|", page)} == set()


DEBIAN_12 = "2.36"
"""Its glibc, which is the newest that anything made there can need."""


@pytest.mark.parametrize("page", ["README", "docs/deploying", "docs/zh/README", "docs/zh/deploying"])
def test_the_docs_say_which_glibc_the_binary_needs_as_its_build_holds_it_to(page):
    (older,) = re.findall(r'(?m)^GLIBC = "(.+)"$', (ROOT / "release" / "python.py").read_text("utf-8"))
    said = re.findall(r"(?i)glibc[ =]([0-9.]*[0-9])", (ROOT / f"{page}.md").read_text("utf-8"))
    assert set(said) == {older, DEBIAN_12}
