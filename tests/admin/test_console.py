"""How the console's files are served, and what is said where it was not compiled."""

import gzip
import os
import subprocess
import sys
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from canalgate.proxy.admin.console import add_console

BACKEND = Path(__file__).resolve().parents[2] / "console" / "backend.py"


@pytest.fixture
def folder(tmp_path):
    """What the compiler leaves: a page and two parts, one of them compressed too."""
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text("<!doctype html>the page")
    (tmp_path / "assets" / "a-1.js").write_text("let a")
    (tmp_path / "assets" / "a-1.js.gz").write_bytes(gzip.compress(b"let a"))
    (tmp_path / "assets" / "b-2.css").write_text("b{}")
    return tmp_path


async def served(folder, path, **headers):
    """Return status, header fields and body of a path, as they are sent."""
    site = web.Application()
    add_console(site, folder)
    async with TestClient(TestServer(site), auto_decompress=False) as client:
        answer = await client.get(path, headers={"accept-encoding": "identity"} | headers)
        return answer.status, answer.headers, await answer.read()


@pytest.mark.parametrize("path", ["/", "/console", "/console/", "/console/logs/1?a=b", "/console/a/b/c"])
async def test_every_path_of_the_console_is_the_page_and_is_asked_for_again(folder, path):
    status, headers, body = await served(folder, path)
    assert (status, body, headers["cache-control"]) == (200, b"<!doctype html>the page", "no-cache")


async def test_nothing_runs_on_the_page_but_its_own_scripts(folder):
    _, headers, _ = await served(folder, "/console/")
    policy = headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy


@pytest.mark.parametrize(
    ("name", "kind", "body"), [("a-1.js", "text/javascript", b"let a"), ("b-2.css", "text/css", b"b{}")]
)
async def test_a_part_is_kept_for_ever(folder, name, kind, body):
    status, headers, found = await served(folder, f"/console/assets/{name}")
    assert (status, found) == (200, body)
    assert headers["content-type"] == f"{kind}; charset=utf-8"
    assert "immutable" in headers["cache-control"]


@pytest.mark.parametrize(
    ("name", "accepted", "encoding"),
    [
        ("a-1.js", "gzip, br", "gzip"),
        ("a-1.js", "br;q=1", None),
        ("b-2.css", "gzip", None),
    ],
)
async def test_a_part_is_sent_compressed_where_it_is_and_may_be(folder, name, accepted, encoding):
    _, headers, _ = await served(folder, f"/console/assets/{name}", **{"accept-encoding": accepted})
    assert headers.get("content-encoding") == encoding
    assert headers["vary"] == "accept-encoding"


@pytest.mark.parametrize("name", ["c-3.js", "a-1.js.gz", "..%2findex.html", "%2e%2e%2findex.html"])
async def test_what_is_no_part_is_not_found(folder, name):
    status, _, _ = await served(folder, f"/console/assets/{name}")
    assert status == 404


async def test_without_the_console_the_page_says_what_is_missing(tmp_path):
    status, headers, body = await served(tmp_path, "/")
    assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert b"make console" in body
    assert "此安装不含网页控制台".encode() in body


@pytest.mark.parametrize("path", ["/", "/console", "/console/logs"])
async def test_a_gateway_serves_the_console(gateway, path):
    answer = await gateway.get(path)
    assert (answer.status, answer.headers["x-content-type-options"]) == (200, "nosniff")
    assert "server" not in answer.headers


async def test_what_is_unknown_beside_the_console_stays_an_error_in_json(gateway):
    answer = await gateway.get("/consoles")
    assert (answer.status, answer.error["code"]) == (404, "unknown_url")


@pytest.mark.parametrize(("mode", "status"), [("auto", 0), ("require", 1), ("skip", 0)])
def test_without_npm_the_build_goes_on_unless_the_console_is_required(tmp_path, mode, status):
    copy = tmp_path / "console" / "backend.py"
    copy.parent.mkdir()
    copy.write_text(BACKEND.read_text("utf-8"))
    environment = {**os.environ, "PATH": str(tmp_path), "CANALGATE_CONSOLE": mode}
    done = subprocess.run([sys.executable, copy], env=environment, capture_output=True, text=True, timeout=20)
    assert done.returncode == status
    assert ("npm is not installed" in done.stderr) is (mode != "skip")
    assert not (tmp_path / "proxy").exists()
