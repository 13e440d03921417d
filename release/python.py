"""Build the Python that the binary for Linux is made of, so that it runs on older systems than this one.

The compiler is zig, which knows what each glibc has. Sources are Debian's, at pinned versions that apt checks
by Debian's signatures, with the security fixes of its Python. Whatever is missing raises OSError or
CalledProcessError: then the binary is made with this machine's Python, and needs what that needs.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

GLIBC = "2.28"
"""What the result runs on: that of Red Hat 8 and Debian 10."""

SOURCES = {
    "zlib": "1:1.2.13.dfsg-1",
    "bzip2": "1.0.8-5",
    "xz-utils": "5.4.1-1+deb12u2",
    "libffi": "3.4.4-1",
    "ncurses": "6.4-4",
    "expat": "2.5.0-1+deb12u2",
    "sqlite3": "3.40.1-2+deb12u2",
    "openssl": "3.0.20-1~deb12u2",
    "python3.11": "3.11.2-6+deb12u8",
}
"""Debian's names and versions, in the order in which they are built."""

NEEDED = ("bz2", "ctypes", "curses.panel", "lzma", "pyexpat", "sqlite3", "ssl", "uuid", "zlib")
"""Modules that are made with those: Python is installed without a word where one of them did not compile."""

_FIXES = re.compile(r"CVE|^000|relfile|deadlock|crash")
"""Of Debian's patches of Python only these are taken: others move its folders to where Debian has them."""

_PLAIN = "./configure -q --prefix={to} --disable-shared --with-pic"
_STEPS = {
    "zlib": ["./configure --static --prefix={to}", "make -s libz.a", "make -s install"],
    "bzip2": ["make -s libbz2.a CC={cc} AR={ar} RANLIB={ranlib} CFLAGS=-O2\\ -fPIC\\ -D_FILE_OFFSET_BITS=64",
              "mkdir -p {to}/lib {to}/include", "cp libbz2.a {to}/lib", "cp bzlib.h {to}/include"],
    "xz-utils": [_PLAIN + " --disable-xz --disable-xzdec --disable-lzmadec --disable-lzmainfo"
                 " --disable-scripts --disable-doc --disable-nls", "make -s", "make -s install"],
    "libffi": [_PLAIN + " --disable-docs --disable-multi-os-directory --disable-exec-static-tramp", "make -s",
               "make -s install"],
    "ncurses": ["./configure -q --prefix={to} --without-shared --without-debug --without-ada --without-tests"
                " --without-progs --without-manpages --without-cxx --without-cxx-binding"
                " --enable-widec --disable-stripping"
                " --with-fallbacks=xterm,linux,vt100,screen --enable-overwrite"
                " --with-default-terminfo-dir=/usr/share/terminfo", "make -s libs",
                "make -s install.libs install.includes"],
    # Python brings its own, of the same version but without the fixes.
    "expat": ["cp expat/lib/{{expat,internal}}.h expat/lib/xml*.c ../python3.11/Modules/expat"],
    "sqlite3": [_PLAIN + " --disable-tcl --disable-readline", "make -s libsqlite3.la sqlite3.h",
                "make -s lib_install", "cp sqlite3.h src/sqlite3ext.h {to}/include"],
    "openssl": ["./Configure linux-x86_64 no-shared no-tests no-engine no-dso --prefix={to} --libdir=lib"
                " --openssldir=/etc/ssl", "make -s build_libs", "make -s install_dev"],
    "python3.11": ["sed -i '1i #define Py_BUILD_CORE_MODULE' Modules/pyexpat.c",  # for a fix
                   "./configure -q --prefix={made} --enable-shared --without-ensurepip --disable-test-modules"
                   " --with-openssl={to} CPPFLAGS=-I{to}/include\\ -I{to}/include/ncursesw"
                   " LDFLAGS=-L{to}/lib\\ -Wl,-rpath,{made}/lib",
                   "sed -i s/-Wl,-h/-Wl,-soname,/ Makefile",
                   "make -s PY3LIBRARY=", "make -s install PY3LIBRARY=",
                   "{made}/bin/python3.11 -c 'import " + ", ".join(NEEDED) + "'"],
}  # fmt: skip

