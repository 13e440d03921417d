"""Proxies from the system's packages, and the plain way in Python, to compare with.

All run on one core with one thread or process, and add one header field on the way.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from canalgate.bench.gateway import Gateway, Site, Target
from canalgate.bench.machine import GATEWAY_CORE, HERE, Process, find, free_port

_NGINX = """
daemon off; user {user}; worker_processes 1; worker_rlimit_nofile 20000; pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections 8192; }}
http {{
    access_log off; tcp_nodelay on; keepalive_requests 100000000; keepalive_timeout 1h;
    client_max_body_size 0; client_body_buffer_size 8m; client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    proxy_buffering off; proxy_http_version 1.1; proxy_read_timeout 1h;
    proxy_set_header Connection ""; proxy_set_header Authorization "Bearer sk-provider";
    {servers}
}}
"""
_NGINX_UPSTREAM = """
    upstream to_{port} {{ server 127.0.0.1:{port}; keepalive 1024; keepalive_requests 100000000; }}
    server {{ listen 127.0.0.1:{listen} {listen_options} backlog=4096; {server_options}
        location / {{ proxy_pass {scheme}://to_{port}; }} }}
"""


def run_nginx(folder: Path, servers: str, core: int) -> Process:
    """Return nginx with these servers, to be entered; its files go into a new folder."""
    folder.mkdir()
    program = find("nginx")
    assert program is not None
    user = "root" if os.geteuid() == 0 else "nobody"
    (folder / "nginx.conf").write_text(_NGINX.format(folder=folder, servers=servers, user=user), "utf-8")
    return Process([program, "-p", folder, "-c", folder / "nginx.conf"], core, folder / "log")


def nginx_server(
    listen: int, port: int, scheme: str = "http", *, listen_options: str = "", more: str = ""
) -> str:
    """Return the configuration of a server that passes everything on to a port."""
    return _NGINX_UPSTREAM.format(
        listen=listen, port=port, scheme=scheme, listen_options=listen_options, server_options=more
    )


@contextmanager
def nginx(site: Site) -> Iterator[Gateway]:
    """nginx without buffering, bodies in memory, connections to the provider kept."""
    port, tls_port = free_port(), free_port() if site.tls_port else 0
    servers = nginx_server(port, site.port)
    if site.tls_port:
        servers += nginx_server(tls_port, site.tls_port, "https")
    with run_nginx(site.folder / f"nginx-{port}", servers, GATEWAY_CORE) as process:
        process.wait_for_port(port)
        yield Gateway("nginx", process, port, tls_port)


_HAPROXY = """
global
    nbthread 1
    maxconn 8192
defaults
    mode http
    option http-no-delay
    http-reuse always
    timeout connect 5s
    timeout client 1h
    timeout server 1h
listen plain
    bind 127.0.0.1:{port} backlog 4096
    http-request set-header Authorization "Bearer sk-provider"
    server provider 127.0.0.1:{upstream}
"""
_HAPROXY_TLS = """
listen tls
    bind 127.0.0.1:{port} backlog 4096
    http-request set-header Authorization "Bearer sk-provider"
    server provider 127.0.0.1:{upstream} ssl verify required ca-file {certificate}
"""


@contextmanager
def haproxy(site: Site) -> Iterator[Gateway]:
    """haproxy with one thread, connections to the provider shared."""
    program, port, tls_port = find("haproxy"), free_port(), free_port() if site.tls_port else 0
    assert program is not None
    text = _HAPROXY.format(port=port, upstream=site.port)
    if site.tls_port:
        text += _HAPROXY_TLS.format(port=tls_port, upstream=site.tls_port, certificate=site.certificate)
    config = site.folder / f"haproxy-{port}.cfg"
    config.write_text(text, "utf-8")
    with Process([program, "-db", "-f", config], GATEWAY_CORE, config.with_suffix(".log")) as process:
        process.wait_for_port(port)
        yield Gateway("haproxy", process, port, tls_port)


@contextmanager
def aiohttp(site: Site) -> Iterator[Gateway]:
    """The plain way of doing it in Python; see reference.py."""
    port = free_port()
    command = [sys.executable, HERE / "reference.py", str(port), str(site.port)]
    with Process(command, GATEWAY_CORE, site.log(f"aiohttp-{port}")) as process:
        process.wait_for_port(port)
        yield Gateway("aiohttp", process, port)


def _needs(program: str) -> Callable[[], str]:
    return lambda: "" if find(program) else "is not installed (make bench-system)"


PROXIES = (
    Target("nginx", nginx, _needs("nginx")),
    Target("haproxy", haproxy, _needs("haproxy")),
    Target("aiohttp", aiohttp),
)
