"""Recorded provider traffic through the gateway: answers unchanged, failures as OpenAI's errors."""

from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
import support
from recordings import recorded
from support import STREAM_END, chunk

pytestmark = pytest.mark.asyncio(loop_scope="module")

HOWS = ("whole", "events", "bytes", "random")
KEY = b"sk-upstream-secret"

STATUSES = {
    "auth": {502},
    "quota": {502},
    "channel_config": {502},
    "rate_limit": {429},
    "upstream": {502, 503, 504},
    "model_not_found": {404},
    "context_length": {400, 413, 415, 422},
    "content_filter": {400, 413, 415, 422},
    "invalid_request": {400, 413, 415, 422},
}
"""What a client gets for each class of error."""

FIRST_EVENT_ERRORS = {"quirks/stream-error-first"}
"""Streams that fail before they have shown anything; the others are passed on as they are."""


@dataclass(frozen=True)
class Case:
    """One recording: what it is and where its bytes are."""

    path: Path
    api: str
    status: int
    stream: bool
    content_type: str | None
    response: str
    error_class: str | None

    @property
    def name(self) -> str:
        return f"{self.path.parent.name}/{self.path.name}"

    @property
    def is_sse(self) -> bool:
        return self.response.endswith(".sse")

    @property
    def fails(self) -> bool:
        if self.status >= 400 or self.name in FIRST_EVENT_ERRORS:
            return True
        return self.error_class is not None and not self.is_sse

    def answer(self, how: str) -> list[object]:
        """The HTTP answer, cut as `how` says into chunks and reads alike; JSON is not cut."""
        body = (self.path / self.response).read_bytes()
        typed = f"content-type: {self.content_type}\r\n" if self.content_type else ""
        head = f"HTTP/1.1 {self.status} X\r\n{typed}"
        if not self.is_sse:
            return [f"{head}content-length: {len(body)}\r\n\r\n".encode() + body]
        start = f"{head}transfer-encoding: chunked\r\n\r\n".encode()
        pieces = [start, *map(chunk, support.cuts(body, how)), STREAM_END]
        return [step for piece in pieces for step in (piece, support.TURN)]


CASES = [
    Case(
        path,
        meta["api"],
        meta["status"],
        meta["stream"],
        meta["response_headers"].get("content-type"),
        meta["response_file"],
        expected.get("error_class"),
    )
    for path, meta, expected in recorded()
]
PAIRS = [(case, how) for case in CASES for how in (HOWS if case.is_sse else HOWS[:1])]


def table(*, fails: bool):
    """The pairs of a case and a way to cut it, with their names."""
    pairs = [pair for pair in PAIRS if pair[0].fails is fails]
    names = [f"{case.name}-{how}" for case, how in pairs]
    return pytest.mark.parametrize(("case", "how"), pairs, ids=names)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def both(tmp_path_factory):
    """One gateway and one provider for all recordings; each pair gets a channel of its own."""
    async with (
        support.provider() as provider,
        support.gateway(tmp_path_factory.mktemp("gateway")) as gateway,
    ):
        yield gateway, provider


async def replay(case: Case, how: str, both) -> support.Answered:
    gateway, provider = both
    model = f"{case.name}-{how}"
    await gateway.add_channel(provider, model, name=model)
    provider.says(*case.answer(how))
    body = {"model": model, "stream": case.stream}
    if case.stream and case.api in ("chat.completions", "completions"):
        body["stream_options"] = {"include_usage": True}
    return await gateway.post(f"/v1/{case.api.replace('.', '/')}", body, timeout=20.0)


async def test_the_recordings_are_at_hand(recordings):
    assert len(CASES) > 150


@table(fails=False)
async def test_a_recorded_answer_comes_back_byte_for_byte(both, case, how):
    answer = await replay(case, how, both)
    assert (answer.status, answer.complete) == (200, True)
    assert answer.body == (case.path / case.response).read_bytes()


@table(fails=True)
async def test_a_recorded_failure_becomes_an_error_of_its_class(both, case, how):
    answer = await replay(case, how, both)
    assert answer.status in STATUSES[case.error_class]
    assert answer.error["message"]
    assert KEY not in answer.raw
