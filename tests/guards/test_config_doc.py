"""config.example.toml says what proxy/config.py says, no more and no less."""

import re
import tomllib
from pathlib import Path

import msgspec
import pytest
from canalgate.proxy.config import Config, load

EXAMPLE = Path(__file__).resolve().parents[2] / "config.example.toml"
TEXT = EXAMPLE.read_text("utf-8")
UNCOMMENTED = re.sub(r"(?m)^#(?=\w)", "", TEXT)
DOCUMENTED = {(section, key) for section, keys in tomllib.loads(UNCOMMENTED).items() for key in keys}
SETTINGS = {
    (section.name, field.name)
    for section in msgspec.structs.fields(Config)
    for field in msgspec.structs.fields(section.type)
    if field.name != "settings"  # the tables of plugins, which only they know
}


def test_every_setting_is_in_the_example_and_nothing_else_is():
    assert DOCUMENTED == SETTINGS


def test_the_example_as_it_is_changes_nothing():
    assert load(EXAMPLE, {}) == Config()


def test_the_example_uncommented_is_exactly_the_defaults(tmp_path):
    path = tmp_path / "config.toml"
    path.write_text(UNCOMMENTED, "utf-8")
    assert load(path, {}) == Config()


def test_the_example_keeps_the_order_of_the_code():
    keys = re.findall(r"(?m)^#(\w+) =", TEXT)
    sections = msgspec.structs.fields(Config)
    known = [field.name for section in sections for field in msgspec.structs.fields(section.type)]
    assert keys == [name for name in known if name != "settings"]


@pytest.mark.parametrize("key", sorted({key for _, key in SETTINGS}))
def test_every_setting_has_one_line_of_why(key):
    assert re.search(rf"(?m)^# \S.*\.\n#{key} = ", TEXT)
