"""Which channels would be asked, and for each other one the reason why not."""

import random
from dataclasses import replace

import pytest
from canalgate.adapters.demo import DemoAdapter
from canalgate.adapters.openai import OpenAIAdapter
from canalgate.plugins import ErrorKind, UpstreamError
from canalgate.proxy.config import Prices
from canalgate.proxy.prices.book import make_book
from canalgate.proxy.records import DISABLED, ChannelRow, KeyFault, ModelRoute
from canalgate.proxy.routing.choice import Look
from canalgate.proxy.routing.explain import explain
from canalgate.proxy.routing.health import Health
from canalgate.proxy.routing.snapshot import Rules, build

ADAPTERS = {"openai": OpenAIAdapter(), "demo": DemoAdapter()}
BASE = ChannelRow(1, "openai", "c", "http://127.0.0.1:1/v1", "k", ("m",), 1)


def lines(*rows, health=None, group="default", endpoint="chat/completions", resting=(), **rules):
    snapshot = build(1, rows, ADAPTERS, Rules(**rules))
    look = Look(snapshot, health or Health(5), random.Random(1), 0.0, "priority", "m")
    return explain(look, group, endpoint, rows, resting)


def test_channels_stand_in_the_order_in_which_they_would_be_asked():
    rows = [replace(BASE, id=1), replace(BASE, id=2, priority=5, mapping={"m": "m-large"})]
    assert [(line.place, line.channel_id, line.upstream_model) for line in lines(*rows)] == [
        (1, 2, "m-large"),
        (2, 1, "m"),
    ]


REASONS = {
    "disabled": ({"status": DISABLED}, {}, "disabled"),
    "no adapter": ({"type": "gone"}, {}, "no adapter 'gone' is loaded"),
    "cannot work": ({"base_url": "nonsense"}, {}, "base"),
    "another model": ({"models": ("n",)}, {}, "does not offer the model"),
    "another group": ({"groups": ("vip",)}, {}, "does not serve the group 'default'"),
    "another endpoint": ({"type": "demo"}, {"endpoint": "audio/speech"}, "does not serve audio/speech"),
    "key refused": (
        {},
        {"refused": {(1, "k"): KeyFault(1, "h", "credential", "wrong", 1)}},
        "its key was refused (credential): wrong",
    ),
    "no price": ({}, {"prices": make_book(Prices(unpriced="refuse"))}, "the model has no price there"),
    "rests elsewhere": (
        {},
        {"resting": [{"channel": 1, "model": "m", "reason": "failing", "for_s": 3.5}]},
        "failing, for another 3.5 s",
    ),
    "rests as a whole": (
        {},
        {"resting": [{"channel": 1, "model": "", "reason": "limited", "for_s": 9}]},
        "limited, for another 9 s",
    ),
}


@pytest.mark.parametrize("name", REASONS)
def test_each_channel_that_is_out_says_why(name):
    fields, how, words = REASONS[name]
    [line] = lines(replace(BASE, **fields), **how)
    assert line.place is None
    assert words in line.reason


def test_what_this_gateway_knows_itself_goes_into_it():
    health = Health(1)
    health.failed(build(1, [BASE], ADAPTERS).usable[1], "m", UpstreamError(ErrorKind.FAULT, "no"), 0.0)
    [line] = lines(BASE, health=health)
    assert (line.place, line.reason) == (None, "failing, for another 1 s")


def test_models_that_stand_in_come_after():
    rows = [replace(BASE, id=1), replace(BASE, id=2, models=("n",))]
    found = lines(*rows, routes={"m": ModelRoute("m", "", ("n",))})
    assert [(line.place, line.channel_id, line.model) for line in found] == [(1, 1, "m"), (2, 2, "n")]
