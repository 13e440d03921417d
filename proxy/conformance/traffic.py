"""Composed traffic of an OpenAI-shaped host that goes well: every shape the interface documents.

Each answer is a case like a recorded one, with what must come out of it, so composed and recorded traffic
go the same way. Kept out: what goes wrong (`mishaps`), and what is done to a stream on its way (`mutations`).
"""

from __future__ import annotations

import json
from dataclasses import replace

import orjson

from ...plugins import Usage
from .cases import Case, Expected
from .compose import (
    DONE,
    PIECES,
    TEXT,
    USAGE,
    asking,
    bare_chunk,
    case,
    chunk,
    end,
    event,
    frame,
    message,
    stream,
    texts,
    thirds,
    tool_call,
    tool_call_pieces,
    usage_json,
    whole,
)
from .outcome import Choice, ToolCall

BAIT = 'It said {"error": {"message": "no", "code": 500}} and went on. data: [DONE]'
"""Text that talks of errors and is none."""

_SAID = Choice(0, TEXT, finish_reason="stop")
_THOUGHT = "Hm, 嗯"
_WEATHER = ToolCall("call_a", "weather", '{"city": "Zürich \\"Nord\\"", "days": 3}')
_TIME = ToolCall("call_b", "time", '{"zone": "CET"}')
_LEGACY = replace(_WEATHER, id=None)
_OLDER = "a function call of the older kind"
_OLDER_CALL = Choice(0, "", "", (_LEGACY,), "function_call")
_TOOLS = [
    {"type": "function", "function": {"name": call.name, "parameters": {"type": "object"}}}
    for call in (_WEATHER, _TIME)
]


def text_stream(name: str = "text") -> Case:
    """Return a whole stream of text with usage: the one to do things to."""
    return stream(name, texts() + end(), _SAID)


def whole_answers() -> list[Case]:
    """Answers in one piece."""
    legacy = {"name": _LEGACY.name, "arguments": _LEGACY.arguments}
    calls = [tool_call(_WEATHER), tool_call(_TIME)]
    made = [
        whole("text", [message()], _SAID),
        whole("two choices", [message(), message("b", "length", 1)], _SAID, Choice(1, "b", "", (), "length")),
        whole("thought", [message(reasoning_content=_THOUGHT)], replace(_SAID, reasoning=_THOUGHT)),
        whole("two tool calls", [message(None, "tool_calls", tool_calls=calls)], _called(_WEATHER, _TIME)),
        _either(whole(_OLDER, [message(None, "function_call", function_call=legacy)], _OLDER_CALL)),
        whole("text that talks of errors", [message(BAIT)], replace(_SAID, text=BAIT)),
        whole("fields that are null", [message(tool_calls=None, refusal=None)], _SAID, error=None),
        whole("unknown fields", [{**message(x_choice=1), "x": [1]}], _SAID, x_unknown={"a": [1]}),
    ]
    escaped = json.dumps(orjson.loads(made[0].body), indent=1).encode()
    return [*made, replace(made[0], name="text in escapes, indented", body=escaped)]


def streams() -> list[Case]:
    """Streams of text and thought."""
    alternating = b"".join(chunk({"content": p}) + chunk({"content": p}, index=1) for p in PIECES)
    two = alternating + chunk({}, "stop") + chunk({}, "length", 1) + bare_chunk(usage=usage_json()) + DONE
    thought = chunk({"role": "assistant", "reasoning_content": _THOUGHT[:3]})
    thought += chunk({"reasoning_content": _THOUGHT[3:]})
    last_text = chunk({"content": PIECES[-1]}, "stop") + bare_chunk(usage=usage_json()) + DONE
    null = chunk({"role": "assistant", "content": None})
    return [
        text_stream(),
        stream("two choices that alternate", two, _SAID, Choice(1, TEXT, "", (), "length")),
        stream("thought before text", thought + texts() + end(), replace(_SAID, reasoning=_THOUGHT)),
        stream("the end in the chunk of the last text", texts(PIECES[:-1]) + last_text, _SAID),
        stream(
            "a first chunk without choices", bare_chunk(prompt_filter_results=[]) + texts() + end(), _SAID
        ),
        stream("text in escapes", _escaped(texts() + chunk({}, "stop")) + DONE, _SAID, usage=None),
        stream("text that talks of errors", texts([BAIT, BAIT]) + end(), replace(_SAID, text=2 * BAIT)),
        stream("an empty answer", texts(()) + end(), replace(_SAID, text="")),
        stream("content that is null", null + texts() + end(), _SAID),
        stream("a delta that is null", texts() + chunk(None, "stop") + DONE, _SAID, usage=None),
    ]


