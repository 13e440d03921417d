"""Make what is released, in dist/: `python release/build.py binary`, or `all`.

The sources as they are, a wheel of those, and an executable frozen from that wheel and from packages pinned
by their hashes; with `all` also the list of its parts (CycloneDX), their licences, and checksums. Built
again from the same commit, with the same Python on the same system, every file has the same bytes.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import python  # the module beside this one

ROOT = Path(__file__).resolve().parent.parent
HERE, DIST, MADE = ROOT / "release", ROOT / "dist", ROOT / ".cache" / "release"
HOST, TOOLS, FROZEN = MADE / "host", MADE / "tools", MADE / "frozen"
"""What runs pip and holds the compiler, what freezes, and what is frozen."""
SCRIPTS = "Scripts" if sys.platform == "win32" else "bin"
PYTHON = TOOLS / SCRIPTS / "python"
BINARY = DIST / f"canalgate{'.exe' if sys.platform == 'win32' else ''}"

_NO_NEWER = f"""\
def manylinux_compatible(major, minor, machine):
    return (major, minor) <= {tuple(map(int, python.GLIBC.split(".")))}
"""


def main(what: str) -> None:
    """Make the binary and what it is made of, or all that is released."""
    os.environ.setdefault("SOURCE_DATE_EPOCH", _time_of_commit())
    os.environ["PYTHONHASHSEED"] = "0"
    shutil.rmtree(DIST, ignore_errors=True)
    _run(sys.executable, "-m", "venv", HOST)
    made_of = _older() if os.environ.get("GLIBC") else Path(sys.executable)
    _environment(TOOLS, HERE / "tools.lock", made_of)
    wheel = _wheel(_sdist())
    _environment(FROZEN, HERE / "requirements.lock", made_of)
    _pip(FROZEN, "--no-deps", "--force-reinstall", str(wheel))
    for path in _packages(FROZEN).glob("canalgate-*/direct_url.json"):
        path.unlink()  # it names a folder of this machine
    _freeze()
    if what == "all":
        _run(PYTHON, HERE / "notices.py", _packages(FROZEN), BINARY, DIST / "NOTICES.txt")
        _list_parts(DIST / "sbom.cdx.json")
        _sum_up()
    print(f"{BINARY.relative_to(ROOT)}: {BINARY.stat().st_size / 1e6:.1f} MB")
    if sys.platform == "linux":
        _say_which_glibc()


def _time_of_commit() -> str:
    found = subprocess.run(["git", "log", "-1", "--format=%ct"], cwd=ROOT, capture_output=True, text=True)
    return found.stdout.strip() or "315532800"  # zip files begin in 1980


def _older() -> Path:
    """Return a Python for older systems where one can be built, else this one; says so."""
    folder = MADE / "python"
    try:
        _pip(HOST, "--require-hashes", "--requirement", str(HERE / "zig.lock"))
        return python.build(folder, _packages(HOST) / "ziglang" / "zig")
    except (OSError, subprocess.CalledProcessError) as exc:
        log = f"; see {folder / 'log'}" if (folder / "log").exists() else ""
        print(f"no Python for glibc {python.GLIBC} ({exc}{log}); the binary is made of {sys.executable}")
        os.environ["GLIBC"] = ""
        return Path(sys.executable)


def _say_which_glibc() -> None:
    """Look up which glibc the binary needs. Ends with status 1 if it was to run on an older one."""
    made = subprocess.check_output([PYTHON, HERE / "glibc.py", BINARY], text=True)
    needed, _, name = made.strip().partition(" ")
    print(f"it needs glibc {needed} (for {name})")
    if _version(needed) > _version(os.environ.get("GLIBC") or needed):
        sys.exit(f"that is newer than {python.GLIBC}")


def _version(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(".")))


def _environment(folder: Path, lock: Path, base: Path) -> None:
    """Install what a lock names, and nothing else, unless it is there already."""
    version = subprocess.check_output([base, "-c", "import sys; print(sys.prefix, sys.version)"], text=True)
    wanted, mark = hashlib.sha256(lock.read_bytes()).hexdigest() + version, folder / "made-from"
    if mark.exists() and mark.read_text("utf-8") == wanted:
        return
    _run(base, "-m", "venv", "--clear", "--without-pip", folder)
    if base != Path(sys.executable):
        # pip would take packages for this system's glibc: of Python's own ways to say no, this is the one.
        (_packages(folder) / "_manylinux.py").write_text(_NO_NEWER, "utf-8")
    _pip(folder, "--require-hashes", "--requirement", str(lock))
    mark.write_text(wanted, "utf-8")


def _pip(folder: Path, *arguments: str) -> None:
    pip = (HOST / SCRIPTS / "python", "-m", "pip", "--quiet", "--python", folder / SCRIPTS / "python")
    _run(*pip, "install", *arguments)


def _sdist() -> Path:
    """Pack the sources: what git does not know stays out, times and owners are everybody's."""
    with tempfile.TemporaryDirectory() as made:
        _run(PYTHON, "-m", "build", "--no-isolation", "--sdist", "--outdir", made, ROOT, quiet=True)
        (archive,) = Path(made).iterdir()
        DIST.mkdir()
        _pack_again(archive, DIST / archive.name)
    return DIST / archive.name


