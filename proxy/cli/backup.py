"""`canalgate backup` and `canalgate restore`: an installation in one file."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from ..config import Config
from ..process.backup import back_up, restore
from ..store import StoreError
from .command import Commands
from .output import say
from .progress import Bar


def add_commands(commands: Commands) -> None:
    """Add this module's commands."""
    keep = commands.add_parser(
        "backup", help="write database, key and journals into a file; gateways may run"
    )
    keep.add_argument(
        "file", type=Path, metavar="FILE", help="what to write, as canalgate.tar.gz; it holds secrets"
    )
    keep.set_defaults(run=_back_up)

    again = commands.add_parser("restore", help="make an installation of such a file")
    again.add_argument("file", type=Path, metavar="FILE", help="what `canalgate backup` has written")
    again.add_argument("--replace", action="store_true", help="put aside what is in the data directory")
    again.set_defaults(run=_restore)


def _back_up(config: Config, options: argparse.Namespace) -> int:
    try:
        with Bar() as bar:
            kept = back_up(config, options.file, int(time.time()), bar)
    except OSError as exc:
        raise StoreError(f"{options.file}: {exc.strerror or exc}") from exc
    done = f"{options.file}: {kept.bytes / 1e6:.1f} MB; it holds secrets, keep it where only you can read it"
    say(done, options.json, file=str(options.file), bytes=kept.bytes, has_key=kept.has_key)
    if not kept.has_key and not options.json:
        print("the secret key is in your configuration, not in this file: keep it too")
    return 0


def _restore(config: Config, options: argparse.Namespace) -> int:
    try:
        with Bar() as bar:
            kept, before = restore(config, options.file, int(time.time()), bar, replace=options.replace)
    except OSError as exc:
        raise StoreError(f"{options.file}: {exc.strerror or exc}") from exc
    made = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(kept.at))
    done = f"{config.data_dir} is as it was at {made} UTC, under canalgate {kept.version}"
    aside = None if before is None else str(before)
    say(done, options.json, at=kept.at, version=kept.version, has_key=kept.has_key, put_aside=aside)
    if options.json:
        return 0
    if before is not None:
        print(f"what was there before is in {before}")
    if not kept.has_key:
        print("its secret key was in the configuration: data.secret_key must be the same again")
    return 0
