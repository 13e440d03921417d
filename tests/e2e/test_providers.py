"""Every recorded case through the whole gateway, by its adapter, over sockets: what the client gets is right.

The bytes of a stream come in four kinds of cuts, each piece a chunk and a read of its own. The recordings'
own oracle says what any client must get out of an answer; the record of the request says what is accounted.
"""

import asyncio
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
import support
from canalgate.adapters import BUILTIN
from canalgate.plugins import ErrorKind, UpstreamError
from canalgate.plugins.manager import PluginManager
from canalgate.proxy.conformance.cases import Case, cases
from canalgate.proxy.conformance.compare import differences
from canalgate.proxy.conformance.outcome import read_json, read_stream
from canalgate.proxy.conformance.replay import NOW, Replayed, channel_for, client_body, replay
from canalgate.proxy.conformance.responses import read_response, read_response_stream
from canalgate.proxy.conformance.splits import SPLITS, pieces
from canalgate.proxy.relaying.probe import model_names
from recorded_providers import PROVIDERS, cases_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

ADAPTERS = PluginManager(BUILTIN).adapters
AT_ONCE = 8
FORM = (
    b'--x\r\nContent-Disposition: form-data; name="model"\r\n\r\n%b\r\n'
    b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.mp3"\r\n\r\nabc\r\n--x--\r\n'
)
NOTES = """
from canalgate.plugins import hookimpl

RECORDS = []

@hookimpl
def on_usage(record):
    RECORDS.append(record)
"""


@pytest.fixture(scope="module", autouse=True)
def lane():
    """The fast lane; what the lanes do alike is tested elsewhere."""


@dataclass(frozen=True)
class Play:
    """One case by one adapter in one cut; its name is the model's, by which everything finds together."""

    adapter: str
    case: Case
    split: str

    @property
    def name(self) -> str:
        return f"{self.adapter}-{self.case.title}-{self.split}".replace(" ", "-")

    def answer(self):
        """What the provider writes, step by step."""
        case = self.case
        head = [f"HTTP/1.1 {case.status} X"]
        head += [f"{key}: {value}" for key, value in case.headers.items() if key != "content-length"]
        parts = pieces(case.body, self.split, case.form) if case.stream else [case.body]
        yield "\r\n".join([*head, "transfer-encoding: chunked", "", ""]).encode("latin-1")
        for part in parts:
            if part:
                yield support.chunk(part)
                yield support.TURN
        yield support.STREAM_END


