"""Which requests are equal, which answers are kept, and what goes when there is no room."""

import orjson
import pytest
from calls import call
from canalgate.plugins import Caller, Draft, JsonBody, response_cache
from canalgate.plugins.response_cache import Cache, Keeper, Settings, content_type_of, key_of, read_settings
from canalgate.proxy.access_log import Record

ANNA = Caller(1, "t1", 10, "anna", "default")
ASKED = {"model": "m", "temperature": 0, "messages": [{"role": "user", "content": "hi"}]}
STREAM = b'data: {"choices":[]}\n\ndata: [DONE]\n\n'


def key(body=ASKED, *, caller=ANNA, endpoint="chat/completions", headers=None, **settings):
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    parsed = JsonBody(raw)
    draft = Draft("r", endpoint, parsed.get("model", str) or "m", bool(parsed.get("stream", bool)),
                  headers or {}, parsed)  # fmt: skip
    return key_of(draft, caller, Settings(**settings))


def cache(**settings):
    return Cache(Settings(**settings))


@pytest.mark.parametrize("body", [
    {key: value for key, value in ASKED.items() if key != "temperature"},
    {**ASKED, "temperature": None},
    {**ASKED, "temperature": 1e-9},
    {**ASKED, "temperature": 1},
    {**ASKED, "temperature": False},
    {**ASKED, "temperature": "0"},
    {**ASKED, "temperature": [0]},
    b'{"model":"m","temperature":0,"input":"a","input":"b"}',
    b'{"model":"m","temperature":0,"messages":[{"content":"a","content":"b"}]}',
    b'{"model":"m","temperature":0,"n":' + b"9" * 5000 + b"}",
    b'{"model":"m","temperature":0,"prompt":"\xff"}',
    {**ASKED, "pad": "x" * 512 * 1024},
])  # fmt: skip
def test_a_request_that_may_be_answered_differently_is_not_for_the_cache(body):
    assert key(body) is None


@pytest.mark.parametrize(
    "endpoint", ["moderations", "images/generations", "audio/speech", "rerank", "responses"]
)
def test_other_endpoints_are_not_for_the_cache(endpoint):
    assert key(endpoint=endpoint) is None


def test_a_form_is_not_for_the_cache():
    draft = Draft("r", "audio/transcriptions", "m", False, {}, None)
    assert key_of(draft, ANNA, Settings()) is None


def test_a_request_pinned_to_a_channel_is_not_for_the_cache():
    assert key(caller=Caller(1, "t1", 10, "anna", "default", 7)) is None


@pytest.mark.parametrize(("patterns", "is_for"), [
    (("*",), True), (("m",), True), (("x", "m*"), True), ((), False), (("M",), False), (("mm",), False),
])  # fmt: skip
def test_models_are_chosen_by_patterns(patterns, is_for):
    assert (key(models=patterns) is not None) is is_for


@pytest.mark.parametrize("temperature", [b"0", b"0.0", b"-0.0", b"0e5"])
def test_any_spelling_of_zero_is_zero(temperature):
    assert key(b'{"model":"m","temperature":%b}' % temperature) is not None


def test_embeddings_need_no_temperature():
    assert key({"model": "m", "input": "a"}, endpoint="embeddings") is not None


@pytest.mark.parametrize("same", [
    {"messages": [{"content": "hi", "role": "user"}], "temperature": 0, "model": "m"},
    b'{ "temperature": 0,\n "model": "\\u006d", "messages": [{"role": "user", "content": "hi"}] }',
    {**ASKED, "user": "u1"},
    {**ASKED, "metadata": {"trace": 1}},
    {**ASKED, "store": True},
    {**ASKED, "stream_options": {"include_usage": True}},
])  # fmt: skip
def test_requests_that_differ_in_nothing_that_counts_are_equal(same):
    assert key(same) == key()


@pytest.mark.parametrize("other", [
    {**ASKED, "stream": True},
    {**ASKED, "model": "m2"},
    {**ASKED, "seed": 1},
    {**ASKED, "n": 2},
    {**ASKED, "unknown": None},
    {**ASKED, "messages": [{"role": "user", "content": "hi", "user": "nested"}]},
    {**ASKED, "messages": [{"role": "system", "content": "hi"}]},
    {**ASKED, "messages": []},
])  # fmt: skip
def test_requests_that_differ_are_not_equal(other):
    assert key(other) not in (None, key())


def test_numbers_that_no_float_tells_apart_are_not_equal():
    bodies = [b'{"model":"m","temperature":0,"seed":%d}' % (2**70 + i) for i in (0, 1)]
    assert key(bodies[0]) != key(bodies[1])


def test_a_stream_with_and_without_usage_are_not_equal():
    streamed = {**ASKED, "stream": True}
    assert key(streamed) != key({**streamed, "stream_options": {"include_usage": True}})


