"""The file on the page about configuration as code is understood as it stands there."""

import re
import tomllib
from pathlib import Path

from canalgate.proxy.blueprint.document import read, write

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "config-as-code.md").read_text("utf-8")


def test_the_file_on_the_page_is_one():
    (text,) = re.findall(r"(?s)```toml\n(.*?)```", PAGE)
    document = read(text, "toml")
    assert {*tomllib.loads(text)} == {
        "version",
        "groups",
        "prices",
        "models",
        "channels",
        "users",
        "tokens",
        "limits",
    }
    assert read(write(document, "json"), "json") == document
