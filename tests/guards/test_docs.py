"""What the pages show works as it stands there."""

import inspect
import re
import shlex
from pathlib import Path

import pytest
from canalgate.plugins import hookspecs
from canalgate.plugins.manager import FEATURES, PluginManager
from canalgate.proxy.cli import _parser

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def test_links_between_pages_lead_somewhere():
    targets = [
        page.parent / target
        for page in PAGES
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text("utf-8"))
    ]
    assert targets
    assert [target for target in targets if not target.exists()] == []


def anchors(page):
    """The headings of a page as links name them."""
    headings = re.findall(r"(?m)^#+ (.+)$", page.read_text("utf-8"))
    return {re.sub(r"[^\w -]", "", text.lower()).replace(" ", "-") for text in headings}


def test_links_to_headings_lead_to_one():
    links = [
        (page, page.parent / target if target else page, anchor)
        for page in PAGES
        for target, anchor in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", page.read_text("utf-8"))
    ]
    assert links
    assert [link for link in links if link[2] not in anchors(link[1])] == []


def test_the_readme_is_short():
    assert len(PAGES[0].read_text("utf-8").splitlines()) <= 120


COMMAND = r"(?m)^(?:\.venv/bin/)?(canalgate (?:.*\\\n)*[^>|\n]*)"


def code(page):
    """What is to be typed: blocks of shell or of no language, and lines set in by four."""
    text = page.read_text("utf-8")
    found = re.findall(r"(?ms)^```(\w*)\n(.*?)^```$", text)
    blocks = [block for language, block in found if language in ("", "sh")]
    return "\n".join([*blocks, *re.findall(r"(?m)^    (canalgate .+)$", text)])


COMMANDS = [(str(page.relative_to(ROOT)), line) for page in PAGES for line in re.findall(COMMAND, code(page))]


@pytest.mark.parametrize(("page", "line"), COMMANDS)
def test_commands_on_the_pages_are_understood(page, line):
    parser, _ = _parser()
    parser.parse_args(shlex.split(line.replace("\\\n", " "), comments=True)[1:])


def test_a_command_that_is_none_would_be_seen():
    parser, _ = _parser()
    with pytest.raises(SystemExit):
        parser.parse_args(["token", "create", "--user", "anna"])


PLUGINS_PAGE = (ROOT / "docs" / "plugins.md").read_text("utf-8")
HOOKS = {
    name: list(inspect.signature(value).parameters)
    for name, value in vars(hookspecs).items()
    if hasattr(value, f"{hookspecs.PROJECT}_spec")
}


@pytest.mark.parametrize("name", HOOKS)
def test_every_hook_is_on_the_page_of_plugins_with_its_parameters(name):
    assert f"\n| `{name}({', '.join(HOOKS[name])})` | " in PLUGINS_PAGE


def test_the_page_of_plugins_has_no_hook_that_is_not_there():
    assert set(re.findall(r"(?m)^\| `(\w+)\(", PLUGINS_PAGE)) == set(HOOKS)


@pytest.mark.parametrize("name", FEATURES)
def test_every_feature_plugin_is_on_the_page_of_plugins(name):
    assert f"[{name}](plugins/{name}.md)" in PLUGINS_PAGE


def test_the_plugin_on_the_page_of_plugins_loads(tmp_path):
    (code,) = re.findall(r"```python\n(.*?)```", PLUGINS_PAGE, re.DOTALL)
    (tmp_path / "teapot.py").write_text(code, "utf-8")
    (plugin,) = [plugin for plugin in PluginManager((), tmp_path).plugins if plugin.name == "teapot"]
    assert (plugin.problem, plugin.hooks) == ("", ("prepare_request",))
