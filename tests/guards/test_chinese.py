"""The Chinese pages say which English page they follow, and a translation has all that is code in it."""

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES = sorted((DOCS / "zh").glob("*.md"))
TRANSLATIONS = [page for page in PAGES if "> 本页译自" in page.read_text("utf-8")]
OTHERS = [page for page in PAGES if page not in TRANSLATIONS]

MAIN = {
    "admin-api", "commands", "configuration", "deploying", "fastgpt", "first-run", "life-of-a-request",
    "limits", "many-instances", "money", "moving", "threat-model", "write-an-adapter",
}  # fmt: skip

ENGLISH = "\n".join(
    page.read_text("utf-8")
    for page in (DOCS.parent / "README.md", *DOCS.glob("*.md"), *DOCS.glob("design/*.md"))
)
FENCED = r"(?ms)^```.*?^```$"
CODE = FENCED + r"|^    \S[^\n]*$"


def followed(page):
    """The English page that is named at the top."""
    top = page.read_text("utf-8").splitlines()[2]
    return (page.parent / re.search(r"^> 本页.*?\]\((\S+?)\)", top)[1]).resolve()


def typed(text):
    """What is to be typed or is shown, line by line, without comments."""
    lines = "\n".join(re.findall(CODE, text)).splitlines()
    return [re.sub(r"\s+# .*", "", line).strip() for line in lines]


def codes(text):
    """What is set as code inside sentences."""
    return {" ".join(code.split()) for code in re.findall(r"`([^`]+)`", re.sub(FENCED, "", text))}


def shape(text):
    """Headings by their rank, and rows of tables by their cells."""
    lines = re.sub(FENCED, "", text).splitlines()
    headings = [line.split()[0] for line in lines if line.startswith("#")]
    return headings, [line.replace("`|", "").count("|") for line in lines if line.startswith("|")]


def test_there_are_translations_and_pages_that_are_more_or_less():
    assert {page.stem for page in TRANSLATIONS} >= MAIN
    assert [page.name for page in OTHERS] == ["README.md", "providers.md"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_chinese_page_names_at_its_top_the_english_page_it_follows(page):
    assert followed(page).is_file()
    assert followed(page).name == page.name


@pytest.mark.parametrize("page", TRANSLATIONS, ids=lambda page: page.name)
def test_a_translation_has_the_same_commands_and_examples(page):
    assert typed(page.read_text("utf-8")) == typed(followed(page).read_text("utf-8"))


@pytest.mark.parametrize("page", TRANSLATIONS, ids=lambda page: page.name)
def test_a_translation_names_the_same_settings_headers_and_files(page):
    assert codes(page.read_text("utf-8")) == codes(followed(page).read_text("utf-8"))


@pytest.mark.parametrize("page", TRANSLATIONS, ids=lambda page: page.name)
def test_a_translation_has_the_same_headings_and_tables(page):
    assert shape(page.read_text("utf-8")) == shape(followed(page).read_text("utf-8"))


@pytest.mark.parametrize("page", OTHERS, ids=lambda page: page.name)
def test_what_is_typed_on_another_chinese_page_is_on_an_english_one(page):
    known = {line.replace(".venv/bin/", "") for line in typed(ENGLISH)}
    assert {line.replace(".venv/bin/", "") for line in typed(page.read_text("utf-8"))} <= known


def test_every_command_of_the_english_readme_is_in_the_chinese_one():
    chinese = typed((DOCS / "zh" / "README.md").read_text("utf-8"))
    english = typed((DOCS.parent / "README.md").read_text("utf-8"))
    assert [line for line in english if line not in chinese] == []


def test_every_type_of_provider_is_on_the_chinese_page():
    rows = re.findall(r"(?m)^\| [^|]+ \| `([\w-]+)` \|", (DOCS / "providers.md").read_text("utf-8"))
    assert len(rows) > 40
    assert set(rows) <= codes((DOCS / "zh" / "providers.md").read_text("utf-8"))
