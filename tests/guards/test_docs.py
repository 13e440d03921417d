"""What the pages show works as it stands there."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


def test_links_between_pages_lead_somewhere():
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    targets = [
        page.parent / target
        for page in pages
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text("utf-8"))
    ]
    assert targets
    assert [target for target in targets if not target.exists()] == []
