"""The pages of docs/reference are what the code says; after a change: `make references`."""

import re

import pytest
from canalgate.proxy.admin.resources import OPERATIONS
from canalgate.proxy.config import Config, load
from canalgate.proxy.settings import LIVE
from console_types import types
from references import FOLDER, PAGES, TYPES

MADE = {page: make() for page, make in PAGES.items()}
SETTINGS = re.findall(r"(?m)^\| `\w+` \| .+? \| `(.*?)` \| .+ \| `(CANALGATE_\w+__\w+)`", MADE["settings.md"])


@pytest.mark.parametrize("page", PAGES)
def test_the_page_is_what_make_references_makes(page):
    assert (FOLDER / page).read_text("utf-8") == MADE[page], "out of date: make references"


def test_the_console_knows_the_shapes_of_the_admin_api():
    assert TYPES.read_text("utf-8") == types(), "out of date: make references"


def test_no_other_page_is_among_the_generated_ones():
    assert {page.name for page in FOLDER.iterdir()} == set(PAGES)


def test_the_names_of_the_environment_with_their_defaults_change_nothing(tmp_path):
    config = tmp_path / "config.toml"
    config.touch()
    assert len(SETTINGS) == MADE["settings.md"].count("| `CANALGATE_") > 50
    assert load(config, {name: default.strip('"') for default, name in SETTINGS}) == Config()


def test_the_page_on_configuration_names_the_settings_that_hold_at_once():
    page = (FOLDER.parent / "configuration.md").read_text("utf-8")
    told = re.search(r"(?s)hold at once, in every gateway: (.*?)\. The others", page)
    assert set(re.findall(r"`([\w.]+)`", told[1])) == LIVE


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: f"{one.method} {one.path}")
def test_every_operation_is_on_the_page_with_its_role(operation):
    heading = f"### {operation.method} {operation.path}\n"
    part = MADE["api.md"].partition(heading)[2].partition("\n##")[0]
    assert f"Role: `{operation.least}`." in part


def test_the_page_of_commands_says_what_an_argument_is_for_and_whether_it_is_needed():
    assert "| `--name NAME` | needed | what people call it |" in MADE["commands.md"]
    assert "canalgate completion bash|zsh|fish\n" in MADE["commands.md"]
