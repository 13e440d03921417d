"""What failures and successes do to a channel, second by second."""

from dataclasses import replace
from math import inf

import pytest
from canalgate.adapters.openai import OpenAIAdapter
from canalgate.plugins import ErrorKind, UpstreamError
from canalgate.proxy.records import ChannelRow
from canalgate.proxy.routing.health import LONGEST_WAIT_S, Health
from canalgate.proxy.routing.snapshot import bound

ROW = ChannelRow(1, "openai", "c", "http://127.0.0.1:1/v1", "one\ntwo\nthree", ("m", "n"), 1)
MEMBER = bound(ROW, OpenAIAdapter())
SINGLE = bound(replace(ROW, key="one"), OpenAIAdapter())


def error(kind, retry_after=None, status=502):
    return UpstreamError(ErrorKind(kind), "no", status=status, retry_after=retry_after)


def after(*told, member=SINGLE):
    """A health after this: (second, kind) a failure, (second, kind, retry_after), (second,) a success."""
    health = Health(3)
    for at, *what in told:
        if what:
            health.failed(member, "m", error(*what), at)
        else:
            health.succeeded(member, "m", 0.1, at)
    return health


FAILED = [(0, "fault"), (0, "fault"), (0, "fault")]

# what happened, at which second, seconds to wait for model m, and for model n
WAITS = {
    "nothing": ([], 0, 0, 0),
    "a few failures": (FAILED[:2], 0, 0, 0),
    "three in a row": (FAILED, 0, 1, 1),
    "three in a row, later": (FAILED, 0.75, 0.25, 0.25),
    "three, but not in a row": ([*FAILED[:2], (0,), FAILED[0]], 0, 0, 0),
    "a probe fails": ([*FAILED, (1, "fault")], 1, 2, 2),
    "and another": ([*FAILED, (1, "fault"), (3, "fault")], 3, 4, 4),
    "a probe succeeds": ([*FAILED, (1,)], 1, 0, 0),
    "it fails again after it came back": ([*FAILED, (1,), (1, "fault"), (1, "fault")], 1, 0, 0),
    "half of many fail": ([(0, kind) if kind else (0,) for kind in ["fault", "fault", ""] * 3], 0, 1, 1),
    "busy": ([(0, "busy")], 0, 1, 0),
    "limited": ([(0, "rate")], 0, 1, 0),
    "limited twice": ([(0, "rate"), (0, "rate")], 0, 2, 0),
    "limited until": ([(0, "rate", 30.0)], 10, 20, 0),
    "limited for ever": ([(0, "rate", 1e9)], 0, LONGEST_WAIT_S, 0),
    "limited for nonsense": ([(0, "rate", float("nan"))], 0, 1, 0),
    "limited for a negative time": ([(0, "rate", -5.0)], 0, 1, 0),
    "the model is not there": ([(0, "model")], 0, 30, 0),
    "nor later": ([(0, "model"), (30, "model")], 30, 60, 0),
    "the account is limited until": ([(0, "balance", 500.0)], 100, 400, 400),
    "the account is empty": ([(0, "balance")], 0, inf, inf),
    "the key is wrong": ([(0, "credential")], 0, inf, inf),
    "the request was wrong": ([(0, "request")] * 9, 0, 0, 0),
}


@pytest.mark.parametrize("name", WAITS)
def test_how_long_a_channel_rests(name):
    told, at, wait_m, wait_n = WAITS[name]
    health = after(*told)
    assert health.wait(SINGLE, "m", at) == pytest.approx(wait_m)
    assert health.wait(SINGLE, "n", at) == pytest.approx(wait_n)
    assert bool(health.why(SINGLE, "m", at)) == (wait_m > 0)


LAST = {
    "busy": ([(0, "busy")], 0),
    "limited": ([(0, "rate")], 0),
    "limited until": ([(0, "rate", 30.0)], 30),
    "failing": ([*FAILED, (1, "fault"), (3, "fault"), (7, "fault"), (15, "fault")], 19),
    "the model is not there": ([(0, "model")], 4),
    "the key is wrong": ([(0, "credential")], inf),
}


