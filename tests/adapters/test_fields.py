"""The one rule for fields that a provider cannot take."""

import orjson
import pytest
from canalgate.adapters.fields import UNSUPPORTED as UNSUPPORTED_OPTION
from canalgate.adapters.fields import clamped, others
from canalgate.plugins import BodyError, Call, Channel, Credential, JsonBody

UNSUPPORTED = {"n", "user", "logprobs", "tool_choice", "response_format", "logit_bias", "seed", "temperature"}


def call(rule=None, **body) -> Call:
    channel = Channel(1, "c", "", "k", {"unsupported_fields": rule} if rule else {})
    raw = JsonBody(orjson.dumps(body))
    return Call(
        "r", "chat/completions", "m", "m", False, raw, "application/json", channel, Credential("k"), 1.0
    )


@pytest.mark.parametrize(
    ("rule", "rest", "dropped"),
    [(None, {"new": 1}, ("user", "n")), ("drop", {"new": 1}, ("user", "n")),
     ("pass", {"new": 1, "user": "u", "n": 2}, ())],
)  # fmt: skip
def test_a_field_that_the_provider_lacks_goes_by_the_channels_rule(rule, rest, dropped):
    assert others(call(rule, model="m", new=1, user="u", n=2), {"model"}, UNSUPPORTED) == (rest, dropped)


def test_a_rule_to_reject_names_the_field():
    with pytest.raises(BodyError, match="user") as caught:
        others(call("reject", model="m", user="u"), {"model"}, UNSUPPORTED)
    assert caught.value.param == "user"


@pytest.mark.parametrize(
    ("field", "value"),
    [("n", 1), ("n", None), ("logprobs", False), ("tool_choice", "auto"), ("logit_bias", {}),
     ("response_format", {"type": "text"}), ("temperature", 1)],
)  # fmt: skip
@pytest.mark.parametrize("rule", ["drop", "reject"])
def test_what_happens_anyway_is_no_loss(rule, field, value):
    assert others(call(rule, **{field: value}), (), UNSUPPORTED) == ({}, ())


@pytest.mark.parametrize(
    ("field", "value"),
    [("n", 2), ("logprobs", True), ("tool_choice", "none"), ("seed", 0), ("response_format", {"type": "x"}),
     ("temperature", 0)],
)  # fmt: skip
def test_what_would_change_the_answer_is_a_loss(field, value):
    assert others(call(**{field: value}), (), UNSUPPORTED) == ({}, (field,))


@pytest.mark.parametrize(
    ("value", "moved"), [(2, 1.0), (-1, 0.0), (0.5, 0.5), (None, None), ("x", "x"), (True, True)]
)
def test_a_number_is_moved_into_its_range_and_nothing_else_is(value, moved):
    assert clamped(value, 0.0, 1.0) == moved


@pytest.mark.parametrize("rule", ["drop", "reject", "pass"])
def test_a_field_that_was_translated_is_neither_passed_nor_missed(rule):
    assert others(call(rule, user="u", seed=1, new=1), {"user", "seed", "new"}, UNSUPPORTED) == ({}, ())


@pytest.mark.parametrize("rule", ["drop", "reject", "pass"])
def test_a_field_that_nobody_knows_passes_whatever_the_rule(rule):
    assert others(call(rule, new={"a": [None]}, gone=None), (), UNSUPPORTED)[0]["new"] == {"a": [None]}


def test_what_is_dropped_is_named_once_in_the_clients_order():
    assert others(call(seed=1, x=1, user="u", n=3), (), UNSUPPORTED) == ({"x": 1}, ("seed", "user", "n"))


def test_the_request_itself_is_not_changed():
    made = call(seed=1, x={"y": 1})
    others(made, (), UNSUPPORTED)
    assert made.body.tree == {"seed": 1, "x": {"y": 1}}


def test_a_channel_may_set_no_other_rule_than_those_of_the_option():
    assert (UNSUPPORTED_OPTION.default, set(UNSUPPORTED_OPTION.choices)) == (
        "drop",
        {"drop", "reject", "pass"},
    )
