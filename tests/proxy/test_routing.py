"""Which channels may serve a request, and in which order."""

import random
from collections import Counter
from dataclasses import replace

import orjson
import pytest
from canalgate.adapters.demo import DemoAdapter
from canalgate.adapters.openai import OpenAIAdapter
from canalgate.plugins import ErrorKind, JsonBody, UpstreamError
from canalgate.proxy.config import Prices
from canalgate.proxy.errors import GatewayError
from canalgate.proxy.prices.book import make_book
from canalgate.proxy.records import DISABLED, ChannelRow, KeyFault, ModelRoute
from canalgate.proxy.routing.choice import Look, candidates, pinned
from canalgate.proxy.routing.health import Health
from canalgate.proxy.routing.snapshot import Rules, build, chain

ADAPTERS = {"openai": OpenAIAdapter(), "demo": DemoAdapter()}
BASE = ChannelRow(1, "openai", "c", "http://127.0.0.1:1/v1", "k", ("m",), 1)
CHAT = "chat/completions"
NOW = 1000.0


def channel(channel_id, **fields):
    return replace(BASE, id=channel_id, **fields)


def look(rows, model="m", seed=1, mode="priority", body=None, health=None, now=NOW, **rules):
    snapshot = build(1, rows, ADAPTERS, Rules(**rules))
    parsed = JsonBody(orjson.dumps(body)) if body is not None else None
    return Look(snapshot, health or Health(5), random.Random(seed), now, mode, model, parsed, "token:1")


def order(rows, model="m", group="default", endpoint=CHAT, **how):
    return [member.row.id for member in candidates(look(rows, model, **how), group, endpoint)]


def shares(rows, draws=20_000, mode="priority"):
    """How often each channel comes first."""
    asked = look(rows, seed=7, mode=mode)
    firsts = (candidates(asked, "default", CHAT)[0].row.id for _ in range(draws))
    return {key: count / draws for key, count in Counter(firsts).items()}


@pytest.mark.parametrize("weights", [(1, 1), (1, 3), (10, 20, 70), (1, 1_000_000), (100, 100, 1)])
def test_channels_of_a_priority_come_first_in_proportion_to_their_weights(weights):
    got = shares([channel(number, weight=weight) for number, weight in enumerate(weights, 1)])
    expected = {number: weight / sum(weights) for number, weight in enumerate(weights, 1)}
    # Five standard deviations of a share drawn 20,000 times are below 0.018.
    assert all(abs(got.get(number, 0) - share) < 0.018 for number, share in expected.items())


def test_the_second_choice_follows_the_weights_too():
    rows = [channel(1, weight=1), channel(2, weight=1), channel(3, weight=8)]
    seconds = Counter(order(rows, seed=seed)[1] for seed in range(4000))
    # P(3 second) = 2 x 0.1 x 8/9.
    assert abs(seconds[3] / 4000 - 0.178) < 0.03


def test_a_weight_of_zero_comes_last_and_is_still_there():
    rows = [channel(1, weight=0), channel(2, weight=1), channel(3, weight=5)]
    assert {order(rows, seed=seed)[-1] for seed in range(200)} == {1}


def test_a_higher_priority_goes_before_any_weight():
    rows = [channel(1, weight=1_000_000), channel(2, priority=5, weight=1), channel(3, priority=-1)]
    assert {tuple(order(rows, seed=seed)) for seed in range(50)} == {(2, 1, 3)}


def test_the_same_seed_gives_the_same_order():
    rows = [channel(number) for number in range(1, 9)]
    assert order(rows, seed=3) == order(rows, seed=3)


def test_every_able_channel_is_offered_once():
    rows = [channel(number, priority=number % 3) for number in range(1, 9)]
    assert sorted(order(rows)) == list(range(1, 9))


@pytest.mark.parametrize(("group", "ids"), [("default", [1, 3]), ("vip", [2, 3])])
def test_a_group_sees_its_channels_only(group, ids):
    rows = [channel(1), channel(2, groups=("vip",)), channel(3, groups=("default", "vip"))]
    assert sorted(order(rows, group=group)) == ids


