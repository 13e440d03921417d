"""The rerank endpoint: what is read of a request and written of an answer."""

import orjson
import pytest
from canalgate.adapters.parts.rerank import documents_of, query_of, ranked
from canalgate.plugins import BodyError, Call, Channel, Credential, JsonBody, Usage


def call(**body) -> Call:
    channel = Channel(1, "c", "", "k")
    raw = JsonBody(orjson.dumps(body))
    return Call("r", "rerank", "m", "up", False, raw, "application/json", channel, Credential("k"), 1.0)


def test_documents_are_texts_or_objects_with_a_text():
    assert documents_of(call(documents=["a", {"text": "b", "id": 1}])) == ["a", "b"]


@pytest.mark.parametrize("documents", [None, [], "a", {"text": "a"}, [1], [None], [{"id": 1}], ["a", ["b"]]])
def test_documents_of_another_shape_are_the_clients_fault(documents):
    with pytest.raises(BodyError) as caught:
        documents_of(call(documents=documents))
    assert caught.value.param == "documents"


@pytest.mark.parametrize("query", [None, "", 1, ["a"]])
def test_a_query_must_be_a_text(query):
    with pytest.raises(BodyError) as caught:
        query_of(call(query=query))
    assert caught.value.param == "query"


RESULTS = [{"index": 1, "relevance_score": 0.9, "extra": 1}, {"index": 0, "relevance_score": 0.1}]


def test_an_answer_keeps_the_providers_order_and_scores():
    reply = ranked(call(documents=["a", "b"]), RESULTS, Usage(5), id="x", meta={"y": 1})
    assert orjson.loads(reply.body) == {
        "id": "x",
        "model": "m",
        "results": [{"index": 1, "relevance_score": 0.9}, {"index": 0, "relevance_score": 0.1}],
        "meta": {"y": 1},
        "usage": {"prompt_tokens": 5, "total_tokens": 5},
    }
    assert reply.usage == Usage(5)


def test_documents_are_put_in_where_the_client_asks_for_them():
    made = call(documents=["a", {"text": "b"}], return_documents=True)
    results = orjson.loads(ranked(made, [*RESULTS, {"index": 9}], None).body)["results"]
    assert [row["document"]["text"] for row in results] == ["b", "a", None]


def test_an_answer_without_usage_shows_none():
    body = orjson.loads(ranked(call(documents=["a"]), [], None).body)
    assert body == {"id": "rerank-r", "model": "m", "results": []}