def tool_calls() -> list[Case]:
    """Streams in which tools are called."""
    one, two = tool_call_pieces(0, _WEATHER), tool_call_pieces(1, _TIME)
    mixed = b"".join(piece for pair in zip(one, two, strict=True) for piece in pair)
    at_once = chunk({"role": "assistant", "tool_calls": [{"index": 0, **tool_call(_WEATHER)}]})
    legacy = chunk({"function_call": {"name": _LEGACY.name, "arguments": ""}})
    legacy += b"".join(chunk({"function_call": {"arguments": text}}) for text in thirds(_LEGACY.arguments))
    ended = end("tool_calls")
    made = [
        stream("a tool call in pieces", b"".join(one) + ended, _called(_WEATHER)),
        stream("a tool call at once", at_once + ended, _called(_WEATHER)),
        stream("two tool calls in turn", b"".join(one + two) + ended, _called(_WEATHER, _TIME)),
        stream("two tool calls whose pieces alternate", mixed + ended, _called(_WEATHER, _TIME)),
        stream(
            "a tool call after text", texts() + b"".join(one) + ended, replace(_called(_WEATHER), text=TEXT)
        ),
        _either(stream(_OLDER, legacy + end("function_call"), _OLDER_CALL)),
    ]
    return [asking(each, tools=_TOOLS) for each in made]


def usages() -> list[Case]:
    """Answers that differ in how they tell what they cost."""
    growing = b"".join(
        chunk({"content": piece}, usage={**usage_json(), "completion_tokens": n, "total_tokens": 31 + n})
        for n, piece in enumerate(PIECES)
    )
    ended = chunk({}, "stop", usage=usage_json()) + DONE
    outside = usage_json(outside=5)
    apart = texts() + chunk({}, "stop") + bare_chunk(usage=outside) + DONE
    title = "reasoning outside of the completion tokens"
    return [
        whole("usage", [message()], _SAID),
        whole("no usage", [message()], _SAID, usage=None),
        _shown_less(whole(title, [message()], _SAID, usage=outside)),
        text_stream("usage in a chunk of its own"),
        stream("usage in the chunk of the end", texts() + ended, _SAID),
        stream("usage in every chunk", growing + ended, _SAID),
        stream("a stream without usage", texts() + chunk({}, "stop") + DONE, _SAID, usage=None),
        _shown_less(stream(f"{title} of a stream", apart, _SAID)),
    ]


def finishes() -> list[Case]:
    """Answers that end for every reason a text can end for."""
    made = []
    for reason in ("stop", "length", "content_filter"):
        said = replace(_SAID, finish_reason=reason)
        made.append(whole(reason, [message(finish=reason)], said))
        made.append(stream(f"{reason} of a stream", texts() + end(reason), said))
    return made


def other_answers() -> list[Case]:
    """Answers of text completion and embeddings."""
    text = {"index": 0, "text": TEXT, "logprobs": None, "finish_reason": "stop"}
    answer = {**frame("text_completion"), "choices": [text], "usage": usage_json()}
    pieces = [{**text, "text": piece, "finish_reason": None} for piece in PIECES] + [{**text, "text": ""}]
    events = b"".join(event({**frame("text_completion"), "choices": [piece]}) for piece in pieces)
    vector = {"object": "embedding", "index": 0, "embedding": [0.5, -1e-9]}
    usage = {"prompt_tokens": 31, "total_tokens": 31}
    vectors = {"object": "list", "data": [vector], "model": "model", "usage": usage}
    cost = Usage(prompt_tokens=31)
    expected = Expected((_SAID,), {}, USAGE, USAGE)
    streamed = events + bare_chunk(usage=usage_json()) + DONE
    return [
        case("text completion", orjson.dumps(answer), expected, api="completions"),
        case("text completion, streamed", streamed, expected, api="completions", form="sse", stream=True),
        case("embeddings", orjson.dumps(vectors), Expected((), {}, cost, cost), api="embeddings"),
    ]


def _called(*calls: ToolCall) -> Choice:
    return Choice(0, "", "", calls, "tool_calls")


def _either(made: Case) -> Case:
    """Return a case that may also end for `tool_calls`, as Baidu's and other adapters say for any call."""
    assert made.expected is not None
    return replace(made, expected=replace(made.expected, native_finish={0: "tool_calls"}))


def _shown_less(made: Case) -> Case:
    """Return a case whose provider shows five completion tokens fewer than have to be billed."""
    assert made.expected is not None
    shown = Usage(
        USAGE.prompt_tokens, USAGE.completion_tokens - 5, USAGE.cached_tokens, USAGE.reasoning_tokens
    )
    return replace(made, expected=replace(made.expected, usage=USAGE, shown_usage=shown))


def _escaped(events: bytes) -> bytes:
    """Return the events with every character outside ASCII escaped."""
    values = [orjson.loads(piece.removeprefix(b"data: ")) for piece in events.split(b"\n\n") if piece]
    return b"".join(b"data: " + json.dumps(value).encode() + b"\n\n" for value in values)
