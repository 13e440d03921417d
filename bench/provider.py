"""The provider that all gateways ask: upstream.c, and TLS in front of it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from canalgate.bench.gateway import Site
from canalgate.bench.machine import LOAD_CORE, Process, compiled, find, free_port
from canalgate.bench.proxies import nginx_server, run_nginx

_CERTIFICATE = (
    "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30"
    " -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1"
)


@contextmanager
def provider(folder: Path, stream_file: Path | None = None) -> Iterator[Site]:
    """The provider (upstream.c), with TLS in front of it where nginx is there."""
    port, tls_port = free_port(), free_port()
    log = folder / f"upstream-{port}.log"
    command: list[str | Path] = [compiled("upstream"), str(port), *([stream_file] if stream_file else [])]
    with Process(command, LOAD_CORE, log) as process:
        process.wait_for_port(port)
        if find("nginx") is None or find("openssl") is None or stream_file is not None:
            yield Site(folder, port, 0, folder / "none")
            return
        certificate = _make_certificate(folder / f"provider-{port}.pem")
        more = f"ssl_certificate {certificate}; ssl_certificate_key {certificate};"
        server = nginx_server(tls_port, port, listen_options="ssl", more=more)
        with run_nginx(folder / f"front-{port}", server, LOAD_CORE) as front:
            front.wait_for_port(tls_port)
            yield Site(folder, port, tls_port, certificate)


def _make_certificate(path: Path) -> Path:
    """Make a certificate of 127.0.0.1 with its key, in one file."""
    key = path.with_suffix(".key")
    subprocess.run([*_CERTIFICATE.split(), "-keyout", key, "-out", path], check=True, capture_output=True)
    path.write_text(key.read_text("ascii") + path.read_text("ascii"), "ascii")
    return path
