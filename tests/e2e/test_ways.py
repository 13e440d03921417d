"""Ways to a provider other than a plain connection: TLS, and a proxy in between."""

import asyncio
import datetime
import ipaddress
import ssl

import pytest
import support
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from support import json_answer

ANSWER = b'{"choices":[1]}'


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """A certificate for 127.0.0.1 that only its own file vouches for, with its key, in one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "provider")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(address, critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "provider.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture
async def tls_port(provider, certificate):
    """The provider behind TLS."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    server = await asyncio.start_server(provider.serve, "127.0.0.1", 0, ssl=context)
    yield server.sockets[0].getsockname()[1]
    server.close()


async def test_a_provider_with_a_trusted_certificate_is_reached(tmp_path, provider, tls_port, certificate):
    provider.says(json_answer(ANSWER))
    async with support.gateway(tmp_path, upstream={"ca_file": str(certificate)}) as gateway:
        await gateway.add_channel(f"https://127.0.0.1:{tls_port}/v1", "tls")
        answers = [await gateway.chat("tls") for _ in range(2)]
    assert [answer.body for answer in answers] == [ANSWER, ANSWER]
    assert provider.connections == 1


async def test_a_provider_with_an_unknown_certificate_is_not_trusted(gateway, provider, tls_port):
    await gateway.add_channel(f"https://127.0.0.1:{tls_port}/v1", "tls")
    answer = await gateway.chat("tls")
    assert (answer.status, answer.error["code"]) == (502, "upstream_error")
    assert provider.asked == []


class ConnectProxy:
    """An HTTP proxy that knows CONNECT; `targets` are the addresses asked for."""

    def __init__(self, answer: bytes = b"HTTP/1.1 200 Connection established\r\n\r\n") -> None:
        self.targets: list[str] = []
        self._answer = answer

    async def serve(self, reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        self.targets.append(head.split(b" ")[1].decode())
        writer.write(self._answer)
        if b" 200 " not in self._answer:
            writer.close()
            return
        host, _, port = self.targets[-1].rpartition(":")
        up_reader, up_writer = await asyncio.open_connection(host, int(port))
        await asyncio.gather(self._pump(reader, up_writer), self._pump(up_reader, writer))

    async def _pump(self, reader, writer):
        try:
            while data := await reader.read(65536):
                writer.write(data)
        except ConnectionError:
            pass
        writer.close()


async def test_a_channels_proxy_is_used(gateway, provider):
    provider.says(json_answer(ANSWER))
    proxy = ConnectProxy()
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    await gateway.add_channel(provider, "far", proxy=address)
    answer = await gateway.chat("far")
    server.close()
    assert answer.body == ANSWER
    assert proxy.targets == [f"127.0.0.1:{provider.port}"]


async def test_a_proxy_that_refuses_is_a_failure_of_ours(gateway, provider):
    proxy = ConnectProxy(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    await gateway.add_channel(provider, "far", proxy=address)
    answer = await gateway.chat("far")
    server.close()
    assert (answer.status, answer.error["code"]) == (502, "upstream_error")
    assert provider.asked == []
