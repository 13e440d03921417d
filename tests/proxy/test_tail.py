"""The end of a stream that passes by: what is behind the last usage key, in little memory."""

import pytest
import support
from canalgate.proxy.relaying.tail import LEAST_BYTES, MOST_BYTES, Tail

USAGE = b'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":9}}\n\n'
EVENT = b'data: {"choices":[{"delta":{"content":"word"}}]}\n\n'
DONE = b"data: [DONE]\n\n"


def tail_of(data, how="events", seed=0):
    tail = Tail(lambda data: None)
    for piece in support.cuts(data, how, seed):
        tail.add(piece)
    return tail


STREAMS = {
    "usage at the end": EVENT * 500 + USAGE + DONE,
    "usage at the beginning, much behind it": USAGE + EVENT * 60,
    "usage twice": EVENT * 300 + USAGE + EVENT * 30 + USAGE + DONE,
    "usage alone": USAGE,
    "a long end behind usage": EVENT * 300 + USAGE + b": filtered\n" * 400,
}


@pytest.mark.parametrize("how", ["whole", "events", "bytes", "random"])
@pytest.mark.parametrize("name", STREAMS)
def test_what_follows_the_last_usage_key_is_kept_however_it_arrives(name, how):
    data = STREAMS[name]
    wanted = data[data.rindex(b'"usage"') :]
    assert tail_of(data, how).end().endswith(wanted)


@pytest.mark.parametrize("how", ["events", "bytes", "random"])
def test_a_stream_without_usage_keeps_its_last_bytes(how):
    data = EVENT * 500
    kept = tail_of(data, how).end()
    assert data.endswith(kept) and len(kept) >= LEAST_BYTES


@pytest.mark.parametrize("data", [EVENT * 5000, USAGE * 5000, USAGE + EVENT * 5000, b"x" * 1_000_000])
def test_it_stays_small_for_ever(data):
    tail = tail_of(data, "events")
    assert sum(map(len, tail._pieces)) <= 2 * MOST_BYTES + len(EVENT) or len(tail._pieces) == 1


def test_a_usage_key_far_behind_is_forgotten():
    assert b'"usage"' not in tail_of(USAGE + EVENT * 5000).end()


def test_nothing_has_an_empty_end():
    assert Tail(lambda data: None).end() == b""
