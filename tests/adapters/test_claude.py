"""What the versions of Claude take."""

import pytest
from canalgate.adapters.openai import OpenAIAdapter
from canalgate.adapters.parts.claude import Traits, asked, traits
from wired import call, chat

OLD = "claude-3-5-sonnet-20241022"
BUDGET = "claude-sonnet-4-20250514"
SCHEMA = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
ADAPTIVE = "claude-opus-4-6"
STRICT = "claude-opus-4-7"
NEWEST = "claude-sonnet-5"


def ask(model, *, proven=True, forced=False, **fields):
    return asked(call(OpenAIAdapter(), chat(**fields), model=model), proven=proven, forced=forced)


@pytest.mark.parametrize(
    ("model", "known"),
    [
        ("claude-2.1", (False, False, False)),
        ("anthropic.claude-v2", (False, False, False)),
        ("claude-instant-1.2", (False, False, False)),
        ("claude-3-opus-20240229", (False, False, False)),
        (OLD, (False, False, False)),
        ("claude-3-7-sonnet-latest", (True, False, False)),
        (BUDGET, (True, False, False)),
        ("claude-opus-4-1-20250805", (True, False, False)),
        ("claude-sonnet-4@20250514", (True, False, False)),
        ("claude-haiku-4-5-20251001", (True, False, True)),
        (SCHEMA, (True, False, True)),
        ("claude-haiku-4.5", (True, False, True)),
        (ADAPTIVE, (True, True, True)),
        ("us.anthropic.claude-opus-4-6-v1", (True, True, True)),
        (NEWEST, (True, True, True)),
        ("claude-mythos-preview", (True, True, True)),
    ],
)
def test_a_models_version_is_in_its_name(model, known):
    found = traits(model)
    assert (found.thinks, found.is_adaptive, found.takes_schema) == known


def test_another_makers_model_is_taken_for_a_plain_one():
    assert traits("glm-4.6") == Traits()


@pytest.mark.parametrize(
    ("effort", "budget"),
    [("minimal", 1024), ("low", 2048), ("medium", 8192), ("high", 16384), ("xhigh", 32768)],
)
def test_an_effort_becomes_a_budget(effort, budget):
    thinking, unmet = ask(BUDGET, reasoning_effort=effort)
    assert thinking.fields == {"thinking": {"type": "enabled", "budget_tokens": budget}}
    assert (thinking.budget, "reasoning_effort" in unmet) == (budget, False)


@pytest.mark.parametrize(("limit", "budget"), [(100_000, 16384), (8000, 4000), (2048, 1024), (1500, 1024)])
def test_a_budget_stays_below_the_clients_limit(limit, budget):
    thinking, _ = ask(BUDGET, reasoning_effort="high", max_tokens=limit)
    assert thinking.budget == budget


@pytest.mark.parametrize(
    ("model", "more"),
    [
        (BUDGET, {"max_tokens": 1024}),
        (BUDGET, {"proven": False}),
        (BUDGET, {"forced": True}),
        (ADAPTIVE, {"forced": True}),
        (BUDGET, {"thinking": {"type": "disabled"}}),
        (OLD, {}),
    ],
)
def test_an_effort_that_cannot_be_had_is_named(model, more):
    thinking, unmet = ask(model, reasoning_effort="low", **more)
    assert ("reasoning_effort" in unmet, thinking.fields) == (True, {})


@pytest.mark.parametrize(
    ("model", "effort", "asks"),
    [
        (ADAPTIVE, "minimal", ({"type": "adaptive"}, "low")),
        (ADAPTIVE, "xhigh", ({"type": "adaptive"}, "max")),
        (STRICT, "xhigh", ({"type": "adaptive", "display": "summarized"}, "xhigh")),
        (NEWEST, "medium", ({"type": "adaptive", "display": "summarized"}, "medium")),
    ],
)
def test_newer_models_take_the_effort_itself(model, effort, asks):
    thinking, _ = ask(model, reasoning_effort=effort, proven=False, max_tokens=10)
    assert thinking.fields == {"thinking": asks[0], "output_config": {"effort": asks[1]}}


@pytest.mark.parametrize(
    ("model", "fields", "budget"),
    [
        (BUDGET, {}, 0),
        (ADAPTIVE, {}, 0),
        (ADAPTIVE, {"reasoning_effort": "medium"}, 8192),
        (NEWEST, {}, 16384),
        (NEWEST, {"reasoning_effort": "low"}, 2048),
        (NEWEST, {"reasoning_effort": "none"}, 0),
    ],
)
def test_thinking_has_room_of_its_own_also_where_the_model_chooses_it(model, fields, budget):
    assert ask(model, **fields)[0].budget == budget


@pytest.mark.parametrize(
    ("model", "fields"), [(BUDGET, {}), (STRICT, {}), (NEWEST, {"thinking": {"type": "disabled"}})]
)
def test_no_effort_turns_thinking_off_where_it_is_on_by_itself(model, fields):
    thinking, unmet = ask(model, reasoning_effort="none", forced=True)
    assert (thinking.fields, "reasoning_effort" in unmet, thinking.is_on) == (fields, False, False)


@pytest.mark.parametrize(
    ("model", "fields", "refused"),
    [
        (OLD, {"temperature": 0.5}, set()),
        (BUDGET, {"temperature": 0.5}, set()),
        (SCHEMA, {}, set()),
        (SCHEMA, {"temperature": 0.5}, {"top_p"}),
        (SCHEMA, {"reasoning_effort": "low"}, {"temperature", "top_p", "top_k"}),
        (SCHEMA, {"reasoning_effort": "none"}, set()),
        (BUDGET, {"thinking": {"type": "enabled", "budget_tokens": 2000}}, {"temperature", "top_p", "top_k"}),
        (BUDGET, {"thinking": {"type": "disabled"}}, set()),
        (STRICT, {}, {"temperature", "top_p", "top_k"}),
    ],
)
def test_sampling_is_refused_by_new_models_and_beside_thinking(model, fields, refused):
    assert ask(model, **fields)[1] == refused
