"""Baidu Wenxin: the legacy ERNIE API, V1 of what is Qianfan now.

A wire of its own: a model is an address, a key is changed for an access token that goes into the query, and
every error comes under HTTP 200, in a stream too. Baidu announced its end for 2026-08-31; private
deployments and proxies go on speaking it. Who starts today takes `qianfan`.
Source: Baidu's WENXINWORKSHOP documentation, pages of the single models, "Access Token" and "error codes"
(tlmyncueh).
"""

from __future__ import annotations

import re
from urllib.parse import quote, urlencode, urlsplit

import orjson

from ...plugins import (
    BodyError,
    Call,
    Channel,
    Credential,
    ErrorKind,
    Headers,
    Json,
    Option,
    Reply,
    StreamTranslator,
    UpstreamError,
    UpstreamRequest,
    UpstreamResponse,
    hookimpl,
)
from ..chat import completion, embeddings, inputs_of, message, tool_call
from ..failures import CONTENT_FILTER, CONTEXT_LENGTH, MODEL_NOT_FOUND, Failure, coded
from ..fields import EMBEDDING_FIELDS, UNSUPPORTED, others
from ..foreign import ForeignAdapter, JsonStream, at, is_document, objects, text
from ..parts.rerank import HANDLED as RERANK_FIELDS
from ..parts.rerank import documents_of, query_of, ranked
from ..parts.usage import latest, read_usage
from ..sse import Event
from .chat import chat_body, image_question
from .models import NAMES, Service, service_of

_ROOT = "/rpc/2.0/ai_custom/v1/wenxinworkshop"
_TOKEN = "/oauth/2.0/token"

TOKEN_URL = Option(
    "token_url",
    "Address of the access token",
    help=f"where a key is changed for a token; empty: {_TOKEN} on the host of the base URL",
)
SERVICE_PATH = Option(
    "path",
    "Path of the service",
    help="of a self-deployed model, below the base URL or the last part alone; empty: by the model's name",
)

_REQUEST, _MODEL = ErrorKind.REQUEST, ErrorKind.MODEL
_FAULT, _RATE = ErrorKind.FAULT, ErrorKind.RATE

_CODES = coded(
    (_FAULT, "", "1 2 336000 500000"),
    (_FAULT, "", "15"),  # the application does not exist yet: asking again helps, says the page
    (ErrorKind.BUSY, "", "4 336100"),
    (_MODEL, MODEL_NOT_FOUND, "3 336005 336101"),
    (_MODEL, "", "6 336004"),
    (ErrorKind.CREDENTIAL, "", "13 14"),
    (ErrorKind.EXPIRED, "", "100 110 111"),
    (ErrorKind.BALANCE, "", "17 19"),
    (_RATE, "", "18 336501 336502"),
    (_RATE, "", "336117 336503 336504 336505 336507"),
    (_REQUEST, "", "336001 336002 336003 336104 336105"),
    (_REQUEST, CONTEXT_LENGTH, "336006 336007 336008 336103"),
)
"""Source: the error code page, and for 336117 and 336503 to 336507 what other gateways take them for."""

_SAID = (
    (re.compile(r"max input (characters|tokens)|too long", re.IGNORECASE), CONTEXT_LENGTH),
    (re.compile(r"unsafe|safety|sensitive|安全|敏感", re.IGNORECASE), CONTENT_FILTER),
)
"""What the text of a bad request says where its code is the one for any parameter."""

_FINISH = {
    "normal": "stop",
    "stop": "stop",
    "length": "length",
    "content_filter": "content_filter",
}
"""Baidu's finish reasons; answers of 2023 have none. `function_call` shows in the call itself."""

_BAD_KEY = frozenset({"invalid_client", "unauthorized_client", "invalid_grant", "invalid_request"})
"""Errors of the token service that are about the key. Source: page "Access Token"."""

_IMAGE_FIELDS = frozenset(
    {"background", "input_fidelity", "moderation", "output_compression", "output_format", "partial_images"}
    | {"quality", "stream"}
)
_RERANK_FIELDS = frozenset({"max_chunks_per_doc", "max_tokens_per_doc", "overlap_tokens", "rank_fields"})


