"""Ask whether every package of the binary is there, ready made, for each system that the recipes name.

`make platforms`; asks the registry of Python packages and installs nothing. 1 if one is missing.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

LOCK = Path(__file__).with_name("requirements.lock")
PLATFORMS = {
    "Linux x86-64, glibc 2.28": ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64"),
    "Linux arm64, glibc 2.28": ("manylinux_2_28_aarch64", "manylinux_2_17_aarch64", "manylinux2014_aarch64"),
    "macOS arm64": ("macosx_11_0_arm64", "macosx_12_0_arm64", "macosx_14_0_arm64"),
    "Windows x86-64": ("win_amd64",),
}
"""Systems of the table in docs/deploying.md, by the tags of what runs there."""


def missing(platforms: Sequence[str]) -> str:
    """Return what pip says that it cannot find for a system; empty where all is there."""
    text = LOCK.read_text("utf-8")
    if "win_amd64" in platforms:  # pip judges markers by the system that it runs on
        text = re.sub(r"(?m)^\S+ ; sys_platform != 'win32' \\\n(?: .*\n)+", "", text)
    options = [option for platform in platforms for option in ("--platform", platform)]
    with tempfile.TemporaryDirectory() as folder:
        wanted = Path(folder) / "wanted"
        wanted.write_text(text, "utf-8")
        asked = subprocess.run(
            [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--no-deps",
             "--ignore-installed", "--disable-pip-version-check", "--target", folder,
             "--only-binary", ":all:", "--python-version", "3.11", *options,
             "--require-hashes", "--requirement", str(wanted)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    return asked.stderr.strip().rpartition("\n")[2] if asked.returncode else ""


if __name__ == "__main__":
    found = {name: missing(platforms) for name, platforms in PLATFORMS.items()}
    for name, problem in found.items():
        print(f"{name}: {problem or 'every package is there'}")
    sys.exit(any(found.values()))
