"""A provider that misbehaves: the client gets a clean error or a visible cut, and never hangs.

With a healthy channel beside it the client never notices, unless it had seen something of the answer. What
is expected of each stands in faults.py; each test has a channel of its own in a gateway that all share.
"""

import asyncio
import itertools
import logging
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass

import orjson
import pytest
import pytest_asyncio
import support
from canalgate.adapters import BUILTIN
from canalgate.plugins.manager import PluginManager
from canalgate.proxy.conformance.replay import channel_for
from canalgate.proxy.upstream import pool
from faults import FAULTS
from faulty import BROKEN, EVENTS, GOOD, MAX_REPLY_BYTES, OK, STREAM, TOLD, WHOLE, Fault, faulty
from support import CUT

pytestmark = pytest.mark.asyncio(loop_scope="module")

ADAPTERS = PluginManager(BUILTIN).adapters
USAGE = {"stream_options": {"include_usage": True}}
PATIENCE_S, IMPATIENCE_S = 5.0, 0.1
LONGEST_S = 2.5
MOST_ATTEMPTS = 4

PAIRED = [f"{number}-paired" for number in range(2 * len(FAULTS))]

KINDS = list(itertools.product(FAULTS, (False, True)))
ALONE = [(name, stream, True) for name, stream in KINDS]
ALONE += [(name, True, False) for name, fault in FAULTS.items() if isinstance(fault.sees(True), str)]
"""A stream whose client asks for usage passes as it comes; one whose client does not is read line by line."""


@pytest.fixture(scope="module", autouse=True)
def sweeps():
    """Look for silent providers often, so that short limits are kept."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pool, "_SWEEP_S", 0.02)
        patch.setattr(pool, "_END_S", 0.1)
        yield


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateways(lane, sweeps, tmp_path_factory):
    """A gateway that waits for providers and one that does not, by whether a fault is a silence."""
    folder = tmp_path_factory.mktemp(lane)
    async with patient(folder / "a", PATIENCE_S) as one, patient(folder / "b", IMPATIENCE_S) as other:
        yield {False: one, True: other}


def patient(folder, seconds):
    limits = {"first_byte_s": seconds, "idle_s": seconds, "connect_s": seconds}
    # Hundreds of failures in a row are no outage here, and a lone channel's pauses would only take time.
    routing = {"retry_share": 10.0, "retry_pause_s": 0.01}
    return support.gateway(folder, upstream={**limits, "max_reply_bytes": MAX_REPLY_BYTES}, routing=routing)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def healthy(gateways):
    """A provider that is a second channel for every model `NUMBER-paired`."""
    async with support.provider() as made:
        made.script = lambda asked: (STREAM if asked.json.get("stream") else OK,)
        for gateway in gateways.values():
            await gateway.add_channel(made, *PAIRED, priority=1, name="healthy")
        yield made


@asynccontextmanager
async def channel(gateway, fault, provider, model):
    """A channel that behaves so, first in line for a model."""
    wanted = channel_for(ADAPTERS[fault.adapter])
    fields = {"type": fault.adapter, "key": wanted.key, "options": dict(wanted.options)}
    row = await gateway.add_channel(provider, model, priority=2, name=model, **fields)
    try:
        yield
    finally:
        await gateway.parts.store.remove_channel(row.id)


@dataclass
class Played:
    """What came of a fault: what the client got, how often the provider was asked, whether it was let go."""

    answer: support.Answered
    asked: int
    released: bool


async def play(gateways, fault, stream, usage=True, model="alone"):
    """Ask a gateway whose first channel behaves so."""
    gateway = gateways[fault.stalls]
    async with faulty(fault) as first, channel(gateway, fault, first, model):
        if fault.before:
            assert (await gateway.chat(model)).complete
            assert await is_let_go(gateway, first, drops=fault.drops)
        how = {"stream": True, **(USAGE if usage else {})} if stream else {}
        body = {"model": model, "messages": [{"role": "user", "content": "hi"}], **how}
        answer = await gateway.post("/v1/chat/completions", body, timeout=LONGEST_S)
        asked = len(first.asked) - bool(fault.before)
        return Played(answer, asked, await is_let_go(gateway, first))


async def is_let_go(gateway, provider, *, drops=False):
    """Whether no connection is in use, and a provider's are closed or, unless it `drops` them, kept."""
    upstream = gateway.front._fast.relay.upstream
    deadline = time.monotonic() + 1
    while time.monotonic() < deadline:
        kept = [one for idle in upstream._idle.values() for one in idle if one.origin.port == provider.port]
        if not upstream._busy and len(provider.tasks) == len(kept) * (not drops):
            return True
        await asyncio.sleep(0.005)
    return False


