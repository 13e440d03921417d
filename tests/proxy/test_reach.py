"""Which addresses are connected to, in every spelling, whatever a resolver says next."""

import asyncio
import logging
import socket

import pytest
import support
from canalgate.plugins import UpstreamError, UpstreamRequest
from canalgate.proxy.config import Upstream as Settings
from canalgate.proxy.upstream import Upstream, ask
from canalgate.proxy.upstream.reach import CONTENT, EMBEDDED, for_channels, reachable, refusal
from support import json_answer

OPEN, CLOSED = for_channels(True), for_channels(False)

ADDRESSES = [
    # address, rule under channels' own policy, without private ones, for content
    ("8.8.8.8", "", "", ""),
    ("1.0.0.1", "", "", ""),
    ("172.15.255.255", "", "", ""),
    ("172.32.0.0", "", "", ""),
    ("100.63.255.255", "", "", ""),
    ("100.128.0.0", "", "", ""),
    ("2606:4700:4700::1111", "", "", ""),
    ("127.0.0.1", "", "loopback", "loopback"),
    ("127.255.255.254", "", "loopback", "loopback"),
    ("::1", "", "loopback", "loopback"),
    ("0:0:0:0:0:0:0:1", "", "loopback", "loopback"),
    ("0.0.0.0", "", "unspecified", "unspecified"),
    ("0.1.2.3", "", "unspecified", "unspecified"),
    ("::", "", "unspecified", "unspecified"),
    ("10.0.0.1", "", "private", "private"),
    ("172.16.0.1", "", "private", "private"),
    ("172.31.255.255", "", "private", "private"),
    ("192.168.1.1", "", "private", "private"),
    ("100.64.0.1", "", "private", "private"),
    ("fc00::1", "", "private", "private"),
    ("fdff::1", "", "private", "private"),
    ("fec0::1", "", "private", "private"),
    ("192.0.2.1", "", "reserved", "reserved"),
    ("198.18.0.1", "", "reserved", "reserved"),
    ("240.0.0.1", "", "reserved", "reserved"),
    ("2001:db8::1", "", "reserved", "reserved"),
    ("169.254.0.1", "link-local", "link-local", "link-local"),
    ("fe80::1", "link-local", "link-local", "link-local"),
    ("fe80::1%eth0", "link-local", "link-local", "link-local"),
    ("169.254.169.254", "metadata", "metadata", "metadata"),
    ("169.254.170.2", "metadata", "metadata", "metadata"),
    ("100.100.100.200", "metadata", "metadata", "metadata"),
    ("168.63.129.16", "metadata", "metadata", "metadata"),
    ("192.0.0.192", "metadata", "metadata", "metadata"),
    ("fd00:ec2::254", "metadata", "metadata", "metadata"),
    ("FD00:0EC2:0:0:0:0:0:0254", "metadata", "metadata", "metadata"),
    ("fd20:ce::254", "metadata", "metadata", "metadata"),
    ("224.0.0.1", "multicast", "multicast", "multicast"),
    ("255.255.255.255", "multicast", "multicast", "multicast"),
    ("ff02::1", "multicast", "multicast", "multicast"),
    # IPv4 inside IPv6: mapped, compatible, translated, NAT64 of both kinds, 6to4, Teredo, ISATAP
    ("::ffff:8.8.8.8", "", "", EMBEDDED),
    ("64:ff9b::808:808", "", "", EMBEDDED),
    ("2002:808:808::1", "", "", EMBEDDED),
    ("::ffff:127.0.0.1", "", "loopback", EMBEDDED),
    ("::ffff:7f00:1", "", "loopback", EMBEDDED),
    ("::127.0.0.1", "", "loopback", EMBEDDED),
    ("::ffff:0:127.0.0.1", "", "loopback", EMBEDDED),
    ("::ffff:169.254.169.254", "metadata", "metadata", EMBEDDED),
    ("::a9fe:a9fe", "metadata", "metadata", EMBEDDED),
    ("64:ff9b::a9fe:a9fe", "metadata", "metadata", EMBEDDED),
    ("64:ff9b:1::a9fe:a9fe", "metadata", "reserved", EMBEDDED),
    ("64:ff9b:1:a9fe:a9:fe00::", "metadata", "reserved", EMBEDDED),
    ("2002:a9fe:a9fe::", "metadata", "metadata", EMBEDDED),
    ("2002:a00:1::1", "", "private", EMBEDDED),
    ("2001:0:a9fe:a9fe::1", "metadata", "reserved", EMBEDDED),
    ("2001::5601:5601", "metadata", "reserved", EMBEDDED),
    ("fe80::5efe:7f00:1", "link-local", "link-local", EMBEDDED),
    ("2606:4700::200:5efe:a9fe:a9fe", "metadata", "metadata", EMBEDDED),
]


