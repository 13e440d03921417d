"""The content filter's results in chat answers, and the gaps it leaves, in any split."""

import json
from pathlib import Path

import pytest
from canalgate.adapters.azure.filter import FilterResults, whole
from canalgate.adapters.parts.usage import UsageFilter
from canalgate.plugins import Reply
from canalgate.proxy.conformance import SPLITS, pieces

WIRE = Path(__file__).parent.parent / "wire" / "azure"
RESULT = {"hate": {"filtered": False, "severity": "safe"}}
NOTE = {"index": 0, "finish_reason": None, "content_filter_results": RESULT}


def passed(wire: bytes, *, strip=False, after=None, split="whole") -> bytes:
    """What comes of a stream whose lines arrive whole."""
    stream = FilterResults(strip, after)
    lines = b""
    made = []
    for piece in pieces(wire, split):
        lines += piece
        end = lines.rfind(b"\n") + 1
        made.append(stream.feed(lines[:end]))
        lines = lines[end:]
    return b"".join([*made, stream.feed(lines), stream.close()])


def event(value) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def chunks(wire: bytes) -> list[dict]:
    """The chunks of a stream that has no other data but its end."""
    lines = [line[6:] for line in wire.splitlines() if line.startswith(b"data: {")]
    return [json.loads(line) for line in lines]


@pytest.mark.parametrize("split", SPLITS)
def test_only_choices_without_a_delta_are_changed(split):
    wire = (WIRE / "filtered.sse").read_bytes()
    made = passed(wire, split=split)
    note = b'"content_filter_offsets"'
    before, after = wire.split(b"\n\n"), made.split(b"\n\n")
    assert [a for a, b in zip(before, after, strict=True) if a != b] == [a for a in before if note in a]
    assert all("delta" in choice for chunk in chunks(made) for choice in chunk["choices"])


@pytest.mark.parametrize("split", SPLITS)
def test_stripped_results_leave_the_text_and_the_usage(split):
    made = passed((WIRE / "filtered.sse").read_bytes(), strip=True, split=split)
    assert b"filter_" not in made.partition(b"\n")[2]
    assert [chunk["id"] for chunk in chunks(made)] == ["chatcmpl-1"] * 4
    assert b"\n\n\n" not in made
    assert made.endswith(b'"prompt_tokens_details":{"cached_tokens":4}}}\n\ndata: [DONE]\n\n')


def test_what_it_returns_goes_through_the_one_after():
    after = UsageFilter()
    made = passed((WIRE / "filtered.sse").read_bytes(), strip=True, after=after, split="bytes")
    assert b"usage" not in made
    assert after.usage.prompt_tokens == 8


@pytest.mark.parametrize(
    "line",
    [
        b": ping\n",
        b"event: x\n",
        b"data: [DONE]\r\n",
        b"data: not json\n",
        b"data: [1]\n",
        b'data: {"id":1.50}\n',
        b'data: {"choices":null}\n',
        b"\xef\xbb\xbfdata: [DONE]",
    ],
)
@pytest.mark.parametrize("strip", [True, False])
def test_lines_with_nothing_to_change_pass_as_they_came(line, strip):
    assert passed(line + b"\n", strip=strip) == line + b"\n"


@pytest.mark.parametrize("choices", [b"[7]", b'[{"delta":{},"x":1.50}]', b'[{"delta" : {}}]'])
def test_choices_that_lack_nothing_pass_as_they_came(choices):
    line = b'data:{"choices":%b}\r\n\r\n' % choices
    assert passed(line) == line


@pytest.mark.parametrize(
    ("choice", "made"),
    [
        ({"index": 0}, {"index": 0, "delta": {}}),
        ({"index": 0, "delta": None}, {"index": 0, "delta": {}}),
        ({"index": 0, "delta": "a"}, {"index": 0, "delta": {}}),
        (NOTE, {**NOTE, "delta": {}}),
    ],
)
def test_a_choice_gets_the_delta_that_it_lacks(choice, made):
    other = {"index": 1, "delta": {"content": "a"}, "finish_reason": None}
    (alone,) = chunks(passed(event({"choices": [choice]})))
    assert alone == {"choices": [made]}
    (both,) = chunks(passed(event({"choices": [{"finish_reason": None, **choice}, other]})))
    assert both == {"choices": [{"finish_reason": None, **made}, other]}


@pytest.mark.parametrize(
    ("chunk", "made"),
    [
        ({"prompt_filter_results": [], "choices": []}, []),
        ({"choices": [NOTE]}, []),
        ({"choices": [{**NOTE, "delta": {}}]}, []),
        ({"choices": [{**NOTE, "finish_reason": "stop"}]}, [{"finish_reason": "stop", "delta": {}}]),
        ({"choices": [{**NOTE, "delta": {"a": ""}}]}, [{"finish_reason": None, "delta": {"a": ""}}]),
        ({"choices": [{"delta": {}}]}, [{"delta": {}}]),
        ({"choices": [NOTE, {"delta": {"content": "b"}}]}, [{"delta": {"content": "b"}}]),
    ],
)  # fmt: skip
def test_a_chunk_that_only_has_results_is_left_out(chunk, made):
    found = [choice for chunk in chunks(passed(event(chunk), strip=True)) for choice in chunk["choices"]]
    assert [{name: choice[name] for name in choice if name != "index"} for choice in found] == made


def test_a_chunk_with_usage_beside_its_results_stays():
    usage = {"prompt_tokens": 1}
    made = passed(event({"prompt_filter_results": [], "choices": [], "usage": usage}), strip=True)
    assert chunks(made) == [{"choices": [], "usage": usage}]


@pytest.mark.parametrize(
    "body",
    [
        b'{"choices":[{"message":{"content":"a"},"finish_reason":"stop"}],"prompt_filter_results":[],"x":1.50}',
        b'{"choices":[{"message":{"content":"a"},"finish_reason":"content_filter"}],"x":1.50}',
        b'{"choices":null,"finish_reason":"content_filter"}',
        b'["finish_reason":"content_filter"]',
        b"",
    ],
)
def test_a_whole_answer_without_a_gap_is_the_same_object(body):
    reply = Reply(body)
    assert whole(reply, strip=False) is reply


def test_a_choice_whose_text_was_filtered_gets_an_empty_message():
    choice = {"index": 0, "finish_reason": "content_filter", "content_filter_results": RESULT}
    (made,) = json.loads(whole(Reply(json.dumps({"choices": [choice]}).encode()), strip=False).body)[
        "choices"
    ]
    assert made == {"message": {"role": "assistant", "content": ""}, **choice}


@pytest.mark.parametrize(
    "name", ["content_filter_results", "content_filter_result", "content_filter_offsets"]
)
def test_stripped_results_leave_a_whole_answer(name):
    choice = {"index": 0, "finish_reason": "stop", "message": {"content": "a"}}
    body = {"prompt_filter_results": [], "choices": [{**choice, name: RESULT}], "x": 1}
    made = whole(Reply(json.dumps(body).encode()), strip=True)
    assert json.loads(made.body) == {"choices": [choice], "x": 1}
