"""The rerank endpoint: what its request says, and its answer.

OpenAI has none. The shape is the one that Jina began and Cohere, SiliconFlow, vLLM and others took over:
docs.cohere.com/reference/rerank, jina.ai/reranker.
"""

from __future__ import annotations

from collections.abc import Iterable

import orjson

from ...plugins import BodyError, Call, Json, Reply, Usage

HANDLED = frozenset({"model", "query", "documents", "return_documents"})
"""The fields that these functions read, for `fields.others`."""


def query_of(call: Call) -> str:
    """Return the query. Raises BodyError if there is none."""
    query = call.body.get("query", str) if call.body is not None else None
    if not query:
        raise BodyError("'query' must be a text", "query")
    return query


def documents_of(call: Call) -> list[str]:
    """Return the documents as texts; one may also be an object with a `text`. Raises BodyError for others."""
    given = call.body.tree.get("documents") if call.body is not None else None
    if not isinstance(given, list) or not given:
        raise BodyError("'documents' must be a list of texts", "documents")
    return [_text(item) for item in given]


def _text(document: object) -> str:
    text = document.get("text") if isinstance(document, dict) else document
    if not isinstance(text, str):
        raise BodyError("'documents' must be a list of texts", "documents")
    return text


def ranked(
    call: Call, results: Iterable[Json], usage: Usage | None, *, id: str = "", meta: Json | None = None
) -> Reply:
    """Return a rerank answer. Of each result `index` and `relevance_score` are kept.

    The documents' texts are put in where the client asked for them.
    """
    wanted = call.body is not None and call.body.get("return_documents", bool) is True
    documents = dict(enumerate(documents_of(call))) if wanted else {}
    rows: list[Json] = []
    for result in results:
        place = result.get("index", -1)
        row: Json = {"index": place, "relevance_score": result.get("relevance_score")}
        if wanted:
            row["document"] = {"text": documents.get(place)}
        rows.append(row)
    body: Json = {"id": id or f"rerank-{call.request_id}", "model": call.model, "results": rows}
    if meta is not None:
        body["meta"] = meta
    if usage is not None:
        body["usage"] = {"prompt_tokens": usage.prompt_tokens, "total_tokens": usage.prompt_tokens}
    return Reply(orjson.dumps(body), usage)