@pytest.mark.parametrize(("address", "channel", "closed", "content"), ADDRESSES)
def test_an_address_is_judged_by_what_it_is(address, channel, closed, content):
    assert [refusal(address, policy) for policy in (OPEN, CLOSED, CONTENT)] == [channel, closed, content]


SPELLINGS = [
    ("127.1", "loopback"),
    ("127.0.1", "loopback"),
    ("2130706433", "loopback"),
    ("0x7f000001", "loopback"),
    ("0x7f.1", "loopback"),
    ("0177.0.0.1", "loopback"),
    ("017700000001", "loopback"),
    ("0x7F.0x0.0x0.0x1", "loopback"),
    ("localhost", "loopback"),
    ("0", "unspecified"),
    ("0xa9fea9fe", "metadata"),
    ("2852039166", "metadata"),
    ("0251.0376.0251.0376", "metadata"),
    ("169.254.43518", "metadata"),
    ("10.1", "private"),
    ("0xc0.0250.257", "private"),
]


@pytest.mark.parametrize(("host", "rule"), SPELLINGS)
async def test_a_host_is_judged_by_the_address_that_it_leads_to(host, rule):
    with pytest.raises(UpstreamError, match=rule):
        await reachable(host, 80, CONTENT)


@pytest.mark.parametrize("host", ["①②⑦.0.0.1", "１２７.0.0.1", "127。0。0。1"])
async def test_a_host_in_other_digits_and_dots_is_an_address_too(pool_of, host):
    pool, _ = await pool_of(private=False)
    with pytest.raises(UpstreamError, match="loopback"):
        await ask(pool, UpstreamRequest(f"http://{host}:1/", {}, b"", "GET"))


@pytest.mark.parametrize("network", ["169.254.169.254/32", "169.254.0.0/16"])
@pytest.mark.parametrize("address", ["169.254.169.254", "::ffff:169.254.169.254"])
def test_what_is_allowed_is_reached_whatever_the_rules_say(network, address):
    assert refusal(address, for_channels(True, [network])) == ""
    assert refusal("fd00:ec2::254", for_channels(True, [network])) == "metadata"


class Resolver:
    """Answers each question by the next of its answers, the last for ever. Stands in for DNS."""

    def __init__(self, monkeypatch, *answers):
        self.answers, self.asked = list(answers), []
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", self.getaddrinfo)

    async def getaddrinfo(self, host, port, **more):
        self.asked.append(host)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        kinds = {True: socket.AF_INET6, False: socket.AF_INET}
        return [(kinds[":" in one], socket.SOCK_STREAM, 6, "", (one, port)) for one in answer]


@pytest.fixture
async def pool_of():
    """A function that opens a pool with these settings, closed in the end."""
    pools = []

    async def open_pool(**settings):
        pool = Upstream(Settings(connect_s=3.0, **settings))
        pools.append(pool)
        return await pool.__aenter__(), pool

    yield open_pool
    for pool in pools:
        await pool.__aexit__()


def get(port, host="name.test"):
    return UpstreamRequest(f"http://{host}:{port}/", {}, b"", "GET")


@pytest.fixture
async def inside():
    """A port on which two servers listen: the one at 127.0.0.1, and one at 127.0.0.2 that nobody may see."""
    seen = []

    async def serve(reader, writer):
        seen.append(writer.get_extra_info("sockname")[0])
        await reader.readuntil(b"\r\n\r\n")
        writer.write(json_answer({}))
        await writer.drain()
        writer.close()

    first = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = first.sockets[0].getsockname()[1]
    second = await asyncio.start_server(serve, "127.0.0.2", port)
    yield port, seen
    first.close()
    second.close()


async def test_a_name_that_leads_elsewhere_the_next_time_is_asked_once(monkeypatch, pool_of, inside):
    port, seen = inside
    resolver = Resolver(monkeypatch, ["127.0.0.1"], ["127.0.0.2"])
    pool, _ = await pool_of(private=False, allow=("127.0.0.1",))
    assert (await ask(pool, get(port))).status == 200
    assert (resolver.asked, seen) == (["name.test"], ["127.0.0.1"])
    with pytest.raises(UpstreamError, match="loopback"):
        await ask(pool, get(port))
    assert seen == ["127.0.0.1"]