def test_the_endpoint_counts():
    assert key(endpoint="completions") != key()


@pytest.mark.parametrize("headers", [{"accept": "text/plain"}, {"openai-beta": "x"}])
def test_headers_that_reach_the_provider_count(headers):
    assert key(headers=headers) != key()


def test_other_headers_do_not_count():
    assert key(headers={"user-agent": "x", "authorization": "Bearer y"}) == key()


OTHER_TOKEN = Caller(2, "t2", 10, "anna", "default")
OTHER_USER = Caller(3, "t3", 11, "bert", "default")
OTHER_GROUP = Caller(1, "t1", 10, "anna", "vip")


@pytest.mark.parametrize(("scope", "caller", "shares"), [
    ("user", OTHER_TOKEN, True), ("user", OTHER_USER, False), ("user", OTHER_GROUP, False),
    ("token", OTHER_TOKEN, False), ("token", OTHER_USER, False), ("token", OTHER_GROUP, False),
    ("group", OTHER_TOKEN, True), ("group", OTHER_USER, True), ("group", OTHER_GROUP, False),
])  # fmt: skip
def test_answers_are_shared_within_a_scope_only(scope, caller, shares):
    assert (key(caller=caller, scope=scope) == key(scope=scope)) is shares


# Which answers are kept.


@pytest.mark.parametrize("body", [
    b"",
    b" \n",
    b"ok",
    b"[1]",
    b'{"choices":[',
    b'{"choices":[]}x',
    b'{"error":{"message":"no"}}',
    b'{"id":"a","error": "no"}',
    b'{"choices":[{"finish_reason":"error"}]}',
    b'data: {"choices":[]}\n\n',
    b'data: {"choices":[]}\n\ndata: [DONE',
    b'data: {"choices":[{"delta":{"content":"data: [DONE]"}}]}\n\n',
    b'data: {"error":{"message":"no"}}\n\ndata: [DONE]\n\n',
    b'data: {"id":"a","choices":[{"finish_reason":"error"}],"error":{"code":502}}\n\ndata: [DONE]\n\n',
    b'data: {"choices":[]}\rdata: {"error":{}}\r\rdata: [DONE]\r\r',
    b"\xff{}",
    b'{"a":' * 100_000,
])  # fmt: skip
def test_what_is_not_a_whole_good_answer_has_no_type(body):
    assert content_type_of(body) is None


@pytest.mark.parametrize(("body", "kind"), [
    (b'{"choices":[]}', "application/json"),
    (b' {"error":null,"data":[]}\n', "application/json"),
    (b'{"choices":[{"message":{"content":"say \\"error\\": \\"x\\""}}]}', "application/json"),
    (STREAM, "text/event-stream"),
    (STREAM.replace(b"\n", b"\r\n"), "text/event-stream"),
    (b"data:[DONE]", "text/event-stream"),
])  # fmt: skip
def test_a_whole_good_answer_has_its_type(body, kind):
    assert content_type_of(body) == kind


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_a_stream_passes_as_the_objects_it_came_in_and_is_kept_in_any_split(size):
    kept = cache()
    keeper = Keeper(kept, b"k")
    for piece in [STREAM[at : at + size] for at in range(0, len(STREAM), size)]:
        assert keeper.feed(piece) is piece
    assert len(kept) == 0
    assert keeper.close() == b""
    assert kept.get(b"k", 0.0).body == STREAM


def test_a_whole_answer_passes_as_the_object_it_came_in():
    kept, body = cache(), b'{"data":[]}'
    assert Keeper(kept, b"k").whole(body) is body
    assert kept.get(b"k", 0.0).body is body


def test_a_stream_that_is_left_is_not_kept():
    kept = cache()
    Keeper(kept, b"k").feed(STREAM)
    assert len(kept) == 0


def test_a_stream_over_the_limit_passes_and_is_not_kept():
    kept = cache(max_answer_bytes=len(STREAM) - 1)
    keeper = Keeper(kept, b"k")
    assert keeper.feed(STREAM[:-5]) + keeper.feed(STREAM[-5:]) + keeper.close() == STREAM
    assert len(kept) == 0


@pytest.mark.parametrize(("limit", "count"), [(10, 0), (11, 1)])
def test_a_whole_answer_over_the_limit_is_not_kept(limit, count):
    kept = cache(max_answer_bytes=limit)
    Keeper(kept, b"k").whole(b'{"data":[]}')
    assert len(kept) == count


# What goes.


def test_an_answer_is_gone_at_the_end_of_its_time_however_often_it_is_used():
    kept = cache(ttl_s=10.0)
    kept.put(b"k", b"{}", "application/json", now=100.0)
    assert [kept.get(b"k", now) is not None for now in (105.0, 109.9, 110.0, 105.0)] == [
        True, True, False, False,
    ]  # fmt: skip
    assert (len(kept), kept.size) == (0, 0)


