"""Every block of the README and of the pages is tried: typed in its order in a folder, or looked over.

`canalgate` is the one of this environment. A page's gateway is started by the page, or for it; what is shown
behind a command is compared with what it prints. `page_tables.py` says what is replaced and not typed.
"""

import os
import re
import shutil
import time
from contextlib import AsyncExitStack

import databases
import orjson
import pages
import pytest
import reader
import sources
from page_tables import (
    ADMIN_KEY,
    ALONE,
    ELSEWHERE,
    FRESH,
    FURNISHED,
    INSTEAD,
    MODELS,
    NOT_SHELL,
    NOT_TYPED,
    ONE_API,
    SETTINGS,
    STOPPED,
    prepared,
)
from pages import ROOT


@pytest.fixture(scope="module")
def provider():
    with reader.provider() as url:
        yield url


@pytest.fixture(scope="module")
def furnished(provider, tmp_path_factory):
    """A data directory with an installation, and the key of its token 1."""
    folder = tmp_path_factory.mktemp("furnished")
    person = reader.Reader(folder, {})
    person.serve()
    person.stop()
    channel = {"type": "openai", "base_url": f"{provider}/v1", "key": reader.KEY}
    channels = [{"name": name, "models": models, **channel} for name, models in MODELS.items()]
    (folder / "gate.json").write_bytes(orjson.dumps(FURNISHED | {"channels": channels}))
    person.type("canalgate apply gate.json", "the installation that pages find")
    return folder / "data", person.words["sk-..."]


@pytest.fixture
async def words(name, servers, provider, tmp_path):
    """What a page's own words stand for; with databases where it names some."""
    known = {"{provider}": provider, "{parrot}": str(ROOT / "docs" / "examples" / "canalgate-adapter-parrot")}
    async with AsyncExitStack() as stack:
        if name == "moving.md":
            for product, kind, schema, rows in (
                ("oneapi", "mysql", sources.ONE_API, ONE_API),
                ("newapi", "postgres", sources.NEW_API, ONE_API),
                ("aiproxy", "postgres", sources.AI_PROXY, {}),
                ("litellm", "postgres", sources.LITELLM, {}),
            ):
                made = sources.source(kind, servers, tmp_path, schema, rows)
                known[f"{{{product}}}"] = await stack.enter_async_context(made)
        for kind in ("mysql", "postgres"):
            if any(f"{{{kind}}}" in meant for meant in INSTEAD.get(name, {}).values()):
                url = await stack.enter_async_context(databases.empty(servers(kind)))
                known[f"{{{kind}}}"] = url
        yield INSTEAD.get(name, {}) | INSTEAD[""] | known


BEGINS = r"(?m)^canalgate serve(?! --replace)"
ASK = """curl -i http://127.0.0.1:3000/v1/chat/completions -H "Authorization: Bearer $TOKEN" \\
  -H 'Content-Type: application/json' -d '{"model":"gpt-4o","messages":[{"role":"user","content":"%s"}]}'"""


def asked(person):
    """Leave a failed request and a good one in the log; wait for the plugin that keeps their bodies."""
    person.type(f"{ASK % 'fail'} || true", "before the page")
    person.type(ASK % "Hello", "before the page")
    config, end = person.folder / "config.toml", time.monotonic() + 10
    while config.exists() and "plugins.request_log" in config.read_text() and time.monotonic() < end:
        if [*(person.folder / "data").glob("request_log/*.jsonl")]:
            break
        time.sleep(0.02)


NAMES = [name for name in pages.PAGES if pages.blocks(name)]


@pytest.mark.parametrize("name", NAMES)
async def test_what_a_page_says_can_be_done(name, words, furnished, tmp_path):
    needed(name)
    folder = tmp_path / "reader"
    folder.mkdir()
    prepared(name, folder)
    person = reader.Reader(folder, words, CANALGATE_ADMIN_KEY=ADMIN_KEY, **SETTINGS.get(name, {}))
    if name not in FRESH:
        data, key = furnished
        shutil.copytree(data, folder / "data", dirs_exist_ok=True)
        person.words["sk-..."] = person.environment["TOKEN"] = key
    try:
        if not any(re.search(BEGINS, block.text) for block in pages.blocks(name)) and name not in ALONE:
            person.serve()
        if name not in FRESH | ALONE:
            asked(person)
        follow(name, person)
    finally:
        person.stop()
    assert person.errors() == []


def needed(name):
    """Skip a page whose programs are not installed; under CI that is a failure."""
    said = "".join(block.text for block in pages.blocks(name) if block.language == "sh")
    wanted = ["curl", *re.findall(r"(?m)^jq(?= )", said)]
    if missing := [tool for tool in wanted if not shutil.which(tool)]:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(f"{missing} is not installed")


def follow(name, person):
    """Do everything a page says, block by block."""
    printed = ""
    for block in pages.blocks(name):
        where = f"{name}:{block.line}"
        if block.language == "sh":
            printed = typed(block, person)
        elif block.language == "text" and printed:
            assert fits(person.filled(block.text), printed), (
                f"{where}: shown is\n{block.text}\nbut not\n{printed}"
            )
        elif (name, block.language) not in ELSEWHERE:
            assert (name, block.language) in NOT_SHELL, f"{where}: nothing looks at this {block.language}"
            NOT_SHELL[name, block.language](block, person)


def typed(block, person):
    """Type a block, or look it over; return what was printed."""
    for (page, beginning), (check, _) in NOT_TYPED.items():
        if page == block.page and block.text.startswith(beginning):
            check(block, person)
            return ""
    printed = []
    for command in block.commands():
        if any(command.text.startswith(beginning) for beginning in STOPPED):
            person.stop()
        printed.append(person.type(command.text, f"{block.page}:{command.line}"))
    return "".join(printed)


def fits(shown, printed):
    """Whether what was printed begins like each line shown, in this order; `...` is anything."""
    pattern = "(?s)" + ".*?".join(
        re.escape(line).replace(re.escape("..."), ".*?") for line in shown.splitlines() if line
    )
    return re.search(pattern, printed) is not None


def test_nothing_in_the_tables_is_about_a_block_that_is_not_there():
    there = {(name, block.language) for name in NAMES for block in pages.blocks(name)}
    assert ({*NOT_SHELL} | {*ELSEWHERE}) <= there
    assert [path for path in ELSEWHERE.values() if not path.exists()] == []
    begun = {
        (page, beginning)
        for page, beginning in NOT_TYPED
        if any(block.text.startswith(beginning) for block in pages.blocks(page))
    }
    assert begun == {*NOT_TYPED}
    said = {name: "".join(block.text for block in pages.blocks(name)) for name in NAMES}
    said[""] = "".join(said.values())
    assert [(name, word) for name, words in INSTEAD.items() for word in words if word not in said[name]] == []


@pytest.mark.parametrize("name", pages.PAGES)
def test_whatever_is_to_be_typed_is_in_a_block_that_says_its_language(name):
    text = pages.PAGES[name].read_text("utf-8")
    assert [block.line for block in pages.blocks(name) if not block.language] == []
    assert re.findall(r"(?m)^\n {4}\S.*", re.sub(r"(?ms)^```.*?^```$", "", text)) == []
