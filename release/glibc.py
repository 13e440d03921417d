"""Say which glibc a frozen binary needs, and what in it: `python release/glibc.py dist/canalgate`.

Looked up in every library that the binary holds, and in its own head: what their symbols are bound to.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from pathlib import Path

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerNeedSection
from PyInstaller.archive.readers import CArchiveReader


def needed(binary: Path) -> tuple[tuple[int, ...], str]:
    """Return the newest glibc that anything in a binary is bound to, and what that is."""
    return max((version, name) for name, data in _files(binary) for version in _versions(data))


def _files(binary: Path) -> Iterator[tuple[str, bytes]]:
    yield binary.name, binary.read_bytes()
    archive = CArchiveReader(str(binary))
    for name, (*_, kind) in archive.toc.items():
        if kind == "b":
            yield name, archive.extract(name)


def _versions(data: bytes) -> Iterator[tuple[int, ...]]:
    try:
        sections = list(ELFFile(io.BytesIO(data)).iter_sections())
    except ELFError:
        return
    for section in sections:
        if isinstance(section, GNUVerNeedSection):
            for _, symbols in section.iter_versions():
                for symbol in symbols:
                    family, _, version = symbol.name.partition("_")
                    if family == "GLIBC":
                        yield tuple(map(int, version.split(".")))


if __name__ == "__main__":
    version, name = needed(Path(sys.argv[1]))
    print(".".join(map(str, version)), name)