OWN = {provider for name, providers in PROVIDERS.items() if name != "openai" for provider in providers}
PLAYS = [
    Play(name, case, split)
    for name in ADAPTERS
    for case in cases_of(name)
    if not case.is_credential and not case.is_model_list
    if name != "openai" or case.provider not in OWN  # a provider's own adapter goes before the general one
    for split in (SPLITS if case.stream else ("whole",))
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def played(tmp_path_factory):
    """What came of every play: the client's answer and the gateway's record, by the play's name."""
    folder = tmp_path_factory.mktemp("gateway")
    (folder / "plugins").mkdir()
    (folder / "plugins" / "notes.py").write_text(NOTES)
    async with support.gateway(folder) as gateway:
        turns = asyncio.Semaphore(AT_ONCE)

        async def play_one(play):
            async with turns, support.provider() as provider:
                provider.script = lambda asked: play.answer()
                await gateway.add_channel(provider, play.name, **_channel(play))
                return play.name, await _ask(gateway, play)

        answers = dict(await asyncio.gather(*map(play_one, PLAYS)))
        records = await _records(len(PLAYS))
    return {name: (answer, records[name]) for name, answer in answers.items()}


def _channel(play):
    """A channel as the adapter wants one, on the scripted provider."""
    wanted = channel_for(ADAPTERS[play.adapter], play.case)
    mapping = {play.name: play.case.model}
    return {"type": play.adapter, "key": wanted.key, "options": dict(wanted.options), "mapping": mapping}


async def _ask(gateway, play):
    path = f"/v1/{play.case.endpoint}"
    if isinstance(play.case.request, dict) and play.case.request.get("_not_json") is True:
        kind = "Content-Type: multipart/form-data; boundary=x\r\n"
        return await gateway.post(path, FORM % play.name.encode(), headers=kind, timeout=60)
    return await gateway.post(path, {**client_body(play.case), "model": play.name}, timeout=60)


async def _records(count):
    """The gateway's records, once all have come."""
    import canalgate_plugin_notes as notes

    async with asyncio.timeout(10):
        while len(notes.RECORDS) < count:  # noqa: ASYNC110  nothing says when the last one comes
            await asyncio.sleep(0.05)
    return {record.model: record for record in notes.RECORDS}


def heard(play, answer, record):
    """The client's answer and the record, as the comparison takes them."""
    kind, colon, message = record.problem.removeprefix("cut: ").partition(": ")
    error = None
    if colon:
        code = answer.error["code"] if answer.status >= 400 else ""
        known = kind in {one.value for one in ErrorKind}
        error = UpstreamError(ErrorKind(kind) if known else ErrorKind.FAULT, message, code=code or "")
    if answer.status >= 400:
        return Replayed(error=error)
    by_itself = replay(ADAPTERS[play.adapter], play.case, play.split)
    return Replayed(
        _read(play, answer),
        _provided(play, record),
        error,
        answer.body,
        translated=by_itself.translated,
        usage_wanted=by_itself.usage_wanted,
        by_events=play.split in ("events", "bytes"),
    )


def _provided(play, record):
    """The usage a provider reported. Where it was counted here, it is no less than what was reported."""
    if record.usage_source in ("", "provider"):
        return record.usage
    reported = play.case.expected.usage if play.case.expected is not None else None
    if reported is not None:
        assert record.usage.prompt_tokens >= reported.prompt_tokens
        assert record.usage.completion_tokens >= reported.completion_tokens
    return reported


def _read(play, answer):
    is_stream = answer.headers["content-type"].startswith("text/event-stream")
    if play.case.endpoint == "responses":
        return read_response_stream(answer.body) if is_stream else read_response(answer.body)
    if play.case.endpoint not in ("chat/completions", "completions"):
        return None
    return read_stream(answer.body) if is_stream else read_json(answer.body)


OTHERS = [
    Play(name, case, "whole")
    for name in ADAPTERS
    for case in cases_of(name)
    if case.is_credential or case.is_model_list
    if name != "openai" or case.provider not in OWN
]


async def test_every_recorded_case_is_played(recordings):
    played = {play.case.title for play in (*PLAYS, *OTHERS)}
    assert played == {case.title for case in cases(recordings)} and len(PLAYS) > 500


@pytest.mark.parametrize("play", OTHERS, ids=[play.name for play in OTHERS])
async def test_tokens_and_lists_of_models_are_fetched_and_understood(tmp_path, play):
    adapter = ADAPTERS[play.adapter]
    async with support.provider() as provider, support.gateway(tmp_path) as gateway:
        provider.says(*play.answer())
        elsewhere = {
            one.name: provider.url for one in adapter.options if one.name in ("token_url", "iam_url")
        }
        fields = _channel(play)
        fields["options"] |= elsewhere
        row = await gateway.add_channel(provider, "m", **fields)
        chosen = gateway.live.snapshot.usable[row.id]
        heard = await _fetched(gateway.front._relay, chosen, play.case)
    assert differences(play.case, heard) == [] and len(provider.asked) == 1


async def _fetched(relay, chosen, case):
    try:
        if case.is_credential:
            return Replayed(credential=await relay.credentials.get(chosen, NOW))
        return Replayed(models=await model_names(relay, chosen))
    except UpstreamError as error:
        return Replayed(error=error)


@pytest.mark.parametrize("play", PLAYS, ids=[play.name for play in PLAYS])
async def test_a_client_gets_what_the_provider_said(played, play):
    answer, record = played[play.name]
    assert differences(play.case, heard(play, answer, record)) == []
    assert record.adapter == play.adapter and urlsplit(play.case.url).netloc.encode() not in answer.raw
