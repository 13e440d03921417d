"""Collect the licences of everything in the binary: `python release/notices.py PACKAGES BINARY OUT`.

Runs in the environment of the tools, as the freezer reads its own files. Of a shared library of the system
the text is that of the package it was taken from, where the system knows it.
"""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from PyInstaller.archive.readers import CArchiveReader  # type: ignore[import-untyped]  # a tool of releases alone

_LICENCE = re.compile(r"(?i)(licen[cs]e|copying|notice|authors)[^/]*$")
_LINE = "=" * 78


def main(packages: str, binary: str, out: str) -> None:
    """Write the file."""
    parts = [*_python(), *_built_in(), *_packages(packages), *_libraries(Path(binary)), *_freezer()]
    texts = [f"{_LINE}\n{title}\n{_LINE}\n\n{text.strip()}\n" for title, text in parts]
    head = "canalgate holds the following, each under its own licence.\n"
    Path(out).write_text("\n".join([head, *texts]), "utf-8")
    print(f"{Path(out).name}: {len(parts)} parts")


def _python() -> Iterator[tuple[str, str]]:
    for folder in (sysconfig.get_path("stdlib"), sys.base_prefix):
        path = Path(folder) / "LICENSE.txt"
        if path.is_file():
            yield f"Python {sys.version.split()[0]}", path.read_text("utf-8")
            return
    yield f"Python {sys.version.split()[0]}", "PSF-2.0; python.org has the text"


def _built_in() -> Iterator[tuple[str, str]]:
    """Yield what that Python was built with, where we built it."""
    for path in sorted((Path(sys.base_prefix) / "licences").glob("*")):
        yield f"{path.name}, in Python", path.read_text("utf-8")


def _packages(folder: str) -> Iterator[tuple[str, str]]:
    found = importlib.metadata.distributions(path=[folder])
    for one in sorted(found, key=lambda one: one.name.lower()):
        meta = one.metadata
        name = meta["License-Expression"] or meta["License"] or _classified(meta.get_all("Classifier") or [])
        files = [
            file for file in one.files or () if ".dist-info/" in str(file) and _LICENCE.search(str(file))
        ]
        texts = [file.locate().read_text("utf-8", "replace") for file in sorted(files, key=str)]
        short = str(name or "").splitlines()[0] if name else "see below"
        yield f"{one.name} {one.version}: {short}", "\n\n".join(dict.fromkeys(texts)) or str(name)


def _classified(classifiers: list[str]) -> str:
    return "; ".join(one.rpartition(" :: ")[2] for one in classifiers if one.startswith("License"))


def _libraries(binary: Path) -> Iterator[tuple[str, str]]:
    """Yield the system's packages that shared libraries came from, with their texts."""
    names: dict[str, list[str]] = {}
    for entry in CArchiveReader(str(binary)).toc:
        if "/" not in entry and re.match(r"lib.*\.(so|dylib)", entry) and not entry.startswith("libpython"):
            names.setdefault(_owner(entry), []).append(entry)
    for package, files in sorted(names.items()):
        text = Path("/usr/share/doc") / package / "copyright"
        title = f"{package or 'of the system'}: {', '.join(sorted(files))}"
        if package and text.is_file():
            yield title, text.read_text("utf-8", "replace")
        else:
            yield title, "see the system that this was built on"


def _owner(library: str) -> str:
    """Name the package that has a library; empty where nobody knows."""
    try:
        said = subprocess.run(["dpkg", "-S", f"*/{library}"], capture_output=True, text=True)
    except OSError:
        return ""
    return said.stdout.partition(":")[0].partition(",")[0].strip()


def _freezer() -> Iterator[tuple[str, str]]:
    one = importlib.metadata.distribution("pyinstaller")
    text = next((file.locate().read_text("utf-8") for file in one.files or () if "COPYING" in str(file)), "")
    said = "The loader at the file's beginning. Its licence excepts programs that are made with it.\n\n"
    yield f"PyInstaller {one.version}", said + text


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit("usage: python release/notices.py PACKAGES BINARY OUT")
    main(*sys.argv[1:])