class WenxinAdapter(ForeignAdapter):
    """Baidu's ERNIE API as it was before Qianfan V2."""

    name = "wenxin"
    title = "Baidu Wenxin V1 (ends 2026-08-31, newcomers take Baidu Qianfan)"
    base_url = f"https://aip.baidubce.com{_ROOT}"
    endpoints = frozenset({"chat/completions", "embeddings", "images/generations", "rerank"})
    embedding_inputs = 16
    key_help = (
        "API Key and Secret Key of an application with a bar between them: ak|sk. Or a ready access token. "
        "Baidu switches this API off on 2026-08-31: for its cloud choose Baidu Qianfan, "
        "this one is for private deployments and proxies"
    )
    options = (TOKEN_URL, SERVICE_PATH, UNSUPPORTED)
    models = NAMES
    codes = _CODES

    def check(self, channel: Channel) -> None:
        super().check(channel)
        if channel.key.count("|") > 1 or channel.key.startswith("|") or channel.key.endswith("|"):
            raise ValueError("the key must be an API Key and a Secret Key with one | between them")
        if ".." in channel.options.get(SERVICE_PATH.name, "").split("/"):
            raise ValueError("path: expected a path below the base URL")
        address = urlsplit(self._token_url(channel))
        if address.scheme not in ("http", "https") or not address.hostname or address.query:
            raise ValueError("token_url: expected http://host/path or https://host/path")

    def root(self, channel: Channel) -> str:
        """Return the base URL; one that is only a host gets Baidu's path."""
        url = super().root(channel)
        return url if urlsplit(url).path else url + _ROOT

    # The access token.

    def credential_request(self, channel: Channel, now: float) -> UpstreamRequest | None:
        id, bar, secret = channel.key.partition("|")
        if not bar:
            return None
        query = urlencode({"grant_type": "client_credentials", "client_id": id, "client_secret": secret})
        return UpstreamRequest(f"{self._token_url(channel)}?{query}", {"content-type": "application/json"})

    def credential(self, channel: Channel, response: UpstreamResponse | None, now: float) -> Credential:
        if response is None:
            return Credential(channel.key)
        answer = _loosely(response.body)
        token, seconds = text(answer.get("access_token")), answer.get("expires_in")
        if token and 200 <= response.status < 300:
            lasts = seconds if isinstance(seconds, (int, float)) else 86400
            return Credential(token, now + lasts)
        if answer.get("error") in _BAD_KEY:
            said = text(answer.get("error_description")) or text(answer.get("error"))
            raise UpstreamError(ErrorKind.CREDENTIAL, said, status=401)
        failure = Failure(text(answer.get("error_msg")), code=str(answer.get("error_code", "")))
        raise self.failed(failure, response.status, response.headers, now)

    def _token_url(self, channel: Channel) -> str:
        if url := channel.options.get(TOKEN_URL.name, "").strip():
            return url
        root = self.root(channel)
        front, rpc, _ = root.partition("/rpc/2.0/")
        return (front if rpc else root.removesuffix(urlsplit(root).path)) + _TOKEN

    # Requests and answers.

    def auth(self, credential: Credential) -> dict[str, str]:
        return {}  # the token is in the address

    def request(self, call: Call) -> UpstreamRequest:
        if call.body is None:
            raise BodyError("this provider takes JSON and no form")
        path = call.channel.options.get(SERVICE_PATH.name, "").strip()
        service = service_of(path or call.upstream_model, call.endpoint)
        if ".." in service.path.split("/"):
            raise BodyError("the model's name is no path", "model")
        body, dropped = _body(call, service)
        url = f"{self.root(call.channel)}/{quote(service.path)}"
        if call.credential.value:
            url += "?" + urlencode({"access_token": call.credential.value})
        return self.post(call, url, body, dropped)

    def reply(self, call: Call, response: UpstreamResponse) -> Reply:
        return _ANSWERS[call.endpoint](call, self.document(call, response))

    def stream(self, call: Call, response: UpstreamResponse) -> StreamTranslator | None:
        return None if is_document(call, response) else WenxinStream(self, call, response, _Lines())

    def failed(self, failure: Failure, status: int, headers: Headers, now: float) -> UpstreamError:
        error = super().failed(failure, status, headers, now)
        if error.kind is ErrorKind.REQUEST and not error.code:
            error.code = next((code for pattern, code in _SAID if pattern.search(error.message)), "")
        return error


class WenxinStream(JsonStream):
    """Baidu's stream of sentences. `result` is a delta; the event with `is_end` is the last one."""

    _position = 0

    def event(self, name: bytes, value: Json) -> bytes:
        if self.ended:
            return b""
        self.usage = latest(self.usage, read_usage(value.get("usage")))
        made = [self.out.text(text(value.get("result")))]
        if search := _search(value):
            made.append(self.out.delta(search))
        for call in _calls(value):
            made.append(self.out.tool_call(self._position, name=call["name"], arguments=_arguments(call)))
            self._position += 1
        if value.get("is_end") is True:
            self.ended = True
            made.append(self.out.finish(_finish(value)))
        return b"".join(made)