@pytest.mark.parametrize(
    ("fields", "asked"),
    [
        ({}, {"model": "unknown"}),
        ({}, {"model": "M"}),
        ({}, {"model": "x" * 10_000}),
        ({}, {"group": "vip"}),
        ({"status": DISABLED}, {}),
        ({"type": "gone"}, {}),
    ],
)
def test_a_model_nobody_offers_does_not_exist(fields, asked):
    with pytest.raises(GatewayError) as caught:
        order([channel(1, **fields)], **asked)
    assert (caught.value.status, caught.value.code) == (404, "model_not_found")
    assert len(caught.value.message) < 400


def test_an_endpoint_no_channel_serves_is_named():
    with pytest.raises(GatewayError, match="audio/speech") as caught:
        order([channel(1, type="demo")], endpoint="audio/speech")
    assert (caught.value.status, caught.value.code) == (400, "unsupported_endpoint")


def test_a_channel_that_does_not_serve_the_endpoint_is_passed_over():
    assert order([channel(1, type="demo", priority=9), channel(2)], endpoint="audio/speech") == [2]


@pytest.mark.parametrize("fields", [{}, {"status": DISABLED}, {"groups": ("vip",)}])
def test_a_pinned_channel_is_taken_whatever_its_state(fields):
    assert pinned(build(1, [channel(1, **fields)], ADAPTERS), 1, CHAT).row.id == 1


@pytest.mark.parametrize(
    ("pin", "endpoint", "code", "word"),
    [
        (9, CHAT, "channel_not_usable", "no such channel"),
        (2, CHAT, "channel_not_usable", "no adapter 'gone'"),
        (1, "audio/speech", "unsupported_endpoint", "audio/speech"),
    ],
)
def test_a_pin_that_cannot_work_says_why(pin, endpoint, code, word):
    snapshot = build(1, [channel(1, type="demo"), channel(2, type="gone")], ADAPTERS)
    with pytest.raises(GatewayError, match=word) as caught:
        pinned(snapshot, pin, endpoint)
    assert (caught.value.status, caught.value.code) == (400, code)


@pytest.mark.parametrize("options", [{"ask_usage": "maybe"}, {"ask_usage": ""}])
def test_an_option_outside_its_choices_keeps_a_channel_out(options):
    snapshot = build(1, [channel(1, options=options)], ADAPTERS)
    assert snapshot.problems[1].startswith(f"ask_usage = {options['ask_usage']!r}: expected one of on, off")
    assert not snapshot.usable


# Modes.


def test_the_mode_weight_takes_the_priority_as_a_share_of_all_and_ten_for_none():
    got = shares([channel(1, priority=10), channel(2, priority=30), channel(3)], mode="weight")
    assert all(abs(got[number] - share) < 0.018 for number, share in {1: 0.2, 2: 0.6, 3: 0.2}.items())


def busy(rows, **running):
    """A health in which channels serve so many requests: `c1=3`."""
    health, snapshot = Health(5), build(1, rows, ADAPTERS)
    for name, count in running.items():
        for _ in range(count):
            health.enter(snapshot.usable[int(name[1:])], "m", NOW)
    return health


def test_the_mode_least_busy_asks_who_serves_least_for_its_weight():
    rows = [channel(1, weight=1), channel(2, weight=4), channel(3, weight=1)]
    health = busy(rows, c1=2, c2=3, c3=5)
    assert {tuple(order(rows, seed=seed, mode="least_busy", health=health)) for seed in range(20)} == {
        (2, 1, 3)
    }


