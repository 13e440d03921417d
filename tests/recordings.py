"""The recorded provider traffic, where it lies beside the checkout. It is no part of the repository."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

RECORDINGS = Path(__file__).resolve().parent.parent.parent / "shared" / "fixtures" / "recorded"

OPENAI_SHAPED = {
    "chat.completions",
    "completions",
    "embeddings",
    "responses",
    "rerank",
    "moderations",
    "images.generations",
}
"""The interfaces whose requests and answers are OpenAI's or nearly so."""


def recorded(apis: set[str] = OPENAI_SHAPED) -> Iterator[tuple[Path, dict[str, Any], dict[str, Any]]]:
    """Folder, description and expected outcome of every case; nothing where the folder is absent."""
    for path in sorted(RECORDINGS.glob("*/*/meta.json")):
        meta = json.loads(path.read_bytes())
        if meta["api"] not in apis or meta["method"] != "POST":
            continue
        expected = path.parent / "expected.json"
        yield path.parent, meta, json.loads(expected.read_bytes()) if expected.is_file() else {}
