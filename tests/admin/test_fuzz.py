"""schemathesis over the document: no server error, and every answer is as the document says."""

import asyncio
import threading
from contextlib import contextmanager

import pytest
import schemathesis
import support
from admin_client import ADMIN_KEY
from canalgate.proxy.admin.openapi import document
from canalgate.proxy.admin.resources import OPERATIONS
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

# The tail of the log goes on as long as somebody watches.
SCHEMA = schemathesis.openapi.from_dict(document(OPERATIONS)).exclude(operation_id="tail_logs")
CHECKS = [
    not_a_server_error, status_code_conformance, content_type_conformance, response_headers_conformance,
    response_schema_conformance,
]  # fmt: skip


@contextmanager
def running(folder):
    """Run a gateway on a loop of its own, with something of everything in it; yields its address."""
    loop, ready, place = asyncio.new_event_loop(), threading.Event(), {}

    async def serve():
        place["stop"] = asyncio.Event()
        async with support.gateway(folder, admin={"key": ADMIN_KEY}) as gateway:
            for number in range(5):
                await gateway.add_channel("http://127.0.0.1:9/v1", f"m{number}")
                await gateway.add_token()
            await gateway.chat("m0")
            await gateway.parts.store.codes.create("gift", 5, 5, None, 1)
            place["url"] = gateway.url
            ready.set()
            await place["stop"].wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    try:
        assert ready.wait(20)
        yield place["url"]
    finally:
        loop.call_soon_threadsafe(place["stop"].set)
        thread.join(20)
        loop.close()


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    with running(tmp_path_factory.mktemp("fuzzed")) as address:
        yield address


@SCHEMA.parametrize()
@settings(
    max_examples=10,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_no_request_that_the_document_allows_or_not_is_answered_otherwise(case, url):
    headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
    case.call_and_validate(base_url=url, headers=headers, checks=CHECKS, timeout=10)
