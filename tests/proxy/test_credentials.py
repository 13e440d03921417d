"""Short-lived credentials: fetched once, renewed in time, dropped when refused."""

import asyncio
from contextlib import asynccontextmanager

import orjson
import pytest
from canalgate.adapters.openai import OpenAIAdapter
from canalgate.plugins import Credential, ErrorKind, UpstreamError, UpstreamRequest
from canalgate.proxy.config import Upstream as Settings
from canalgate.proxy.credentials import Credentials
from canalgate.proxy.records import ChannelRow
from canalgate.proxy.routing.snapshot import bound
from canalgate.proxy.upstream import Upstream
from support import CUT, json_answer


class Fetching(OpenAIAdapter):
    """A provider that exchanges the key for a token."""

    def credential_request(self, channel, now):
        return UpstreamRequest(f"{channel.base_url}/token", {}, b"{}")

    def credential(self, channel, response, now):
        if response.status != 200:
            raise UpstreamError(ErrorKind.CREDENTIAL, "the key was refused")
        told = orjson.loads(response.body)
        return Credential(told["token"], now + told["life"])


class Signing(OpenAIAdapter):
    """A provider whose tokens the gateway signs itself."""

    def credential(self, channel, response, now):
        assert response is None
        return Credential(f"{channel.key}@{now:.0f}", now + 100)


def token(number, life=1000):
    return json_answer({"token": f"t{number}", "life": life})


@asynccontextmanager
async def book():
    async with Upstream(Settings()) as upstream, Credentials(upstream) as made:
        yield made


def channel(provider, adapter=None, key="k"):
    row = ChannelRow(1, "x", "c", provider.url, key, ("m",), 1)
    return bound(row, adapter or Fetching())


def numbered(provider, life=1000):
    """Let the provider give t1, t2, ..."""
    provider.script = lambda asked: (token(len(provider.asked), life),)


async def test_a_token_is_fetched_once_and_kept(provider):
    numbered(provider)
    chosen = channel(provider)
    async with book() as credentials:
        values = [(await credentials.get(chosen, now)).value for now in (0.0, 1.0, 939.0)]
    assert values == ["t1", "t1", "t1"] and len(provider.asked) == 1


@pytest.mark.parametrize(
    ("life", "at", "renewed"), [(1000, 939, 0), (1000, 941, 1), (100, 89, 0), (100, 91, 1)]
)
async def test_it_is_renewed_before_it_expires(provider, life, at, renewed):
    numbered(provider, life)
    chosen = channel(provider)
    async with book() as credentials:
        await credentials.get(chosen, 0.0)
        assert (await credentials.get(chosen, float(at))).value == f"t{1 + renewed}"


async def test_many_who_ask_at_once_share_one_fetch(provider):
    provider.says(0.05, token(1))
    chosen = channel(provider)
    async with book() as credentials:
        got = await asyncio.gather(*(credentials.get(chosen, 0.0) for _ in range(20)))
    assert {one.value for one in got} == {"t1"} and len(provider.asked) == 1


async def test_one_who_leaves_does_not_take_it_from_the_others(provider):
    provider.says(0.1, token(1))
    chosen = channel(provider)
    async with book() as credentials:
        leaving = asyncio.ensure_future(credentials.get(chosen, 0.0))
        staying = asyncio.ensure_future(credentials.get(chosen, 0.0))
        await asyncio.sleep(0.02)
        leaving.cancel()
        assert (await staying).value == "t1"


async def test_a_dropped_one_is_fetched_anew(provider):
    numbered(provider)
    chosen = channel(provider)
    async with book() as credentials:
        await credentials.get(chosen, 0.0)
        credentials.drop(chosen)
        assert (await credentials.get(chosen, 0.0)).value == "t2"


async def test_another_key_gets_its_own(provider):
    numbered(provider)
    async with book() as credentials:
        await credentials.get(channel(provider), 0.0)
        assert (await credentials.get(channel(provider, key="other"), 0.0)).value == "t2"


@pytest.mark.parametrize(
    ("steps", "kind"),
    [
        ((json_answer({}, 401),), ErrorKind.CREDENTIAL),
        ((CUT,), ErrorKind.FAULT),
        ((b"nonsense\r\n\r\n",), ErrorKind.FAULT),
        ((json_answer(b" " * (8 * 1024 * 1024 + 1)),), ErrorKind.FAULT),
    ],
)
async def test_a_failed_fetch_is_told_and_not_kept(provider, steps, kind):
    provider.says(*steps)
    chosen = channel(provider)
    async with book() as credentials:
        with pytest.raises(UpstreamError) as failed:
            await credentials.get(chosen, 0.0)
        assert failed.value.kind is kind
        numbered(provider)
        assert (await credentials.get(chosen, 0.0)).value == f"t{len(provider.asked)}"


async def test_a_signed_one_is_made_without_asking(provider):
    chosen = channel(provider, Signing())
    async with book() as credentials:
        values = [(await credentials.get(chosen, now)).value for now in (5.0, 6.0, 200.0)]
    assert values == ["k@5", "k@5", "k@200"] and provider.asked == []
