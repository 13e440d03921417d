"""What the pages about adapters show is right: the adapter, the case, the lines for a test."""

import re
from pathlib import Path

import orjson
from canalgate.proxy.config import Config
from canalgate.proxy.conformance import SPLITS, channel_for, differences, find, kit, load, replay
from canalgate.proxy.conformance.subject import subject
from conformance.acme import Acme
from conformance.acme_cases import event

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = (DOCS / "conformance.md").read_text("utf-8")


def test_the_adapter_of_the_page_passes_the_kit(tmp_path):
    page = (DOCS / "write-an-adapter.md").read_text("utf-8")
    path = tmp_path / "acme.py"
    path.write_text(re.search(r"```python\n(.*?)```", page, re.DOTALL)[1], "utf-8")
    (adapter,) = find.adapters(str(path), Config())
    found = kit.run(subject(adapter, channel_for(adapter)))
    assert [failure for section in found.sections for failure in section.failures] == []


def test_the_case_of_the_page_is_one_and_replays(tmp_path):
    meta, expected = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "meta.json").write_text(meta, "utf-8")
    (tmp_path / "expected.json").write_text(expected, "utf-8")
    said = event("say", {"say": "Hello"}) + event("call", {"name": "weather", "args": {"city": "Bern"}})
    end = event("end", {"why": "call", "cost": [5, 9]})
    (tmp_path / orjson.loads(meta)["response_file"]).write_bytes(said + end)
    case = load(tmp_path)
    assert [differences(case, replay(Acme(), case, split)) for split in SPLITS] == [[]] * len(SPLITS)


def test_every_section_is_on_the_page():
    adapter = Acme()
    found = kit.run(subject(adapter, channel_for(adapter), wire="own"))
    table = re.search(r"## What is checked\n(.*?)\n## ", PAGE, re.DOTALL)[1]
    words = [section.name.partition(",")[0] for section in found.sections]
    assert [word for word in words if word not in table and not word.startswith("streams ")] == []
