"""Which channels may serve a request, and in which order."""

import random
from collections import Counter
from dataclasses import replace

import pytest
from canalgate.adapters.demo import DemoAdapter
from canalgate.adapters.openai import OpenAIAdapter
from canalgate.proxy.errors import GatewayError
from canalgate.proxy.records import DISABLED, ChannelRow
from canalgate.proxy.routing import candidates, pinned
from canalgate.proxy.snapshot import build

ADAPTERS = {"openai": OpenAIAdapter(), "demo": DemoAdapter()}
BASE = ChannelRow(1, "openai", "c", "http://127.0.0.1:1/v1", "k", ("m",), 1)
CHAT = "chat/completions"


def channel(channel_id, **fields):
    return replace(BASE, id=channel_id, **fields)


def order(rows, model="m", group="default", endpoint=CHAT, seed=1):
    found = candidates(build(1, rows, ADAPTERS), group, model, endpoint, random.Random(seed))
    return [member.row.id for member in found]


def shares(rows, draws=20_000):
    """How often each channel comes first."""
    snapshot, rng = build(1, rows, ADAPTERS), random.Random(7)
    firsts = (candidates(snapshot, "default", "m", CHAT, rng)[0].row.id for _ in range(draws))
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
