"""Thoughts between tags become `reasoning_content`, however the bytes are cut; all else stays as it is."""

import itertools
import random

import orjson
import pytest
from canalgate.plugins import Call, Channel, Credential, JsonBody, think_split
from support import cuts, delta, event

DONE = b"data: [DONE]\n\n"
ROLE = event({"id": "c", "choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]})
END = event({"id": "c", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
USAGE = event({"id": "c", "choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2}})
HOW = ["whole", "events", "bytes", "random"]


class Host:
    """What the plugin asks of the gateway."""

    def __init__(self, settings):
        self._settings = settings

    def settings(self, name):
        return self._settings if name == "think_split" else {}


def call(model="m", endpoint="chat/completions", upstream_model="up", **fields):
    body = JsonBody(orjson.dumps({"model": model, **fields}))
    channel = Channel(1, "c", "", "k")
    return Call("r", endpoint, model, upstream_model, True, body, "", channel, Credential("k"), 1.0)


@pytest.fixture
async def made():
    """Make the filter the plugin gives with these settings."""

    async def make(asked=None, **settings):
        async with think_split.lifespan(Host(settings)):
            return think_split.filter_answer(asked or call())

    return make


def said(*pieces, index=0, **more):
    """Events of one choice with these pieces of text, without an end."""
    return [event({"id": "c", "choices": [{"index": index, "delta": {"content": piece}}], **more})
            for piece in pieces]  # fmt: skip


def run(filter, pieces):
    return b"".join([*(filter.feed(piece) for piece in pieces), filter.close()])


def events(stream):
    datas = [line[5:].strip() for line in stream.splitlines() if line.startswith(b"data:")]
    return [orjson.loads(data) for data in datas if data != b"[DONE]"]


def heard(stream, index=0):
    """The reasoning and the content a client puts together."""
    deltas = [one["delta"] for chunk in events(stream) for one in chunk["choices"] if one["index"] == index]
    return tuple(
        "".join(delta.get(key) or "" for delta in deltas) for key in ("reasoning_content", "content")
    )


def split(*pieces, choices=1, tags=("think",)):
    stream = ROLE + b"".join(said(*pieces)) + END + USAGE + DONE
    return heard(run(think_split.ThinkFilter(tags, choices), [stream]))


SPLIT = {
    "<think>a</think>b": ("a", "b"),
    " \n\t<think>a</think>b": ("a", "b"),
    "\u3000<think>思考</think>答え😀": ("思考", "答え😀"),
    "<think>\na\n\n</think>\n\nb": ("\na\n\n", "\n\nb"),
    "<think></think>b": ("", "b"),
    "<think>a</think>": ("a", ""),
    "<think>a": ("a", ""),
    "<think>a</thin": ("a</thin", ""),
    "<think>a</": ("a</", ""),
    "<think>": ("", ""),
    "<think>a<</think>b": ("a<", "b"),
    "<think>a</think</think>b": ("a</think", "b"),
    "<think>1 < 2 </ think></think>b": ("1 < 2 </ think>", "b"),
    "<think>a<think>b</think>c</think>d": ("a<think>b", "c</think>d"),
    "<think>a</think><think>b</think>c": ("a", "<think>b</think>c"),
    "<think>a</think></think>b": ("a", "</think>b"),
    "<think>a</Think>b</think>c": ("a</Think>b", "c"),
}
KEPT = ["b", "", " ", "\n\n", "b<think>a</think>", "<", "<thin", "<thinking>a</thinking>b",
        "<Think>a</Think>b", "< think>a</think>b", "</think>b", "<<think>a</think>", "<think >a</think>",
        "<b>bold</b>", "  <t", "think>a</think>", "&lt;think&gt;a"]  # fmt: skip


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("text", SPLIT)
def test_thoughts_at_the_beginning_are_split_off_however_the_text_is_cut_into_events(text, how):
    pieces = [text] if how == "whole" else list(text)
    if how == "random":
        places = sorted({0, len(text), *(random.Random(7).randrange(len(text)) for _ in range(4))})
        pieces = [text[a:b] for a, b in itertools.pairwise(places)]
    if how == "events":
        pieces = [text[i : i + 3] for i in range(0, len(text), 3)]
    assert split(*pieces) == SPLIT[text]


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("text", SPLIT)
def test_how_the_bytes_arrive_changes_nothing(text, how):
    stream = ROLE + b"".join(said(*text)) + END + USAGE + DONE
    whole = run(think_split.ThinkFilter(("think",)), [stream])
    assert run(think_split.ThinkFilter(("think",)), cuts(stream, how)) == whole


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("end", [END + USAGE + DONE, END, b"", END[:-1], DONE], ids=repr)
@pytest.mark.parametrize("text", KEPT)
def test_a_stream_that_does_not_begin_with_the_tag_keeps_all_its_bytes(text, end, how):
    stream = b": hello\r\n\r\n" + ROLE + b"".join(said(*text)) + end
    assert run(think_split.ThinkFilter(("think",)), cuts(stream, how)) == stream


@pytest.mark.parametrize("ends", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("how", HOW)
def test_lines_may_end_as_the_standard_allows(ends, how):
    stream = b"\xef\xbb\xbf" + ROLE + b"".join(said("<thi", "nk>a</thi", "nk>b")) + END
    stream = stream.replace(b"data: {", b"event: x\ndata:{").replace(b"\n", ends)
    got = run(think_split.ThinkFilter(("think",)), cuts(stream, how))
    assert heard(got) == ("a", "b")
    assert got.count(ends) == stream.count(ends)
    assert got.count(b"data:{") == 5


def test_a_rewritten_event_keeps_its_other_fields_and_their_order():
    line = (
        b'data: {"model":"m","x":[1.50,null],"choices":[{"finish_reason":null,"delta":{"role":"assistant",'
        b'"content":"<think>a</think>b","y":{}},"index":0,"z":null}],"id":"c","usage":null}\n\n'
    )
    changed = line.replace(b'"content":"<think>a</think>b"', b'"reasoning_content":"a","content":"b"')
    got = think_split.ThinkFilter(("think",)).feed(line)
    assert got == changed.replace(b"1.50", b"1.5")


@pytest.mark.parametrize(
    ("piece", "delta"),
    [
        ("<think>", {}),
        ("<think>a", {"reasoning_content": "a"}),
        ("<think>a</think>", {"reasoning_content": "a"}),
        ("<think>a</think>b", {"reasoning_content": "a", "content": "b"}),
        ("<think></think>b", {"content": "b"}),
    ],
)
def test_a_delta_says_only_what_it_has(piece, delta):
    got = think_split.ThinkFilter(("think",)).feed(said(piece)[0])
    assert events(got)[0]["choices"][0]["delta"] == delta


def test_a_null_beside_the_text_gives_way_to_the_thoughts():
    first = event({"choices": [{"index": 0, "delta": {"content": "<think>a", "reasoning_content": None}}]})
    got = think_split.ThinkFilter(("think",)).feed(first)
    assert events(got)[0]["choices"][0]["delta"] == {"reasoning_content": "a"}


# What is let through as it is.


def test_once_the_text_has_begun_otherwise_nothing_is_looked_at():
    filter = think_split.ThinkFilter(("think",))
    first, odd = said("b")[0], b"dat"
    assert filter.feed(first) is first
    assert filter.feed(odd) is odd


def test_after_the_closing_tag_nothing_is_looked_at():
    filter = think_split.ThinkFilter(("think",))
    filter.feed(b"".join(said("<think>a</think>b")))
    odd = b'data: {"choices":[{"delta":{"content":"<think>'
    assert filter.feed(odd) is odd


def test_an_unfinished_line_is_let_go_when_the_text_has_begun_otherwise():
    filter = think_split.ThinkFilter(("think",))
    piece = said("b")[0] + b"data: {"
    assert filter.feed(piece) is piece


@pytest.mark.parametrize("piece", [ROLE, b": comment\n\n", USAGE, b"event: ping\ndata: {}\n\n", b"\n"])
def test_a_piece_with_nothing_to_change_is_the_same_object(piece):
    filter = think_split.ThinkFilter(("think",))
    assert filter.feed(piece) is piece
    filter.feed(said("<think>a")[0])
    assert filter.feed(piece) is piece


def test_an_event_that_may_begin_a_tag_waits_and_then_goes_out_with_the_bytes_it_came_with():
    filter = think_split.ThinkFilter(("think",))
    odd = b'data:  {"choices": [ {"delta":{"content":"\\n <"},"index":0}]}\r\n\r\n'
    assert filter.feed(odd) == b""
    assert filter.feed(said("b>")[0]) == odd + said("b>")[0]


PASSING = [
    b"data: [1,2]\n\n", b"data: {\n\n", b"data:\n\n", b'data: "x"\n\n', b"data: null\n\n", b"data: \xff\n\n",
    b'data: {"choices":null}\n\n', b'data: {"choices":{"0":1}}\n\n', b'data: {"choices":[1,null,"x"]}\n\n',
    b'data: {"choices":[{"delta":null,"index":0}]}\n\n', b"retry: 5\n\n", b"id: <think>\n\n",
    b'data: {"choices":[{"index":0,"text":"<think>"}]}\n\n',
    b'data: {"error":null,"type":"ping"}\n\n', b'event: x\ndata: {"content":"<think>"}\n\n',
    b'data: {"choices":[{"delta":{"content":null},"index":[]}]}\n\n',
]  # fmt: skip


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("odd", PASSING)
def test_what_is_no_chunk_passes_and_disturbs_no_tag(odd, how):
    pieces = said("<thi", "nk>a</", "think>b")
    stream = odd + odd.join(pieces) + odd + END + DONE
    got = run(think_split.ThinkFilter(("think",)), cuts(stream, how))
    assert got.count(odd) == 4
    deltas = [one["choices"][0]["delta"] for one in events(got.replace(odd, b""))]
    assert deltas == [{}, {"reasoning_content": "a"}, {"content": "b"}, {}]


def test_an_error_lets_go_at_once_what_waited_for_more_text():
    filter = think_split.ThinkFilter(("think",))
    error = event({"error": {"message": "overloaded"}})
    begun = said("<thi")[0]
    assert filter.feed(begun + error) == begun + error


def test_what_waits_is_let_go_when_it_is_too_much():
    filter = think_split.ThinkFilter(("think",))
    blank = said(" " * 1000)[0]
    sent = [filter.feed(blank) for _ in range(1100)]
    assert b"".join(sent) + filter.feed(said("x")[0]) == blank * 1100 + said("x")[0]
    assert any(sent)


def test_an_endless_line_is_passed_on_and_the_thoughts_go_on_behind_it():
    filter = think_split.ThinkFilter(("think",))
    line = b": " + b"x" * (1024 * 1024)
    got = filter.feed(said("<think>a")[0]) + filter.feed(line)
    assert got.endswith(line)
    assert heard(filter.feed(b"x\n" + said("b</think>c")[0])) == ("b", "c")


# Where text begins with something else.


@pytest.mark.parametrize(
    "first",
    [
        {"reasoning_content": "r"},
        {"reasoning": "r"},
        {"tool_calls": [{"index": 0, "id": "t", "function": {"name": "f", "arguments": ""}}]},
        {"function_call": {"name": "f"}},
        {"refusal": "no"},
        {"content": [{"type": "text", "text": "x"}]},
        {"reasoning_content": "r", "content": "<think>a</think>b"},
    ],
)
def test_an_answer_that_begins_otherwise_is_left_alone(first):
    filter = think_split.ThinkFilter(("think",))
    begun = event({"choices": [{"index": 0, "delta": {"role": "assistant", **first}}]})
    then = said("<think>a</think>b")[0]
    assert filter.feed(begun) is begun
    assert filter.feed(then) is then


@pytest.mark.parametrize(("before", "reasoning"), [("<think>a</", "a</"), ("<think>a</think>", "a")])
def test_a_tool_call_keeps_nothing_back(before, reasoning):
    filter = think_split.ThinkFilter(("think",))
    tool = event({"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0}]}}]})
    got = filter.feed(said(before)[0]) + filter.feed(tool)
    assert got.endswith(tool)
    assert heard(got) == (reasoning, "")


def test_thoughts_and_a_tool_call_in_one_event():
    filter = think_split.ThinkFilter(("think",))
    one = {"content": "<think>a</think>", "tool_calls": [{"index": 0}]}
    got = filter.feed(event({"choices": [{"index": 0, "delta": one}]}))
    assert events(got)[0]["choices"][0]["delta"] == {"reasoning_content": "a", "tool_calls": [{"index": 0}]}


def test_a_finish_beside_the_last_piece_ends_the_thoughts():
    filter = think_split.ThinkFilter(("think",))
    got = filter.feed(said("<think>a")[0]) + filter.feed(delta("b</th", "length"))
    assert heard(got) == ("ab</th", "")


# Several choices.


@pytest.mark.parametrize("how", HOW)
def test_each_choice_has_thoughts_of_its_own(how):
    texts = ["<think>a</think>b", "plain <think>", "\n<think>c", " <thin"]
    lines = [said(*text, index=index) for index, text in enumerate(texts)]
    stream = b"".join(piece for row in itertools.zip_longest(*lines, fillvalue=b"") for piece in row)
    got = run(think_split.ThinkFilter(("think",), 4), cuts(stream + DONE, how))
    assert [heard(got, index) for index in range(4)] == [
        ("a", "b"), ("", "plain <think>"), ("c", ""), ("", " <thin"),
    ]  # fmt: skip


def test_several_choices_in_one_event():
    choices = [
        {"index": i, "delta": {"content": text}} for i, text in enumerate(["<think>a", "b", "<think>c"])
    ]
    got = think_split.ThinkFilter(("think",), 3).feed(event({"choices": choices}))
    assert [heard(got, index) for index in range(3)] == [("a", ""), ("", "b"), ("c", "")]


async def test_a_choice_that_comes_late_is_split_too(made):
    filter = await made(call(n=2))
    got = filter.feed(said("b")[0]) + filter.feed(said("<think>a</think>c", index=1)[0])
    assert (heard(got, 0), heard(got, 1)) == (("", "b"), ("a", "c"))
    odd = b"x"
    assert filter.feed(odd) is odd


@pytest.mark.parametrize("n", [None, "2", True, 1.5, [], 0, 1])
async def test_a_strange_number_of_choices_counts_as_one(made, n):
    filter = await made(call(n=n))
    filter.feed(said("b")[0])
    odd = b"x"
    assert filter.feed(odd) is odd


# Whole answers.


def whole(*texts, **message):
    messages = [{"role": "assistant", "content": text, **message} for text in texts]
    choices = [{"index": i, "message": one, "finish_reason": "stop"} for i, one in enumerate(messages)]
    return orjson.dumps({"id": "c", "choices": choices, "usage": {"prompt_tokens": 1}})


@pytest.mark.parametrize("text", [text for text in SPLIT if text != "<think>"])
def test_a_whole_answer_is_split_as_its_stream_would_be(text):
    got = orjson.loads(think_split.ThinkFilter(("think",)).whole(whole(text)))
    message = got["choices"][0]["message"]
    assert (message.get("reasoning_content", ""), message["content"]) == SPLIT[text]


def test_a_whole_answer_keeps_its_other_fields_and_their_order():
    body = whole("<think>a</think>b", "c", "<think>d", tool_calls=[])
    wanted = body.replace(b'"content":"<think>a</think>b"', b'"reasoning_content":"a","content":"b"')
    wanted = wanted.replace(b'"content":"<think>d"', b'"reasoning_content":"d","content":""')
    assert think_split.ThinkFilter(("think",)).whole(body) == wanted


def test_brackets_that_a_server_escapes_are_brackets():
    body = whole("<think>a</think>b").replace(b"<", rb"\u003c").replace(b">", rb"\u003E")
    got = orjson.loads(think_split.ThinkFilter(("think",)).whole(body))
    assert got["choices"][0]["message"] == {"role": "assistant", "reasoning_content": "a", "content": "b"}


@pytest.mark.parametrize(
    "body",
    [
        *(whole(text) for text in KEPT),
        whole("<think>a</think>b", reasoning_content="r"),
        whole("<think>a</think>b", reasoning="r"),
        whole(None, refusal="<think>a</think>"),
        whole([{"type": "text", "text": "<think>a</think>b"}]),
        b'{"error":{"message":"<think>"}}',
        b'{"choices":[{"text":"<think>a</think>"}]}',
        b'{"choices":[{"message":"<think>"},null,5]}',
        b'{"choices":"<think>"}',
        b'["<think>"]',
        b'{"choices":[{"message":{"content":"<think>',
        b"<think>",
        b"\xff<think>",
        b"",
    ],
)
def test_a_whole_answer_with_nothing_to_split_is_the_same_object(body):
    assert think_split.ThinkFilter(("think",)).whole(body) is body


# Settings.


@pytest.mark.parametrize(
    ("models", "asked", "is_split"),
    [
        (["*"], call(), True),
        (["deepseek-*", "qwq*"], call("deepseek-r1"), True),
        (["deepseek-*", "qwq*"], call("qwq"), True),
        (["up"], call("m", upstream_model="up"), True),
        (["deepseek-*"], call("gpt-4o"), False),
        (["DeepSeek-*"], call("deepseek-r1"), False),
        (["deepseek"], call("deepseek-r1"), False),
        (["*"], call(endpoint="completions"), False),
        (["*"], call(endpoint="responses"), False),
    ],
)
async def test_only_chats_with_the_models_named_are_split(made, models, asked, is_split):
    assert (await made(asked, models=models) is not None) == is_split


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("<thought>a</thought>b", ("a", "b")),
        ("<thoughts>a</thought>b</thoughts>c", ("a</thought>b", "c")),
        ("<think>a</think>b", ("", "<think>a</think>b")),
    ],
)
async def test_the_tags_can_be_named(made, text, wanted):
    filter = await made(tags=["thought", "thoughts"])
    assert heard(run(filter, said(*text))) == wanted


WRONG = [
    ({"tags": "think"}, "tags = 'think'"),
    ({"tags": []}, "tags = []"),
    ({"tags": ["think", 5]}, "tags = ['think', 5]"),
    ({"tags": [""]}, "tags = ['']"),
    ({"tags": ["<think>"]}, "tags = ['<think>']"),
    ({"tags": ["a b"]}, "tags = ['a b']"),
    ({"tags": ["思考"]}, "tags = ['思考']"),
    ({"models": "*"}, "models = '*'"),
    ({"models": []}, "models = []"),
    ({"models": {"a": 1}}, "models = {'a': 1}"),
    ({"models": [None]}, "models = [None]"),
    ({"model": ["*"]}, "model = ['*']: there is no such setting; there are models, tags"),
]


@pytest.mark.parametrize(("settings", "words"), WRONG)
async def test_a_wrong_setting_is_refused_with_its_key_and_value(made, settings, words):
    with pytest.raises(ValueError) as refused:
        await made(**settings)
    assert f"plugins.think_split.{words}" in str(refused.value)
