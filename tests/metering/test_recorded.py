"""How far counting here is from what providers reported, over the recorded traffic.

Compared are answers of text alone. What stands around tools and thoughts differs from provider to provider
and is not in the answer: no count from outside can tell it.
"""

import json
import statistics

import pytest
from canalgate.proxy.ledger.entry import Counts
from canalgate.proxy.metering import EventCount, Seen, Sent, TextCount, measure
from canalgate.proxy.metering.tokenizer import encoding_of
from recordings import recorded

ENDPOINTS = {"chat.completions": "chat/completions", "completions": "completions", "responses": "responses"}
METERS = {"whole": None, "events": EventCount, "text": TextCount}


def is_text(path, meta, expected):
    """Whether usage was reported for an answer of text alone that ended properly."""
    choices = expected.get("choices") or ()
    has_more = any(choice["tool_calls"] or choice["reasoning"] or not choice["text"] for choice in choices)
    usage = expected.get("usage") or {}
    hidden = usage.get("reasoning_tokens") or usage.get("total_mismatch")
    return bool(usage and choices and expected["complete"] and not has_more and not hidden)


def family(meta):
    return encoding_of(meta.get("model") or "") or "estimate"


CASES = [
    (path, meta, expected["usage"])
    for path, meta, expected in recorded(set(ENDPOINTS))
    if meta["origin"] == "recorded" and is_text(path, meta, expected)
]


def measured(path, meta, how):
    body = (path / meta["response_file"]).read_bytes()
    request = json.loads((path / "request.json").read_bytes())
    sent = Sent(ENDPOINTS[meta["api"]], meta.get("model") or "", json.dumps(request).encode())
    if METERS[how] is None:
        return measure(None, sent, Seen(len(body), body)).counts
    meter = METERS[how]()
    for at in range(0, len(body), 2048):
        meter.add(body[at : at + 2048])
    return measure(None, sent, Seen(len(body), meter=meter)).counts


def compared(name, how):
    """Pairs (counted here, reported) of one family; with a meter only streams."""
    for path, meta, usage in CASES:
        if family(meta) == name and (how == "whole" or meta["response_file"].endswith(".sse")):
            counts: Counts = measured(path, meta, how)
            yield path, counts, usage


def test_there_is_something_to_compare(recordings):
    assert len(CASES) >= 20


@pytest.mark.parametrize(
    ("name", "how", "bound"),
    [
        ("o200k_base", "whole", 0.05),
        ("o200k_base", "events", 0.05),
        ("o200k_base", "text", 0.05),
        ("cl100k_base", "whole", 0.15),
        ("cl100k_base", "events", 0.35),
        ("cl100k_base", "text", 0.35),
        ("estimate", "whole", 0.1),
        ("estimate", "events", 0.15),
        ("estimate", "text", 0.1),
    ],
)
def test_completions_counted_here_are_near_what_was_reported(recordings, name, how, bound):
    pairs = [
        (counts.completion_tokens, usage["completion_tokens"]) for _, counts, usage in compared(name, how)
    ]
    here, reported = (sum(one) for one in zip(*pairs, strict=True))
    assert abs(here / reported - 1) <= bound


@pytest.mark.parametrize(("name", "bound"), [("o200k_base", 0.1), ("cl100k_base", 0.05)])
def test_prompts_counted_here_are_near_what_was_reported(recordings, name, bound):
    pairs = [
        (counts.prompt_tokens, usage["prompt_tokens"])
        for path, counts, usage in compared(name, "whole")
        if "cached-prompt" not in path.name  # its text was cut when it was recorded
    ]
    here, reported = (sum(one) for one in zip(*pairs, strict=True))
    assert abs(here / reported - 1) <= bound


def test_estimated_prompts_are_mostly_a_few_tokens_off(recordings):
    """What each provider's template adds to a chat is not known, and most recorded prompts are short."""
    off = [
        abs(counts.prompt_tokens - usage["prompt_tokens"])
        for _, counts, usage in compared("estimate", "whole")
    ]
    assert statistics.median(off) <= 7
