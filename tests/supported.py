"""The table of providers in docs/providers.md and the short one in README.md, made from facts: `make table`.

What an adapter serves is its `endpoints`. What is known of chats comes from cases: answers with an outcome
that tests demand of the adapter. Where no case shows a thing, a request with it is given to the adapter and
the table says whether it is sent on.

Recorded cases lie beside the checkout. A clone has none: there the page's own word on them is kept.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import orjson
from canalgate.adapters import BUILTIN
from canalgate.plugins import Adapter, BodyError, Call, Json, JsonBody, UpstreamError
from canalgate.plugins.manager import PluginManager
from canalgate.proxy.conformance import Case, cases, channel_for
from canalgate.proxy.conformance.outcome import Choice
from canalgate.proxy.conformance.replay import NOW, credential_for
from recorded_providers import cases_of
from recordings import RECORDINGS

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "providers.md"
README = ROOT / "README.md"
WIRE = ROOT / "tests" / "wire"

BEGIN, END = "<!-- made by `make table` -->", "<!-- end -->"

ADAPTERS: Mapping[str, Adapter] = PluginManager(BUILTIN).adapters

FOLDERS = {
    "dashscope-native": "dashscope",
    "ollama": "ollama-native",
    "tencent-hunyuan": "hunyuan-native",
}
"""The adapter of a folder of tests/wire, where they differ in name."""

FIRST = ("openai", "ppio", "siliconflow", "deepseek", "dashscope-compatible", "moonshot", "qianfan", "wenxin",
         "zhipu", "chatglm", "openrouter", "anthropic", "gemini", "azure", "ollama", "vllm")  # fmt: skip
"""What README.md names."""

RECORDED, COMPOSED, SENT, LOCAL, NONE = "recorded", "composed", "sent", "itself", "–"

PICTURE = "Y2FuYWxnYXRl"
TURN: Json = {"role": "user", "content": "canalgate-turn"}
TOOL: Json = {"type": "function", "function": {"name": "canalgate_tool", "parameters": {"type": "object"}}}


def seen(url: str) -> Json:
    """Return a chat about a picture."""
    parts = [{"type": "text", "text": "what is it?"}, {"type": "image_url", "image_url": {"url": url}}]
    return {"messages": [{"role": "user", "content": parts}]}


PROBES: Mapping[str, list[tuple[str, Json]]] = {
    "chat": [("canalgate-turn", {"messages": [TURN]})],
    "stream": [("canalgate-turn", {"messages": [TURN], "stream": True})],
    "tools": [("canalgate_tool", {"messages": [TURN], "tools": [TOOL]})],
    "vision": [
        (PICTURE, seen(f"data:image/png;base64,{PICTURE}")),
        (f"{PICTURE}.png", seen(f"https://example.com/{PICTURE}.png")),
    ],
}
"""Chats with each thing, and the text of it that must be in what the adapter sends."""

IMAGES = re.compile(rb'"(image_url|image|images|inlineData|inline_data|input_image)":')


def shows_chat(case: Case) -> bool:
    """Whether a case is a chat that was answered whole and well."""
    found = case.expected
    if found is None or not found.choices or not found.complete or found.error_class is not None:
        return False
    return case.endpoint == "chat/completions" and 200 <= case.status < 300


def _choices(case: Case) -> tuple[Choice, ...]:
    return (case.expected and case.expected.choices) or ()


PROOFS: Mapping[str, Callable[[Case], bool]] = {
    "chat": lambda case: True,
    "stream": lambda case: case.stream,
    "tools": lambda case: any(choice.tool_calls for choice in _choices(case)),
    "vision": lambda case: IMAGES.search(orjson.dumps(case.request)) is not None,
    "reasoning": lambda case: any(choice.reasoning for choice in _choices(case)),
}
"""What an answered chat shows."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the recordings say of one adapter.

    `recorded` counts real answers, `composed` those that were composed beside them. `words` says by which of
    the two each thing is shown.
    """

    recorded: int
    composed: int
    words: Mapping[str, str]


@cache
def beside() -> dict[str, Evidence]:
    """Return what the recordings say of each adapter; empty where they are not at hand."""
    return {name: _evidence(list(cases_of(name))) for name in ADAPTERS} if RECORDINGS.is_dir() else {}


def on_page(text: str) -> dict[str, Evidence]:
    """Return what a page says of the recordings, by adapter."""
    found = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        counts = re.fullmatch(r"(\d+) / (\d+) / \d+", cells[-1])
        if counts and len(cells) > len(PROOFS):
            words = dict(zip(PROOFS, cells[3 : 3 + len(PROOFS)], strict=True))
            found[cells[1].strip("`")] = Evidence(int(counts[1]), int(counts[2]), words)
    return found


def _evidence(found: list[Case]) -> Evidence:
    real = {case.title for case in found if _is_real(case)}
    words = {}
    for thing, shows in PROOFS.items():
        titles = {case.title for case in found if shows_chat(case) and shows(case)}
        words[thing] = RECORDED if titles & real else COMPOSED if titles else ""
    return Evidence(len(real), len(found) - len(real), words)


def _is_real(case: Case) -> bool:
    meta = RECORDINGS / case.provider / case.name / "meta.json"
    return bool(json.loads(meta.read_bytes())["origin"] == "recorded")


@cache
def composed() -> dict[str, tuple[int, frozenset[str]]]:
    """Return of each adapter how many cases tests/wire holds and what they show."""
    found = {}
    for folder in sorted(WIRE.iterdir()):
        loose = [path for path in folder.iterdir() if path.is_file()]  # streams that unit tests read
        read = list(cases(folder))
        shown = {
            thing for thing, shows in PROOFS.items() if any(shows_chat(case) and shows(case) for case in read)
        }
        found[FOLDERS.get(folder.name, folder.name)] = len(read) + len(loose), frozenset(shown)
    return found


def sends(adapter: Adapter, thing: str) -> str:
    """Return whether a chat with this thing leaves the adapter with it."""
    if _is_local(adapter):
        return LOCAL if thing in ("chat", "stream") else NONE
    return SENT if any(_sends(adapter, text, body) for text, body in PROBES.get(thing, ())) else NONE


def _sends(adapter: Adapter, text: str, body: Json) -> bool:
    try:
        made = adapter.request(_call(adapter, {"model": "m", **body})).body or b""
    except (BodyError, UpstreamError):
        return False
    return text.encode() in made


def _call(adapter: Adapter, body: Json) -> Call:
    channel = channel_for(adapter)
    model = next(iter(adapter.models), "m")
    stream = body.get("stream") is True
    raw, credential = JsonBody(orjson.dumps(body)), credential_for(adapter, channel)
    return Call(
        "r", "chat/completions", "m", model, stream, raw, "application/json", channel, credential, NOW
    )


def row(adapter: Adapter, evidence: Evidence) -> list[str]:
    """Return the cells of one adapter."""
    count, shown = composed().get(adapter.name, (0, frozenset()))
    words = []
    for thing in PROOFS:
        word = evidence.words.get(thing, "")
        if word not in (RECORDED, COMPOSED):
            word = COMPOSED if thing in shown else sends(adapter, thing)
        words.append(word)
    counts = f"{evidence.recorded} / {evidence.composed} / {count}"
    return [*_names(adapter), *words, ", ".join(_groups(adapter)) or NONE, _lists(adapter), counts]


def _names(adapter: Adapter) -> list[str]:
    url = f"`{adapter.base_url}`" if adapter.base_url else _without_base_url(adapter)
    return [adapter.title, f"`{adapter.name}`", url]


def _without_base_url(adapter: Adapter) -> str:
    if _is_local(adapter):
        return "none"
    try:
        adapter.check(replace(channel_for(adapter), base_url=""))
    except ValueError:
        return "your own"
    return "by its options"


def _is_local(adapter: Adapter) -> bool:
    return adapter.answer(_call(adapter, {"model": "m", "messages": [TURN]})) is not None


def _groups(adapter: Adapter) -> Iterator[str]:
    """The endpoints beside chat; images and audio in one word."""
    yield from dict.fromkeys(
        endpoint.partition("/")[0] for endpoint in sorted(adapter.endpoints) if endpoint != "chat/completions"
    )


def _lists(adapter: Adapter) -> str:
    channel = replace(channel_for(adapter), base_url=adapter.base_url)
    return "yes" if adapter.models_request(channel, credential_for(adapter, channel), NOW) else NONE


def full(page: str) -> str:
    """Return the whole table; of the recordings it says what is at hand, else what `page` says."""
    known = beside() or on_page(page)
    head = ["provider", "`--type`", "default base URL", *PROOFS, "also serves", "lists models", "cases"]
    nothing = Evidence(0, 0, {})
    return _table(head, [row(adapter, known.get(name, nothing)) for name, adapter in ADAPTERS.items()])


def short(page: str) -> str:
    """Return the short table: what cases show of the first providers, how many cases, what else they serve."""
    cells = {line[1].strip("`"): line for line in _rows(full(page))}
    head = ["provider", "`--type`", "shown by cases", "also serves", "cases"]
    rows = []
    for name in FIRST:
        line = cells[name]
        shown = [thing for thing, word in zip(PROOFS, line[3:], strict=False) if word in (RECORDED, COMPOSED)]
        count = sum(map(int, line[-1].split(" / ")))
        rows.append([line[0], line[1], ", ".join(shown) or NONE, line[-3], str(count)])
    return _table(head, rows)


def _rows(table: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def renewed(page: str, table: str) -> str:
    """Return a page with the text between its markers replaced."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"a page lacks the lines {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n{table}\n\n{END}{after}"


if __name__ == "__main__":
    text = PAGE.read_text("utf-8")
    PAGE.write_text(renewed(text, full(text)), "utf-8")
    README.write_text(renewed(README.read_text("utf-8"), short(text)), "utf-8")
