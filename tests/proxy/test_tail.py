"""The end of a stream that passes by: what is behind the last usage key, in little memory."""

import random
import re

import pytest
import support
from canalgate.proxy.metering import EventCount
from canalgate.proxy.relaying.tail import LEAST_BYTES, LOOK_BYTES, MOST_BYTES, Tail

USAGE = b'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":9}}\n\n'
EVENT = b'data: {"choices":[{"delta":{"content":"word"}}]}\n\n'
DONE = b"data: [DONE]\n\n"


def tail_of(data, how="events", seed=0):
    tail = Tail(EventCount())
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
    assert Tail(EventCount()).end() == b""


def framed(event):
    return b"%x\r\n%b\r\n" % (len(event), event)


class Seen(EventCount):
    """A meter that remembers what it saw, without the sizes of chunks."""

    def __init__(self):
        super().__init__()
        self.seen = b""

    def add(self, data):
        self.seen += re.sub(rb"(?m)^(?:[0-9a-f]+)?\r\n", b"", data)
        super().add(data)

    def add_events(self, lines, events):
        assert lines.count(b"data:") == events
        self.add(lines)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("name", STREAMS)
def test_events_in_frames_between_pieces_are_seen_and_kept_as_pieces_are(name, seed):
    data, chance = STREAMS[name], random.Random(seed)
    meter = Seen()
    tail = Tail(meter)
    since = 0
    for piece in support.cuts(data, "events"):
        how = chance.random()
        if how < 0.9 and piece.endswith(b"}\n\n"):
            tail.frames.append(framed(piece))
            since += len(piece)
            if since > LOOK_BYTES:
                since = 0
                tail.look()
        else:
            tail.add(piece)
        if how < 0.02:
            assert data[: data.index(tail.end()) + len(tail.end())].endswith(piece)
    tail.flush()
    assert meter.seen == data
    assert meter.events == data.count(b"content")
    assert tail.end().endswith(data[data.rindex(b'"usage"') :])
    assert len(tail.end()) >= min(len(data), LEAST_BYTES)


def test_events_in_frames_stay_few():
    tail = Tail(EventCount())
    for at in range(5000):
        tail.frames.append(framed(EVENT))
        if at % 50 == 0:
            tail.look()
    assert sum(map(len, tail.frames)) < LOOK_BYTES + LEAST_BYTES + 2 * len(framed(EVENT))


def test_a_usage_key_in_a_frame_is_not_forgotten_with_the_others():
    tail = Tail(EventCount())
    for _ in range(3):
        tail.frames += [framed(EVENT)] * 20
        tail.look()
    tail.frames += [framed(USAGE), *[framed(EVENT)] * 40]
    tail.look()
    tail.frames += [framed(EVENT)] * 20
    tail.look()
    assert tail.end() == USAGE[USAGE.index(b'"usage"') :] + EVENT * 60