def test_the_mode_latency_asks_the_better_of_two_and_the_worst_never_first():
    rows, health = [channel(number) for number in (1, 2, 3)], Health(5)
    for member, first_byte_s in zip(build(1, rows, ADAPTERS).usable.values(), (0.1, 0.5, 3.0), strict=True):
        health.of(member).timed(first_byte_s, NOW)
    firsts = Counter(order(rows, seed=seed, mode="latency", health=health)[0] for seed in range(3000))
    # 1 is among two of three drawn in two cases of three, and then the better one.
    assert abs(firsts[1] / 3000 - 2 / 3) < 0.05
    assert firsts[3] == 0


def test_a_priority_goes_before_every_mode_but_weight():
    rows = [channel(1), channel(2, priority=5)]
    health = busy(rows, c2=50)
    for mode in ("least_busy", "latency", "cheapest", "sticky"):
        assert order(rows, mode=mode, health=health, body={"messages": []}) == [2, 1]


def test_the_mode_cheapest_counts_the_ratio_of_a_channel():
    prices = make_book(Prices(unpriced="default", default_prompt="1", default_completion="1"))
    rows = [channel(1, ratio=2_000_000), channel(2, ratio=500_000), channel(3)]
    assert {tuple(order(rows, seed=n, mode="cheapest", prices=prices)) for n in range(9)} == {(2, 3, 1)}


def says(*texts, **fields):
    roles = ["system", "user", "assistant", "user"]
    return {
        "messages": [{"role": role, "content": text} for role, text in zip(roles, texts, strict=False)],
        **fields,
    }


FIVE = [channel(number) for number in range(1, 6)]


def first_of(body, rows=FIVE, seed=1):
    return order(rows, mode="sticky", body=body, seed=seed)[0]


def test_the_mode_sticky_keeps_a_conversation_where_it_was():
    opening = first_of(says("be brief", "hello"))
    assert {
        first_of(says("be brief", "hello", *more), seed=n) for n, more in enumerate([(), ("hi", "and?")])
    } == {opening}
    firsts = Counter(first_of(says("be brief", f"question {number}")) for number in range(2000))
    assert all(abs(firsts[number] / 2000 - 0.2) < 0.05 for number in range(1, 6))


@pytest.mark.parametrize("field", ["user", "prompt_cache_key"])
def test_what_a_client_names_goes_before_how_a_conversation_opens(field):
    named = {first_of(says("", f"question {number}", **{field: "me"})) for number in range(50)}
    assert len(named) == 1


@pytest.mark.parametrize(
    "body", [{}, {"messages": "no list"}, {"messages": [1, None]}, {"input": "text"}, None]
)
def test_the_mode_sticky_bears_any_body(body):
    assert first_of(body) == first_of(body, seed=2)


def test_a_channel_that_goes_takes_no_other_conversation_with_it():
    for number in range(200):
        body = says("", f"question {number}")
        if (before := first_of(body)) != 3:
            assert first_of(body, [row for row in FIVE if row.id != 3]) == before


def test_a_model_may_have_a_mode_of_its_own():
    rows, health = [channel(1), channel(2)], None
    routes = {"m": ModelRoute("m", "weight")}
    assert {order(rows, seed=n, routes=routes, health=health)[0] for n in range(20)} == {1, 2}
    assert look(rows, routes=routes).snapshot.modes == {"m": "weight"}


# What stands in.

FALLBACKS = {"smart": ModelRoute("smart", "", ("m", "n")), "m": ModelRoute("m", "", ("n",))}


def served(rows, model, **how):
    return [
        (one.row.id, one.model, one.upstream_model(model))
        for one in candidates(look(rows, model, **how), "default", CHAT)
    ]


def test_models_that_stand_in_come_after_and_by_their_own_names():
    rows = [channel(1), channel(2, models=("n",), mapping={"n": "n-2"}, priority=9)]
    assert served(rows, "m", routes=FALLBACKS) == [(1, "", "m"), (2, "n", "n-2")]
    assert served(rows, "smart", routes=FALLBACKS) == [(1, "m", "m"), (2, "n", "n-2")]
    assert served(rows, "n", routes=FALLBACKS) == [(2, "", "n-2")]


