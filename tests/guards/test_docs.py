"""What the pages show works as it stands there."""

import re
from pathlib import Path

from canalgate.adapters import BUILTIN
from canalgate.plugins.manager import PluginManager

ROOT = Path(__file__).resolve().parent.parent.parent


def test_the_adapter_of_the_page_loads_from_the_plugin_folder(tmp_path):
    page = (ROOT / "docs" / "write-an-adapter.md").read_text("utf-8")
    (tmp_path / "acme.py").write_text(re.search(r"```python\n(.*?)```", page, re.DOTALL)[1], "utf-8")
    manager = PluginManager(BUILTIN, tmp_path)
    assert not [plugin for plugin in manager.plugins if plugin.problem]
    assert manager.adapters["acme"].title == "Acme"


def test_links_between_pages_lead_somewhere():
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    targets = [
        page.parent / target
        for page in pages
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text("utf-8"))
    ]
    assert targets
    assert [target for target in targets if not target.exists()] == []