_COMPILER = """\
#!/bin/bash
# zig, without this system's own headers and libraries, which Python's setup.py puts before all others.
words=()
for word in "$@"; do
  case "$word" in -[IL]/usr/*|-[IL]/lib*) ;; *) words+=("$word") ;; esac
done
exec "{zig}" cc -target x86_64-linux-gnu.{glibc} "${{words[@]}}"
"""


def build(folder: Path, zig: Path) -> Path:
    """Return the Python in a folder, built unless it is there. Raises OSError, CalledProcessError."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        raise OSError("only for Linux on x86-64")
    for tool in ("apt-get", "dpkg-source", "make", "patch", "perl", "tclsh"):
        if shutil.which(tool) is None:
            raise OSError(f"{tool} is not installed")
    made, mark = folder / "python", folder / "made-from"
    wanted = Path(__file__).read_text("utf-8")
    if not mark.exists() or mark.read_text("utf-8") != wanted:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        _build(folder, made, zig)
        mark.write_text(wanted, "utf-8")
    return made / "bin" / "python3.11"


def _build(folder: Path, made: Path, zig: Path) -> None:
    sources, tools = _fetched(folder / "sources"), folder / "tools"
    tools.mkdir()
    licences = made / "licences"
    licences.mkdir(parents=True)
    names = {"to": folder / "libraries", "made": made, "cc": tools / "cc", "ar": tools / "ar",
             "ranlib": tools / "ranlib"}  # fmt: skip
    _write(tools / "cc", _COMPILER.format(zig=zig, glibc=GLIBC))
    for name in ("ar", "ranlib"):
        _write(tools / name, f'#!/bin/sh\nexec "{zig}" {name} "$@"\n')
    environment = {
        **os.environ, "CC": f"{names['cc']}", "AR": f"{names['ar']}", "RANLIB": f"{names['ranlib']}",
        "CFLAGS": "-O2 -fPIC -w", "PKG_CONFIG_LIBDIR": f"{names['to']}/lib/pkgconfig",
        "MAKEFLAGS": f"-j{os.cpu_count()}", "ZIG_LOCAL_CACHE_DIR": f"{folder}/zig",
        "ZIG_GLOBAL_CACHE_DIR": f"{folder}/zig",
    }  # fmt: skip
    with (folder / "log").open("wb") as log:
        for name, steps in _STEPS.items():
            shutil.copy(sources / name / "debian" / "copyright", licences / name)
            print(f"+ building {name} {SOURCES[name]} for glibc {GLIBC}", flush=True)
            for step in steps:
                subprocess.run(
                    ["bash", "-c", step.format(**names)], cwd=sources / name, env=environment, check=True,
                    stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                )  # fmt: skip


def _fetched(folder: Path) -> Path:
    """Fetch and unpack the sources, from where this machine's own packages come."""
    (folder / "lists" / "partial").mkdir(parents=True)
    entries = [
        re.sub(r"(?m)^Types: .*$", "Types: deb-src", path.read_text("utf-8"))
        for path in sorted(Path("/etc/apt/sources.list.d").glob("debian*.sources"))
    ]
    (folder / "all.sources").write_text("\n\n".join(entries), "utf-8")
    apt = [
        "apt-get", "-qq", "-o", f"Dir::Etc::SourceList={folder}/all.sources",
        "-o", "Dir::Etc::SourceParts=/dev/null", "-o", f"Dir::State::Lists={folder}/lists",
        "-o", f"Dir::Cache={folder}", "-o", "APT::Sandbox::User=root",
    ]  # fmt: skip
    _run(folder, *apt, "update")
    for name, version in SOURCES.items():
        _run(folder, *apt, "source", "--download-only", f"{name}={version}")
        only = ["--skip-patches"] if name.startswith("python") else []
        (found,) = folder.glob(f"{name}_{version.partition(':')[2] or version}.dsc")
        _run(folder, "dpkg-source", "--no-check", *only, "-x", found.name, name)
    python = folder / "python3.11"
    for patch in (python / "debian" / "patches" / "series").read_text("utf-8").split():
        if _FIXES.search(patch):
            _run(python, "patch", "-p1", "--silent", "--input", f"debian/patches/{patch}")
    return folder


def _write(file: Path, text: str) -> None:
    file.write_text(text, "utf-8")
    file.chmod(0o755)


def _run(folder: Path, *command: str) -> None:
    subprocess.run(command, cwd=folder, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
