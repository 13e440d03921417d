"""Build backend: setuptools', after compiling the web console into proxy/static; as a script, that alone.

CANALGATE_CONSOLE=auto (the default) goes on without Node.js, `require` does not, `skip` never compiles.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
OUT = HERE.parent / "proxy" / "static"
STAMP = OUT / ".built-from"
IGNORED = {"node_modules", "__pycache__"}
PACKED = {".js", ".css", ".html", ".svg"}


def build() -> None:
    """Compile the console if its source has changed. Raises SystemExit where it is required and fails."""
    mode = os.environ.get("CANALGATE_CONSOLE", "auto")
    source = _source()
    if mode == "skip" or (STAMP.is_file() and STAMP.read_text("utf-8") == source):
        return
    try:
        _compile()
    except (OSError, subprocess.CalledProcessError) as exc:
        if mode == "require":
            raise SystemExit(f"web console not built: {exc}") from exc
        print(f"web console not built: {exc}; the gateway works without it", file=sys.stderr)
    else:
        _pack()
        STAMP.write_text(source, "utf-8")


def _compile() -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise FileNotFoundError("npm is not installed (Node.js 20.19 or newer)")
    for command in (["ci"], ["run", "build"]):
        subprocess.run([npm, *command], cwd=HERE, check=True, stdout=sys.stderr)


def _pack() -> None:
    """Put beside each file the same compressed, so that no gateway has to do it."""
    for path in OUT.rglob("*"):
        if path.suffix in PACKED:
            packed = gzip.compress(path.read_bytes(), 9, mtime=0)
            path.with_name(f"{path.name}.gz").write_bytes(packed)


def _source() -> str:
    """Return a digest of all that the console is made from."""
    digest = hashlib.sha256()
    for path in sorted(HERE.rglob("*")):
        parts = path.relative_to(HERE).parts
        if path.is_file() and not IGNORED.intersection(parts):
            digest.update("/".join(parts).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def __getattr__(name: str) -> Any:
    """The hooks of PEP 517 are setuptools'; those that make a distribution build the console first."""
    from setuptools import build_meta

    hook = getattr(build_meta, name)
    if name not in ("build_wheel", "build_editable", "build_sdist"):
        return hook

    def build_and(*args: Any, **named: Any) -> Any:
        build()
        return hook(*args, **named)

    return build_and


if __name__ == "__main__":
    build()
