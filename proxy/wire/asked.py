"""What a request asks for: its model, and its JSON body, or the beginning of its form."""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec

from ...plugins import BodyError, Endpoint, JsonBody
from ..errors import GatewayError
from .endpoints import DEFAULT_MODELS, FORMS, Route
from .inbound import BodyReader, Inbound
from .multipart import FormScanner, boundary_of


class Asked(msgspec.Struct, frozen=True):
    """A request understood. It has a `body`, or a `form` whose beginning has been read, and its `rest`."""

    endpoint: Endpoint
    model: str
    stream: bool
    content_type: str
    body: JsonBody | None
    form: FormScanner | None = None
    rest: AsyncIterator[bytes] | None = None


async def read_request(route: Route, inbound: Inbound, reader: BodyReader) -> Asked:
    """Read as much of a request as routing needs: a JSON body whole, a form up to its `model`."""
    endpoint = route.endpoint
    assert endpoint is not None
    content_type = inbound.headers.get("content-type", "application/json")
    default = route.model or DEFAULT_MODELS.get(endpoint, "")
    if endpoint in FORMS and is_form(content_type):
        return await _read_form(endpoint, content_type, default, reader)
    if inbound.headers.get("content-encoding", "identity") != "identity":
        raise GatewayError(415, "a compressed request body is not accepted", code="unsupported_encoding")
    body = JsonBody(await reader.whole())
    model = body.get("model", str) or default
    if not model:
        raise BodyError("you must provide a 'model'", "model")
    stream = body.get("stream", bool) or False
    if not content_type.lower().startswith("application/json"):
        content_type = "application/json"  # clients that forget it send JSON all the same
    return Asked(endpoint, model, stream, content_type, body)


def is_form(content_type: str) -> bool:
    """Whether a body of this type is a form in parts."""
    return content_type.lower().startswith("multipart/")


async def _read_form(endpoint: Endpoint, content_type: str, default: str, reader: BodyReader) -> Asked:
    form = FormScanner(boundary_of(content_type), b"model")
    pieces = reader.pieces()
    while form.value is None and not form.at_end:
        try:
            form.feed(await anext(pieces))
        except StopAsyncIteration:
            if not form.at_end:
                raise BodyError("the form is not complete") from None
    model = form.value or default
    if not model:
        raise BodyError("you must provide a 'model'", "model")
    return Asked(endpoint, model, False, content_type, None, form, pieces)