async def test_of_several_addresses_only_those_that_may_be_reached_are(monkeypatch, pool_of, inside):
    port, seen = inside
    Resolver(monkeypatch, ["169.254.169.254", "127.0.0.2", "::1", "127.0.0.1"])
    pool, _ = await pool_of(private=False, allow=("127.0.0.1",))
    assert (await ask(pool, get(port))).status == 200
    assert seen == ["127.0.0.1"]


async def test_the_next_address_is_tried_where_nobody_listens(monkeypatch, pool_of, inside):
    port, seen = inside
    Resolver(monkeypatch, ["127.0.0.3", "127.0.0.2"])
    pool, _ = await pool_of()
    assert (await ask(pool, get(port))).status == 200
    assert seen == ["127.0.0.2"]


@pytest.mark.parametrize("answer", [["10.0.0.1"], ["127.0.0.1"], ["::ffff:8.8.8.8"], ["64:ff9b::7f00:1"]])
async def test_content_is_never_fetched_from_inside(monkeypatch, pool_of, inside, answer):
    port, seen = inside
    Resolver(monkeypatch, answer)
    pool, _ = await pool_of(private=True, allow=("127.0.0.0/8",))
    with pytest.raises(UpstreamError):
        await ask(pool, get(port), policy=CONTENT)
    assert seen == []


async def test_content_takes_no_connection_that_a_channel_has_left(monkeypatch, pool_of, provider):
    provider.says(json_answer({}))
    pool, _ = await pool_of()
    request = get(provider.port, "127.0.0.1")
    await ask(pool, request)
    with pytest.raises(UpstreamError, match="loopback"):
        await ask(pool, request, policy=CONTENT)
    assert len(provider.asked) == 1


@pytest.mark.parametrize("scheme", ["http", "socks5", "socks4"])
async def test_of_a_way_through_a_proxy_the_proxy_is_judged(monkeypatch, pool_of, inside, scheme):
    port, seen = inside
    resolver = Resolver(monkeypatch, ["127.0.0.2"])
    pool, _ = await pool_of(private=False)
    with pytest.raises(UpstreamError, match="loopback"):
        await ask(pool, get(443, "8.8.8.8"), proxy=f"{scheme}://proxy.test:{port}")
    assert (resolver.asked, seen) == (["proxy.test"], [])


async def test_a_proxy_that_may_be_reached_resolves_the_name_itself(monkeypatch, pool_of, provider):
    answers = {"CONNECT": b"HTTP/1.1 200 OK\r\n\r\n", "GET": json_answer({})}
    provider.script = lambda asked: [answers[asked.line.split()[0]]]
    resolver = Resolver(monkeypatch, ["127.0.0.1"])
    pool, _ = await pool_of()
    assert (await ask(pool, get(80, "far.test"), proxy=f"http://proxy.test:{provider.port}")).status == 200
    assert provider.asked[0].line == "CONNECT far.test:80 HTTP/1.1"
    assert set(resolver.asked) <= {"proxy.test", "127.0.0.1"}  # uvloop asks for numbers too


async def test_a_kept_connection_asks_no_resolver(monkeypatch, tmp_path, provider):
    provider.says(json_answer({"choices": [1]}))
    resolver = Resolver(monkeypatch, ["127.0.0.1"])
    async with support.gateway(tmp_path) as gateway:
        await gateway.add_channel(f"http://name.test:{provider.port}/v1", "m")
        assert [(await gateway.chat()).status for _ in range(3)] == [200] * 3
    assert (resolver.asked, provider.connections) == (["name.test"], 1)


@pytest.mark.parametrize("url", ["http://127.0.0.1:{}/v1", "http://2130706433:{}/v1", "http://[::1]:{}/v1"])
async def test_a_client_learns_nothing_of_addresses_and_the_log_names_the_rule(
    tmp_path, provider, caplog, url
):
    caplog.set_level(logging.WARNING, "canalgate")
    async with support.gateway(tmp_path, upstream={"private": False}) as gateway:
        await gateway.add_channel(url.format(provider.port), "m")
        answer = await gateway.chat()
    assert (answer.status, provider.connections) == (502, 0)
    assert not [
        word for word in ("127", "::1", "loopback", "address", "2130706433") if word in answer.raw.decode()
    ]
    assert "address refused rule=loopback" in caplog.text


async def test_a_webhook_is_told_nothing_where_channels_may_not_go(tmp_path, provider, caplog):
    caplog.set_level(logging.WARNING, "canalgate")
    url = f"http://127.0.0.1:{provider.port}/hook"
    async with support.gateway(tmp_path, upstream={"private": False}, events={"webhook": url}) as gateway:
        gateway.front._relay.alarms.tell("test", "channel:1", {})
    assert provider.connections == 0
    assert "webhook failed kind=test" in caplog.text
