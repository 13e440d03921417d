"""The one rule for fields that a provider cannot take."""

import orjson
import pytest
from canalgate.adapters.fields import UNSUPPORTED as UNSUPPORTED_OPTION
from canalgate.adapters.fields import clamped, others, reshaped
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


RAW = b'{"model" : "m","x":1.0e0, "max_completion_tokens":5,"user":"u"}'


def raw(body=RAW, rule=None) -> Call:
    channel = Channel(1, "c", "", "k", {"unsupported_fields": rule} if rule else {})
    parsed = JsonBody(body)
    return Call(
        "r", "chat/completions", "m", "m", False, parsed, "application/json", channel, Credential("k"), 1.0
    )


@pytest.mark.parametrize(
    ("renames", "unsupported"),
    [({}, ()), ({"max_tokens": "y"}, {"seed"}), ({"m": "y"}, {"u"})],
)
def test_a_body_that_has_none_of_the_fields_is_the_same_object(renames, unsupported):
    made = raw()
    assert reshaped(made, {}, renames, unsupported) == (RAW, ())
    assert reshaped(made, {}, renames, unsupported)[0] is made.body.raw


def test_an_edit_alone_changes_only_its_bytes():
    assert reshaped(raw(), {"x": 2})[0] == RAW.replace(b"1.0e0", b"2")


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        (RAW, {"model": "up", "x": 1.0, "max_tokens": 5}),
        (b'{"max_completion_tokens":5,"max_tokens":7}', {"max_tokens": 7, "model": "up"}),
        (b'{"max_completion_tokens":null}', {"max_tokens": None, "model": "up"}),
    ],
)
def test_a_field_gets_the_name_the_provider_knows(body, wanted):
    made, _ = reshaped(raw(body), {"model": "up"}, {"max_completion_tokens": "max_tokens"}, {"user"})
    assert orjson.loads(made) == wanted


def test_fields_left_out_are_named():
    assert reshaped(raw(), {}, {}, {"user", "seed"})[1] == ("user",)


def test_the_channels_rule_counts_here_too():
    assert b'"user":"u"' in reshaped(raw(rule="pass"), {}, {}, {"user"})[0]
    with pytest.raises(BodyError, match="user"):
        reshaped(raw(rule="reject"), {}, {}, {"user"})


def test_the_clients_own_tree_is_not_changed():
    made = raw()
    reshaped(made, {"model": "up"}, {"max_completion_tokens": "max_tokens"}, {"user"})
    assert made.body.tree == orjson.loads(RAW)