def check(fault, stream, answer):
    """Whether the client got what the table says of this channel alone."""
    seen = fault.sees(stream)
    if seen == WHOLE:
        assert (answer.status, answer.complete, answer.body) == (200, True, fault.gives[stream])
    elif seen == BROKEN:
        assert (answer.status, answer.complete) == (200, False)
        assert b"[DONE]" not in answer.body
        assert set(last_event(answer.body)["error"]) == {"message", "type", "param", "code"}
    elif seen == TOLD:
        assert answer.status == 200
        assert last_event(answer.body)["error"]["message"]
    else:
        assert (answer.status, answer.complete) == (seen, True)
        assert answer.error["message"] and answer.headers["content-type"] == "application/json"
        assert answer.headers.get("retry-after") == fault.wait
    assert not {"location", "upgrade", "link", "content-encoding"} & set(answer.headers)


def last_event(stream):
    return orjson.loads(stream.removesuffix(b"\n\n").rpartition(b"\ndata: ")[2])


@pytest.mark.parametrize(("name", "stream", "usage"), ALONE)
async def test_a_client_of_one_channel_sees_what_the_table_says(gateways, caplog, name, stream, usage):
    caplog.set_level(logging.ERROR)
    fault = FAULTS[name]
    played = await play(gateways, fault, stream, usage)
    check(fault, stream, played.answer)
    assert (played.released, played.asked <= MOST_ATTEMPTS, caplog.records) == (True, True, [])


@pytest.mark.parametrize(
    ("model", "name", "stream"),
    [(model, name, stream) for model, (name, stream) in zip(PAIRED, KINDS, strict=True)],
)
async def test_a_healthy_second_channel_hides_what_was_not_seen(gateways, healthy, model, name, stream):
    fault, healthy.asked = FAULTS[name], []
    played = await play(gateways, fault, stream, model=model)
    if fault.is_hidden(stream):
        answer = played.answer
        assert (answer.status, answer.complete, answer.body) == (200, True, EVENTS if stream else GOOD)
    else:
        check(fault, stream, played.answer)
    assert len(healthy.asked) == fault.is_hidden(stream)
    assert (played.released, played.asked <= MOST_ATTEMPTS) == (True, True)


# What the table does not tell.


async def test_json_that_is_called_an_event_stream_is_sent_as_json(gateways):
    played = await play(gateways, FAULTS["JSON as an event stream"], True)
    assert played.answer.headers["content-type"] == "application/json"


async def test_a_packed_error_is_understood(gateways):
    played = await play(gateways, FAULTS["an error in gzip"], False)
    assert played.answer.error["message"] == "too many words"


@pytest.mark.parametrize("stream", [False, True])
async def test_audio_that_breaks_off_is_a_visible_cut(gateways, stream):
    steps = (b"HTTP/1.1 200 OK\r\ncontent-type: audio/mpeg\r\ncontent-length: 900\r\n\r\nabc", CUT)
    gateway, fault = gateways[False], Fault(steps, steps, (BROKEN, BROKEN))
    async with faulty(fault) as provider, channel(gateway, fault, provider, "speech"):
        answer = await gateway.post("/v1/audio/speech", {"model": "speech", "input": "x", "stream": stream})
    assert (answer.body, answer.complete) == (b"abc", False)
