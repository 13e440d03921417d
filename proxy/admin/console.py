"""The web console's files, read once and served from memory; for people without it, what is missing.

The console is compiled from `console/` when a distribution is made. Files below `assets/` have a digest in
their name, so browsers keep them for ever; every other path below `/console` is the page that loads them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable

from aiohttp import web

ROOT = "/console"
_POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; form-action 'self';"
    " frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types svelte-trusted-html"
)
_GUARDED = {
    "content-security-policy": _POLICY,
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "vary": "accept-encoding",
}
_FRESH = {"cache-control": "no-cache", **_GUARDED}
_FOREVER = {"cache-control": "public, max-age=31536000, immutable", **_GUARDED}
_KINDS = {"js": "text/javascript", "css": "text/css", "svg": "image/svg+xml", "html": "text/html"}
_PACKED = ".gz"

_MISSING = """<!doctype html><html lang="en"><meta charset="utf-8"><title>canalgate</title>
<h1>The web console is not part of this installation</h1>
<p>The gateway works: clients use <code>/v1</code>, programs manage it over
<a href="/api/v1/docs"><code>/api/v1</code></a>, people by the command <code>canalgate</code>.
To get the console, install Node.js 20.19 or newer, run <code>make console</code> and start again.</p>
<div lang="zh"><h1>此安装不含网页控制台</h1>
<p>网关正常工作:客户端使用 <code>/v1</code>,程序通过 <a href="/api/v1/docs"><code>/api/v1</code></a>
管理,也可使用命令 <code>canalgate</code>。如需控制台,请安装 Node.js 20.19 或更高版本,
运行 <code>make console</code> 后重新启动。</p></div></html>
"""


@dataclass(frozen=True, slots=True)
class _File:
    """A file, the same compressed (empty where it is not), and the header fields it is sent with."""

    body: bytes
    packed: bytes
    kind: str
    fields: Mapping[str, str]


def add_console(site: web.Application, folder: Traversable | None = None) -> None:
    """Serve the console's files; `folder` in place of the package's own."""
    assets, page = _read(folder or files("canalgate.proxy") / "static")

    async def send_asset(request: web.Request) -> web.StreamResponse:
        found = assets.get(request.match_info["name"])
        if found is None:
            raise web.HTTPNotFound
        return _response(request, found)

    async def send_page(request: web.Request) -> web.StreamResponse:
        return _response(request, page)

    site.router.add_get(f"{ROOT}/assets/{{name}}", send_asset)
    for path in ("/", ROOT, f"{ROOT}/{{tail:.*}}"):
        site.router.add_get(path, send_page)


def _read(folder: Traversable) -> tuple[dict[str, _File], _File]:
    """Return the assets by name, and the page."""
    index, parts = folder / "index.html", folder / "assets"
    if not index.is_file():
        return {}, _File(_MISSING.encode(), b"", "text/html", _FRESH)
    found = {one.name: one.read_bytes() for one in parts.iterdir()} if parts.is_dir() else {}
    assets = {
        name: _File(body, found.get(name + _PACKED, b""), _kind(name), _FOREVER)
        for name, body in found.items()
        if not name.endswith(_PACKED)
    }
    return assets, _File(index.read_bytes(), b"", "text/html", _FRESH)


def _kind(name: str) -> str:
    return _KINDS.get(name.rpartition(".")[2], "application/octet-stream")


def _response(request: web.Request, file: _File) -> web.Response:
    accepted = request.headers.get("accept-encoding", "").replace(" ", "").split(",")
    is_packed = bool(file.packed) and "gzip" in accepted
    response = web.Response(body=file.packed if is_packed else file.body, headers=file.fields)
    response.content_type = file.kind
    if file.kind.startswith("text/"):
        response.charset = "utf-8"
    if is_packed:
        response.headers["content-encoding"] = "gzip"
    return response