def test_the_least_recently_used_goes_first():
    kept = cache(max_entries=2)
    kept.put(b"a", b"{}", "application/json", 0.0)
    kept.put(b"b", b"{}", "application/json", 0.0)
    kept.get(b"a", 0.0)
    kept.put(b"c", b"{}", "application/json", 0.0)
    assert [kept.get(one, 0.0) is not None for one in (b"a", b"b", b"c")] == [True, False, True]


def test_bytes_are_bounded_by_entries_with_their_cost():
    kept = cache(max_bytes=4096, max_answer_bytes=4096)
    for number in range(100):
        kept.put(b"%d" % number, b"x" * 512, "application/json", 0.0)
        assert kept.size <= 4096
    assert (len(kept), kept.size) == (4, 4096)


def test_an_answer_that_fills_the_cache_by_itself_drives_nobody_out():
    kept = cache(max_bytes=2000, max_answer_bytes=2000)
    kept.put(b"a", b"{}", "application/json", 0.0)
    kept.put(b"b", b"x" * 1999, "application/json", 0.0)
    assert kept.get(b"a", 0.0) is not None and kept.get(b"b", 0.0) is None


def test_a_new_answer_takes_the_place_of_the_old_one():
    kept = cache()
    kept.put(b"a", b"x" * 1000, "application/json", 0.0)
    kept.put(b"a", b"{}", "application/json", 0.0)
    assert (kept.get(b"a", 0.0).body, kept.size) == (b"{}", 514)


def test_requests_that_never_end_do_not_pile_up():
    kept = cache()
    for number in range(10_001):
        kept.expect(str(number), b"k")
    assert kept.expected("0") is None and kept.expected("10000") == b"k"


def test_an_ended_request_is_forgotten_once_and_for_all():
    kept = cache()
    kept.expect("r", b"k")
    kept.forget("r")
    kept.forget("r")
    assert kept.expected("r") is None


@pytest.mark.parametrize(("table", "says"), [
    ({"max_bytes": "64"}, "max_bytes = '64'"),
    ({"max_bytes": 0}, "max_bytes = 0"),
    ({"max_bytes": True}, "max_bytes = True"),
    ({"max_entries": 1.5}, "max_entries = 1.5"),
    ({"max_entries": -1}, "max_entries = -1"),
    ({"max_answer_bytes": 0}, "max_answer_bytes = 0"),
    ({"max_bytes": 1000}, "max_answer_bytes = 1048576: more than max_bytes = 1000"),
    ({"ttl_s": 0}, "ttl_s = 0"),
    ({"ttl_s": float("nan")}, "ttl_s = nan"),
    ({"ttl_s": "1h"}, "ttl_s = '1h'"),
    ({"models": "gpt-*"}, "models = 'gpt-*'"),
    ({"models": [1]}, r"models = [1]"),
    ({"scope": "all"}, "scope = 'all'"),
    ({"ttl": 5}, "ttl = 5: there is no such setting"),
])  # fmt: skip
def test_a_wrong_setting_is_refused_by_key_and_value(table, says):
    with pytest.raises(ValueError, match=r"plugins\.response_cache\.") as caught:
        read_settings(table)
    assert says in str(caught.value)


def test_no_settings_are_the_defaults():
    assert read_settings({}) == Settings()


def test_settings_are_taken():
    table = {"max_bytes": 2_000_000, "ttl_s": 5, "models": ["a*"], "scope": "token"}
    assert read_settings(table) == Settings(max_bytes=2_000_000, ttl_s=5.0, models=("a*",), scope="token")


# The hooks.


class Host:
    """What the plugin asks of the gateway."""

    def settings(self, name):
        return {}


def asked():
    return Draft("r", "chat/completions", "m", False, {}, JsonBody(orjson.dumps(ASKED)))


async def test_a_request_is_watched_until_it_has_ended():
    async with response_cache.lifespan(Host()):
        response_cache.prepare_request(asked(), ANNA)
        first, retry = (response_cache.filter_answer(call(ASKED)) for _ in range(2))
        response_cache.on_usage(Record("r", "chat/completions", 0.0).told(0.0))
        late = response_cache.filter_answer(call(ASKED))
    assert isinstance(first, Keeper) and isinstance(retry, Keeper) and late is None


async def test_a_request_that_nobody_prepared_is_not_watched():
    async with response_cache.lifespan(Host()):
        assert response_cache.filter_answer(call(ASKED)) is None


async def test_nothing_is_answered_after_the_end():
    async with response_cache.lifespan(Host()):
        response_cache.prepare_request(asked(), ANNA)
        response_cache.filter_answer(call(ASKED)).whole(b"{}")
        again = asked()
        response_cache.prepare_request(again, ANNA)
    late = asked()
    response_cache.prepare_request(late, ANNA)
    assert again.answer is not None and late.answer is None
    assert response_cache.filter_answer(call(ASKED)) is None
