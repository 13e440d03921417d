"""A gateway in a process of its own, and a Chromium to look at its console with."""

import os
import shutil
from contextlib import contextmanager
from pathlib import Path

import processes
import pytest
import visitors
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[2]
STATIC = ROOT / "proxy" / "static" / "index.html"
AXE = ROOT / "console" / "node_modules" / "axe-core" / "axe.min.js"


def missing(what):
    """Say what a test cannot do without; under CI that is a failure."""
    (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(what)


@pytest.fixture(scope="module")
def browser():
    """Debian's Chromium, and the console that was compiled for it.

    For one module: as long as Playwright is there its event loop runs, and no other test could run one.
    """
    path = shutil.which("chromium")
    if path is None:
        missing("chromium is not installed: make system")
    if shutil.which("npm") is None:
        pytest.skip("Node.js is not installed, which compiles the web console")
    if not (STATIC.is_file() and AXE.is_file()):
        missing("the web console is not compiled: make console")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=visitors.FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def visit(browser):
    """A function that makes a visitor of a gateway; checked and closed when the test ends."""
    made = []

    def visit(serving, **options):
        made.append(visitors.Visitor(browser, serving, **options))
        return made[-1]

    yield visit
    for visitor in made:
        visitor.close()


@pytest.fixture
def fresh(tmp_path):
    """A gateway that has never run before."""
    serving = processes.start(tmp_path, "fresh", CANALGATE_SETUP_SECRET=visitors.SECRET)
    yield serving
    serving.stop()


@contextmanager
def settled_in(folder, **environ):
    """A gateway with channels that fare well and badly, people, tokens, and a month behind it."""
    serving = processes.start(
        folder, "settled", CANALGATE_SETUP_SECRET=visitors.SECRET, CANALGATE_ADMIN_KEY=visitors.KEY,
        CANALGATE_ROUTING__RETRY_PAUSE_S="0.01", **environ,
    )  # fmt: skip
    try:
        with visitors.bank() as url:
            visitors.settle(serving, url)
            visitors.past_of(serving)
            yield serving
    finally:
        serving.stop()


@pytest.fixture(scope="session")
def settled(tmp_path_factory):
    """The gateway that most tests look at; what they change of it is their own."""
    with settled_in(tmp_path_factory.mktemp("settled")) as serving:
        yield serving


@pytest.fixture(scope="session")
def in_yuan(tmp_path_factory):
    """The same, whose console speaks of yuan, 7.2 of which are a dollar."""
    money = {"CANALGATE_MONEY__CURRENCY": "CNY", "CANALGATE_MONEY__PER_DOLLAR": "7.2"}
    with settled_in(tmp_path_factory.mktemp("yuan"), **money) as serving:
        yield serving


@pytest.fixture(scope="module")
def spoilt(tmp_path_factory):
    """Such a gateway for a module that makes a mess of it."""
    with settled_in(tmp_path_factory.mktemp("spoilt")) as serving:
        yield serving
