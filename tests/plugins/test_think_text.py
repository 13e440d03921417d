"""One text in pieces: what waits, what is settled, and that no piece loses a character."""

import pytest
from canalgate.plugins.think_text import TaggedText


def text(*pieces, tags=("think",)):
    made = TaggedText(tags)
    for piece in pieces:
        made.take(piece)
    return made


@pytest.mark.parametrize(
    ("pieces", "waiting", "settled"),
    [
        ([], "", False),
        ([""], "", False),
        ([" "], " ", False),
        ([" ", "<"], " <", False),
        (["<think"], "<think", False),
        (["<think>"], "", False),
        (["<think>a<"], "<", False),
        (["<think>a", "</think"], "</think", False),
        (["<think>a</think "], "", False),
        (["<think>a<<"], "<", False),
        (["<think></th</"], "</", False),
        (["<think></think>"], "", True),
        (["<thinks"], "", True),
        (["x"], "", True),
        (["x", "<think"], "", True),
        (["<think>a</think>b", "<"], "", True),
    ],
)
def test_only_what_may_become_a_tag_waits(pieces, waiting, settled):
    made = text(*pieces)
    assert (made.waiting, made.settled) == (waiting, settled)


@pytest.mark.parametrize(
    ("pieces", "given"),
    [
        (["<thi", "nk>a"], [("", ""), ("a", "")]),
        (["<think>a</th", "ink>b"], [("a", ""), ("", "b")]),
        (["<think>a</th", "is"], [("a</th", ""), ("is", "")]),
        ([" ", "<th", "x"], [("", " "), ("", "<th"), ("", "x")]),
        (["<think>a</think>b", "c"], [("a", "b"), ("", "c")]),
        (["", "<think>", "", "a"], [("", ""), ("", ""), ("", ""), ("a", "")]),
    ],
)
def test_each_piece_is_given_back_as_what_it_was(pieces, given):
    made = text(*pieces)
    made.end()
    assert [made.give(piece) for piece in pieces] == given


@pytest.mark.parametrize(
    ("piece", "given", "settled"),
    [(" <thi", ("", " <thi"), True), ("<think>a</thi", ("a</thi", ""), False), ("", ("", ""), True)],
)
def test_an_end_lets_go_what_waits(piece, given, settled):
    made = text(piece)
    made.end()
    assert (made.waiting, made.give(piece), made.settled) == ("", given, settled)


def test_thoughts_go_on_behind_an_interruption():
    made = text("<think>a")
    made.end()
    made.take("b</think>c")
    assert (made.give("<think>a"), made.give("b</think>c")) == (("a", ""), ("b", "c"))


@pytest.mark.parametrize("tags", [("think", "thinking"), ("thinking", "think")])
@pytest.mark.parametrize("name", ["think", "thinking"])
def test_a_tag_that_begins_like_another_is_told_from_it(tags, name):
    whole = f"<{name}>a</{name}>b"
    made = text(*whole, tags=tags)
    given = [made.give(piece) for piece in whole]
    assert tuple(map("".join, zip(*given, strict=True))) == ("a", "b")
