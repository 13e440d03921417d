"""Differences are found, and said in words."""

from dataclasses import replace

import pytest
from canalgate.plugins import Credential, ErrorKind, UpstreamError, Usage
from canalgate.proxy.conformance import Choice, Expected, Outcome, ToolCall, differences
from canalgate.proxy.conformance.compose import case
from canalgate.proxy.conformance.replay import NOW, Replayed

CALL = ToolCall("a", "f", '{"x": 1, "y": 2}')
CHOICE = Choice(0, "Hi", "hm", (CALL,), "tool_calls")
USAGE = Usage(10, 5, 3, 2)
GOOD = case("good", b"", Expected((CHOICE,), {0: "tool_use"}, USAGE, USAGE), form="sse", stream=True)
CUT = replace(GOOD, expected=replace(GOOD.expected, complete=False))
FAILED = replace(GOOD, expected=replace(CUT.expected, error_class="rate_limit"))
RATE = UpstreamError(ErrorKind.RATE, "slow down")
FAULT = UpstreamError(ErrorKind.FAULT, "cut")


def replayed(choice=CHOICE, usage=USAGE, shown=USAGE, complete=True, error=None, told=None):
    return Replayed(Outcome((choice,), shown, complete, told), usage, error, by_events=True)


@pytest.mark.parametrize(
    ("made", "got"),
    [
        (GOOD, replayed()),
        (GOOD, replayed(replace(CHOICE, finish_reason="tool_use"))),
        (GOOD, replayed(replace(CHOICE, tool_calls=(replace(CALL, arguments='{"y":2,"x":1}'),)))),
        (CUT, replayed(complete=False)),
        (CUT, replayed(error=FAULT)),
        (FAILED, replayed(complete=False, error=RATE)),
        (FAILED, replayed(complete=False, told={"message": "slow down"})),
    ],
    ids=["same", "native reason", "arguments in another order", "cut", "cut raised", "raised", "shown"],
)
def test_what_is_right_has_no_differences(made, got):
    assert differences(made, got) == []


@pytest.mark.parametrize(
    ("made", "got", "words"),
    [
        (GOOD, replayed(replace(CHOICE, text="Ho")), "the text is 'Ho', expected 'Hi'"),
        (GOOD, replayed(replace(CHOICE, reasoning="")), "the reasoning is ''"),
        (GOOD, replayed(replace(CHOICE, finish_reason="stop")), "finish_reason is 'stop'"),
        (GOOD, replayed(replace(CHOICE, finish_reason=None)), "finish_reason is None"),
        (GOOD, replayed(replace(CHOICE, tool_calls=())), "0 tool calls, expected 1"),
        (GOOD, replayed(replace(CHOICE, tool_calls=(replace(CALL, id="b"),))), "the id is 'b'"),
        (GOOD, replayed(replace(CHOICE, tool_calls=(replace(CALL, name="g"),))), "the name is 'g'"),
        (
            GOOD,
            replayed(replace(CHOICE, tool_calls=(replace(CALL, arguments="{"),))),
            "the arguments are '{'",
        ),
        (GOOD, replayed(replace(CHOICE, index=1)), "choice 0 is missing"),
        (GOOD, replayed(replace(CHOICE, index=1)), "choice 1 is there but not expected"),
        (GOOD, replayed(usage=None), "the usage to be accounted is none, expected 10+5 tokens"),
        (GOOD, replayed(usage=Usage(10, 5, 0, 2)), "cached_tokens is 0, expected 3"),
        (GOOD, replayed(shown=Usage(10, 6, 3, 2)), "the usage shown to the client: completion_tokens is 6"),
        (GOOD, replayed(complete=False), "no proper end"),
        (GOOD, replayed(error=FAULT), "a complete answer ended in an error"),
        (GOOD, Replayed(error=RATE), "a good answer was taken for an error: RATE 'slow down'"),
        (CUT, replayed(), "looks complete"),
        (FAILED, replayed(complete=False), "reached nobody"),
        (FAILED, replayed(complete=False, error=FAULT), "class rate_limit must be RATE, it is FAULT"),
    ],
)
def test_a_difference_is_said_in_words(made, got, words):
    assert any(words in difference for difference in differences(made, got))


def test_an_error_takes_along_what_came_in_the_same_piece():
    got = replace(replayed(replace(CHOICE, text="H", tool_calls=()), error=RATE), by_events=False)
    assert differences(FAILED, got) == []
    assert differences(FAILED, replace(got, by_events=True))


@pytest.mark.parametrize("code", ["", "model_not_found"])
def test_some_classes_need_a_code(code):
    made = replace(GOOD, expected=Expected(error_class="model_not_found"))
    found = differences(made, Replayed(error=UpstreamError(ErrorKind.MODEL, "gone", code=code)))
    assert found == (
        [] if code else ["an error of class model_not_found must have the code 'model_not_found', it has ''"]
    )


@pytest.mark.parametrize(
    ("api", "got", "words"),
    [
        ("oauth.token", Replayed(credential=Credential("", NOW + 60)), "no credential was read"),
        ("oauth.token", Replayed(credential=Credential("x", NOW - 1)), "has expired already"),
        ("oauth.token", Replayed(error=RATE), "was taken for an error"),
        ("models", Replayed(), "no model name was read"),
    ],
)
def test_credentials_and_lists_of_models_are_compared_too(api, got, words):
    assert words in differences(replace(GOOD, api=api, expected=None), got)[0]


def test_an_error_in_a_json_answer_may_not_be_passed_on():
    made = replace(GOOD, form="json", expected=Expected(error_class="auth"))
    assert "passed on as an answer" in differences(made, Replayed(Outcome(error="no", complete=False)))[0]
    assert "went by unnoticed" in differences(made, Replayed(Outcome()))[0]