class _Lines:
    """Cuts a stream into lines; a line with data or with bare JSON is an event.

    Each of Baidu's events has one line of data, and a failure in mid-stream is a line of JSON without any
    field name, which Baidu's own SDK looks for.
    """

    def __init__(self) -> None:
        self._rest: list[bytes] = []

    def feed(self, data: bytes) -> list[Event]:
        first, *more = re.split(rb"[\r\n]", data)
        self._rest.append(first)
        if not more:
            return []
        lines = [b"".join(self._rest), *more[:-1]]
        self._rest = [more[-1]]
        return [event for line in lines if (event := _event(line))]

    def flush(self) -> list[Event]:
        return self.feed(b"\n")


def _event(line: bytes) -> Event | None:
    line = line.removeprefix(b"\xef\xbb\xbf")
    if line.startswith(b"data:"):
        return Event(line[5:])
    return Event(line) if line.startswith(b"{") else None


# Bodies of requests.


def _body(call: Call, service: Service) -> tuple[Json, tuple[str, ...]]:
    """Return the body for a service, and the names of the fields that were left out."""
    if call.endpoint == "embeddings":
        rest, dropped = others(call, {"model", "input", "user", "encoding_format"}, EMBEDDING_FIELDS)
        return {"input": inputs_of(call), **rest, **_user(call)}, dropped
    if call.endpoint == "rerank":
        rest, dropped = others(call, {*RERANK_FIELDS, "user"}, _RERANK_FIELDS)
        return {"query": query_of(call), "documents": documents_of(call), **rest, **_user(call)}, dropped
    if call.endpoint == "images/generations":
        rest, dropped = others(call, {"model", "response_format", "user"}, _IMAGE_FIELDS)
        return {**rest, **_user(call)}, dropped
    if service.path.startswith("image2text/"):
        return image_question(call)
    return chat_body(call, service)


def _user(call: Call) -> Json:
    user = call.body.get("user", str) if call.body is not None else None
    return {"user_id": user} if user else {}


# Answers.


def _chat(call: Call, value: Json) -> Reply:
    calls = _calls(value)
    made = message(
        text(value.get("result")),
        tool_calls=[tool_call(at, item["name"], _arguments(item)) for at, item in enumerate(calls)],
    )
    usage = read_usage(value.get("usage"))
    return completion(call, made | _search(value), _finish(value), usage, id=text(value.get("id")))


def _vectors(call: Call, value: Json) -> Reply:
    rows = sorted(objects(value.get("data")), key=lambda row: row.get("index") or 0)
    vectors = [row.get("embedding") for row in rows]
    if not vectors or not all(isinstance(vector, list) for vector in vectors):
        raise UpstreamError(ErrorKind.FAULT, "the provider's answer has no vectors")
    return embeddings(
        call, [vector for vector in vectors if vector is not None], read_usage(value.get("usage"))
    )


def _ranking(call: Call, value: Json) -> Reply:
    usage = read_usage(value.get("usage"))
    return ranked(call, objects(value.get("results")), usage, id=text(value.get("id")))


def _pictures(call: Call, value: Json) -> Reply:
    pictures = [{"b64_json": text(row.get("b64_image"))} for row in objects(value.get("data"))]
    if not pictures:
        raise UpstreamError(ErrorKind.FAULT, "the provider's answer has no picture")
    body = {"created": int(call.now), "data": pictures}
    return Reply(orjson.dumps(body), read_usage(value.get("usage")))


_ANSWERS = {
    "chat/completions": _chat,
    "embeddings": _vectors,
    "rerank": _ranking,
    "images/generations": _pictures,
}


def _finish(value: Json) -> str:
    """OpenAI's finish reason of a last event or a whole answer.

    `need_clear_history` says that the question or the answer was unsafe and the text is a refusal.
    """
    if _calls(value):
        return "tool_calls"
    if value.get("need_clear_history") is True:
        return "content_filter"
    word = _FINISH.get(text(value.get("finish_reason")), "stop")
    return "length" if word == "stop" and value.get("is_truncated") is True else word


def _calls(value: Json) -> list[Json]:
    """The functions called: Baidu's one `function_call`, or OpenAI's list where a service has that.

    The `thoughts` beside a call are a note on why it is made, no part of the answer; they are left out.
    """
    calls = [at(call, "function") for call in objects(value.get("tool_calls"))]
    return [call for call in (calls or [value.get("function_call")]) if text(at(call, "name"))]


def _arguments(function: Json) -> str:
    arguments = function.get("arguments")
    return arguments if isinstance(arguments, str) else orjson.dumps(arguments or {}).decode()


def _search(value: Json) -> Json:
    """The search results behind an answer, which a client gets if it has set `enable_citation`."""
    found = value.get("search_info")
    return {"search_info": found} if isinstance(found, dict) and found else {}


def _loosely(body: bytes) -> Json:
    """A JSON object, or an empty one for anything else."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}


@hookimpl
def register_adapters(register):  # type: ignore[no-untyped-def]  # the hookspec gives the types
    register(WenxinAdapter())