def _pack_again(archive: Path, to: Path) -> None:
    plain, at = io.BytesIO(), int(os.environ["SOURCE_DATE_EPOCH"])
    with (
        tarfile.open(archive) as old,
        tarfile.open(fileobj=plain, mode="w", format=tarfile.PAX_FORMAT) as new,
    ):
        for member in sorted(old.getmembers(), key=lambda one: one.name):
            member.mtime, member.uid, member.gid, member.uname, member.gname = at, 0, 0, "", ""
            member.mode = 0o755 if member.isdir() else 0o644
            member.pax_headers = {}
            new.addfile(member, old.extractfile(member) if member.isfile() else None)
    to.write_bytes(gzip.compress(plain.getvalue(), mtime=at))


def _wheel(sdist: Path) -> Path:
    """Build the wheel from the sources as they were packed, not from this folder."""
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(sdist) as archive:
            archive.extractall(folder, filter="data")
        (source,) = Path(folder).iterdir()
        _run(PYTHON, "-m", "build", "--no-isolation", "--wheel", "--outdir", DIST, source, quiet=True)
    (wheel,) = DIST.glob("*.whl")
    return wheel


def _freeze() -> None:
    # The freezer sees what is to be frozen beside itself, and none of its own is taken along.
    os.environ["PYTHONPATH"] = str(_packages(FROZEN))
    work = MADE / "freeze"
    shutil.rmtree(work, ignore_errors=True)
    where = ("--distpath", DIST, "--workpath", work)
    _run(PYTHON, "-m", "PyInstaller", "--noconfirm", "--log-level", "WARN", *where, HERE / "canalgate.spec")
    del os.environ["PYTHONPATH"]


def _packages(folder: Path) -> Path:
    asked = "import sysconfig; print(sysconfig.get_path('purelib'))"
    return Path(subprocess.check_output([folder / SCRIPTS / "python", "-c", asked], text=True).strip())


def _list_parts(to: Path) -> None:
    _run(
        PYTHON, "-m", "cyclonedx_py", "environment", "--output-reproducible", "--short-PURLs",
        "--output-file", to, FROZEN / SCRIPTS / "python",
    )  # fmt: skip


def _sum_up() -> None:
    files = sorted(path for path in DIST.iterdir() if path.name != "SHA256SUMS")
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files]
    (DIST / "SHA256SUMS").write_text("".join(lines), "utf-8")


def _run(*command: object, quiet: bool = False) -> None:
    print("+", *(str(part).replace(f"{ROOT}{os.sep}", "") for part in command), flush=True)
    subprocess.run([str(part) for part in command], check=True, stdout=subprocess.DEVNULL if quiet else None)


if __name__ == "__main__":
    if sys.argv[1:] not in (["binary"], ["all"]):
        sys.exit("usage: python release/build.py binary|all")
    if os.environ.get("GLIBC", "") not in ("", python.GLIBC):
        sys.exit(f"GLIBC is {python.GLIBC} or nothing")
    main(sys.argv[1])