def test_an_alias_is_among_the_models_of_those_who_can_use_it():
    snapshot = look([channel(1)], routes=FALLBACKS).snapshot
    assert snapshot.models("default") == ["m", "smart"]
    assert snapshot.models("vip") == []


@pytest.mark.parametrize(
    ("routes", "model", "found"),
    [
        ({}, "a", ()),
        ({"a": "bc"}, "a", ("b", "c")),
        ({"a": "b", "b": "c"}, "a", ("b", "c")),
        ({"a": "bc", "b": "d"}, "a", ("b", "d", "c")),
        ({"a": "b", "b": "a"}, "a", ("b",)),
        ({"a": "bb"}, "a", ("b",)),
    ],
)
def test_a_chain_is_followed_once(routes, model, found):
    assert (
        chain(model, {name: ModelRoute(name, "", tuple(others)) for name, others in routes.items()}) == found
    )


# Health.


def failing(rows, *errors, channel_id=1, health=None):
    health, snapshot = health or Health(5), build(1, rows, ADAPTERS)
    for error in errors:
        health.failed(snapshot.usable[channel_id], "m", error, NOW)
    return health


FAULT = UpstreamError(ErrorKind.FAULT, "no")


def test_a_channel_that_fails_again_and_again_is_left_out_and_comes_back():
    rows = [channel(1, priority=9), channel(2)]
    health = failing(rows, *[FAULT] * 4)
    assert order(rows, health=health) == [1, 2]
    failing(rows, FAULT, health=health)
    assert order(rows, health=health) == [2]
    assert order(rows, health=health, now=NOW + 1.01) == [1, 2]


def test_a_channel_that_is_overloaded_is_asked_last_for_a_second():
    rows = [channel(1, priority=9), channel(2), channel(3, priority=-1)]
    health = failing(rows, UpstreamError(ErrorKind.BUSY, "no"))
    assert order(rows, health=health) == [2, 3, 1]
    assert order(rows, health=health, now=NOW + 1.01) == [1, 2, 3]


def test_the_only_channel_is_not_left_out_for_single_failures_of_any_kind():
    for kind in (ErrorKind.FAULT, ErrorKind.BUSY, ErrorKind.RATE):
        assert order([channel(1)], health=failing([channel(1)], UpstreamError(kind, "no"))) == [1]


def test_a_wait_that_a_provider_asks_for_is_handed_on_when_nothing_else_is_left():
    health = failing([channel(1)], UpstreamError(ErrorKind.RATE, "no", retry_after=90.0))
    with pytest.raises(GatewayError) as caught:
        order([channel(1)], health=health)
    assert (caught.value.status, caught.value.headers["retry-after"]) == (429, "90")
    assert order([channel(1)], health=health, now=NOW + 90.01) == [1]


def test_when_everything_fails_it_is_503_and_one_a_second_may_try_after_four():
    rows = [channel(1)]
    health = failing(rows, *[FAULT] * 9)
    with pytest.raises(GatewayError) as caught:
        order(rows, health=health)
    assert (caught.value.status, caught.value.code) == (503, "no_channel_available")
    assert order(rows, health=health, now=NOW + 4.01) == [1]
    health.enter(build(1, rows, ADAPTERS).usable[1], "m", NOW + 4.01)
    with pytest.raises(GatewayError):
        order(rows, health=health, now=NOW + 4.5)


def refused(*keys, channel_id=1):
    return {(channel_id, key): KeyFault(channel_id, "h", "credential", "wrong key", 1) for key in keys}


def test_a_channel_whose_keys_were_refused_is_out_and_can_be_pinned():
    rows = [channel(1, key="a\nb")]
    assert order(rows, refused=refused("a")) == [1]
    snapshot = look(rows, refused=refused("a", "b")).snapshot
    assert "wrong key" in snapshot.problems[1]
    assert pinned(snapshot, 1, CHAT).row.id == 1
    with pytest.raises(GatewayError) as caught:
        order(rows, refused=refused("a", "b"))
    assert (caught.value.status, caught.value.code) == (503, "no_channel_available")
