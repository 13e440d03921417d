"""The pages of the documentation, read as somebody reads them who does what they say."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGES = {
    str(page.relative_to(ROOT / "docs")) if page.is_relative_to(ROOT / "docs") else page.name: page
    for page in [
        ROOT / "README.md",
        *sorted(
            page
            for page in (ROOT / "docs").rglob("*.md")
            if not {"zh", "reference"} & {*page.relative_to(ROOT).parts}
        ),
    ]
}
"""By name as links from `docs` have it. tests/guards/test_chinese.py holds the Chinese ones to the same."""


@dataclass(frozen=True)
class Command:
    """One line to be typed, with those that continue it, and the number of the first."""

    line: int
    text: str


@dataclass(frozen=True)
class Block:
    """A fenced block: its page, the number of its first line, its language and its lines."""

    page: str
    line: int
    language: str
    text: str

    def commands(self):
        """What is typed at a time: lines that end in a backslash or in an open quote go on."""
        begun, number = "", self.line
        for at, line in enumerate(self.text.splitlines(), self.line):
            begun, number = (f"{begun}\n{line}", number) if begun else (line, at)
            if not goes_on(begun):
                yield Command(number, begun)
                begun = ""
        assert not begun, f"{self.page}:{number}: {begun}: does not end"


def goes_on(text):
    """Whether a shell would wait for another line."""
    try:
        shlex.split(text, comments=True)
    except ValueError:
        return True
    return text.endswith("\\")


def blocks(name):
    """The blocks of a page in their order."""
    text = PAGES[name].read_text("utf-8")
    return [
        Block(name, text.count("\n", 0, found.start()) + 2, found[1], found[2])
        for found in re.finditer(r"(?ms)^```(\w*)\n(.*?)^```$", text)
    ]