@pytest.mark.parametrize("name", LAST)
def test_when_a_channel_may_be_asked_if_nothing_else_is_left(name):
    told, from_s = LAST[name]
    health, now = after(*told), told[-1][0]
    assert health.wait(SINGLE, "m", now, last_resort=True) == pytest.approx(from_s - now)


def test_of_those_that_come_back_one_a_second_is_let_through():
    health = after(*FAILED)
    assert health.wait(SINGLE, "m", 1.5) == 0
    health.enter(SINGLE, "m", 1.5)
    assert health.wait(SINGLE, "m", 2.0) == pytest.approx(0.5)
    assert health.wait(SINGLE, "m", 2.6) == 0


def test_keys_take_turns_and_one_that_rests_is_passed_over():
    health = Health(3)
    turns = [health.keyed(MEMBER, "m", 0, ()).channel.key for _ in range(6)]
    assert sorted(turns) == ["one", "one", "three", "three", "two", "two"]
    health.failed(MEMBER.with_key(MEMBER.keys[1]), "m", error("rate", 60.0), 0)
    assert {health.keyed(MEMBER, "m", 0, ()).channel.key for _ in range(9)} == {"one", "three"}
    assert health.wait(MEMBER, "m", 0) == 0
    assert {health.keyed(MEMBER, "n", 0, ()).channel.key for _ in range(9)} == {"one", "two", "three"}


def test_a_channel_rests_when_all_its_keys_do():
    health = Health(3)
    for key, seconds in zip(MEMBER.keys, (50.0, 20.0, 90.0), strict=True):
        health.failed(MEMBER.with_key(key), "m", error("rate", seconds), 0)
    assert health.wait(MEMBER, "m", 0) == pytest.approx(20)
    assert health.is_limited(MEMBER, "m", 0)
    assert not health.has_other_key(MEMBER, "m", 0, ())


def test_a_key_that_was_tried_is_not_taken_again():
    health = Health(3)
    assert health.has_other_key(MEMBER, "m", 0, ["one", "two"])
    assert health.keyed(MEMBER, "m", 0, ["one", "two"]).channel.key == "three"
    assert not health.has_other_key(MEMBER, "m", 0, ["one", "two", "three"])


def test_an_edit_forgets_what_was_wrong_and_another_change_does_not():
    health = after(*FAILED)
    health.follow([bound(replace(ROW, key="one"), OpenAIAdapter())])
    assert health.wait(SINGLE, "m", 0) == 1
    health.follow([bound(replace(ROW, key="one", base_url="http://127.0.0.1:2/v1"), OpenAIAdapter())])
    assert health.wait(SINGLE, "m", 0) == 0


def test_a_refused_key_is_out_until_the_snapshot_decides():
    health = after((0, "credential"))
    assert health.wait(SINGLE, "m", 1e9) == inf
    health.follow([SINGLE])
    assert health.wait(SINGLE, "m", 1) == 0


def test_word_of_a_refused_key_is_given_once_until_the_snapshot_has_decided():
    health, refusal = Health(3), error("credential")
    told = [len(health.failed(SINGLE, "m", refusal, at)) for at in range(3)]
    health.follow([SINGLE])
    assert [*told, len(health.failed(SINGLE, "m", refusal, 4))] == [1, 0, 0, 1]


def test_word_is_given_once_when_a_channel_rests_and_once_when_it_is_back():
    health, said = Health(3), []
    for at in range(6):
        said += [(n.what, n.model) for n in health.failed(SINGLE, "m", error("fault"), at)]
    assert sorted(said) == [("cooling", ""), ("cooling", "m")]
    assert sorted(n.model for n in health.succeeded(SINGLE, "m", 0.1, 20)) == ["", "m"]
    assert health.succeeded(SINGLE, "m", 0.1, 20) == []


def test_a_slow_answer_counts_at_once_and_is_forgotten_in_time():
    known = Health(3).of(SINGLE)
    known.timed(0.1, 0)
    known.timed(5.0, 1)
    assert known.first_byte_s == 5.0
    known.timed(0.1, 1.1)
    assert 4 < known.first_byte_s < 5
    for at in range(2, 60):
        known.timed(0.1, at)
    assert known.first_byte_s < 0.2


def test_a_good_channel_leaves_nothing_behind():
    health = after((0, "busy"), *[(1,)] * 20)
    assert health.report(1) == []
    assert not health.of(SINGLE).circuits
