"""`canalgate export` and `canalgate apply`: an installation as a file, and back."""

from __future__ import annotations

import argparse
import asyncio
import getpass
import os
import secrets
import sys
import time
from pathlib import Path

import msgspec
from msgspec import UNSET

from ..blueprint.apply import decide, write
from ..blueprint.changes import Change, Field, as_rows
from ..blueprint.decision import Decision, Options
from ..blueprint.describe import describe, secrets_of
from ..blueprint.document import Document, Form
from ..blueprint.document import read as read_document
from ..blueprint.document import write as write_document
from ..blueprint.here import read
from ..blueprint.locked import LEAST_PASSPHRASE, NO_SECRETS, Secrets, lock, unlock
from ..host import Opened
from ..keys.vault import TOKEN_PREFIX
from ..store import StoreError
from .command import Commands, on_installation
from .output import print_json, say, say_when_live
from .progress import Bar

PASSPHRASE_ENV = "CANALGATE_PASSPHRASE"
_SIGNS = {"added": "+", "changed": "~", "removed": "-"}


def add_commands(commands: Commands) -> None:
    """Add this module's commands."""
    export = commands.add_parser("export", help="write everything that administrators set as TOML or JSON")
    export.add_argument(
        "file",
        nargs="?",
        type=_file,
        metavar="FILE",
        help="NAME.toml or NAME.json (default: printed as TOML, with --json as JSON)",
    )
    export.add_argument(
        "--secrets", action="store_true", help="with keys, password hashes and tokens, encrypted"
    )
    _add_passphrase(export)
    export.set_defaults(run=on_installation(_export, _ask_new))

    apply = commands.add_parser("apply", help="bring this installation to the state of such a file")
    apply.add_argument("file", type=_file, metavar="FILE", help="NAME.toml or NAME.json")
    apply.add_argument("--dry-run", action="store_true", help="say what would change, and change nothing")
    apply.add_argument("--prune", action="store_true", help="remove what is not in the file")
    _add_passphrase(apply)
    apply.set_defaults(run=on_installation(_apply, _ask_known))


def _add_passphrase(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--passphrase-file",
        type=Path,
        metavar="FILE",
        help=f"holds the passphrase of the secrets (else ${PASSPHRASE_ENV}, else it is asked for)",
    )


def _file(text: str) -> Path:
    if not text.endswith((".toml", ".json")):
        raise argparse.ArgumentTypeError(f"{text!r}: expected a name that ends in .toml or .json")
    return Path(text)


async def _export(parts: Opened, options: argparse.Namespace) -> None:
    form: Form = _form(options.file) if options.file else "json" if options.json else "toml"
    with Bar("exported") as bar:
        text = await _exported(parts, form, options.passphrase, bar)
    if options.file is None:
        print(text, end="")
        return
    _put(options.file, text)
    done = f"written to {options.file}, {'secrets encrypted' if options.secrets else 'without secrets'}"
    say(done, options.json, file=str(options.file), has_secrets=options.secrets)


async def _exported(parts: Opened, form: Form, passphrase: str | None, bar: Bar) -> str:
    """Return the file of an installation, with secrets where there is a passphrase to lock them with."""
    bar.steps(0, 3)
    here = await read(parts.store, parts.vault)
    bar.steps(1, 3)
    document = describe(here, parts.plugins.adapters)
    if passphrase is not None:
        try:
            found = secrets_of(here, parts.plugins.adapters)
            locked = await asyncio.to_thread(lock, found, passphrase)
        except ValueError as exc:
            raise StoreError(str(exc)) from exc
        document = msgspec.structs.replace(document, secrets=locked)
    bar.steps(2, 3)
    return write_document(document, form)


async def _apply(parts: Opened, options: argparse.Namespace) -> None:
    now, adapters, document = int(time.time()), parts.plugins.adapters, options.document
    found = await _unlocked(document, options)
    how = Options(now, options.prune, parts.config.quota.new_user)
    here = await read(parts.store, parts.vault)
    try:
        decision = decide(document, found, here, adapters, parts.vault, how)
    except StoreError as exc:
        raise StoreError(f"{options.file}: {exc}") from exc
    if not options.dry_run:
        await write(parts.store, decision, now)
    if options.json:
        print_json(_json(decision, options.dry_run))
        return
    _show(decision, options.dry_run)
    if decision.steps and not options.dry_run:
        await say_when_live(parts.store, f"{options.file} applied", False)


def _read(path: Path) -> Document:
    try:
        return read_document(path.read_text("utf-8"), _form(path))
    except OSError as exc:
        raise StoreError(f"{path}: {exc.strerror}") from exc
    except ValueError as exc:
        raise StoreError(f"{path}: {exc}") from exc


async def _unlocked(document: Document, options: argparse.Namespace) -> Secrets:
    if document.secrets is UNSET:
        return NO_SECRETS
    try:
        return await asyncio.to_thread(unlock, document.secrets, options.passphrase)
    except ValueError as exc:
        raise StoreError(f"{options.file}: {exc}") from exc


def _ask_new(options: argparse.Namespace) -> None:
    options.passphrase = _passphrase(options, is_new=True) if options.secrets else None


def _ask_known(options: argparse.Namespace) -> None:
    options.document = _read(options.file)
    if options.document.secrets is not UNSET:
        options.passphrase = _passphrase(options, is_new=False)


def _passphrase(options: argparse.Namespace, *, is_new: bool) -> str:
    """Return the passphrase of a file, the environment or a terminal, in this order."""
    if options.passphrase_file is not None:
        try:
            return str(options.passphrase_file.read_text("utf-8").rstrip("\r\n"))
        except (OSError, UnicodeDecodeError) as exc:
            raise StoreError(f"{options.passphrase_file}: cannot be read") from exc
    if given := os.environ.get(PASSPHRASE_ENV):
        return given
    if not sys.stdin.isatty():
        raise StoreError(f"the secrets need a passphrase: --passphrase-file FILE, or {PASSPHRASE_ENV}")
    typed = getpass.getpass(
        f"passphrase ({LEAST_PASSPHRASE} characters or more): " if is_new else "passphrase: "
    )
    if is_new and getpass.getpass("again: ") != typed:
        raise StoreError("these were two different passphrases")
    return typed


def _form(path: Path) -> Form:
    return "json" if path.suffix == ".json" else "toml"


def _put(path: Path, text: str) -> None:
    """Write a file, whole or not at all, that only its owner may read."""
    whole = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        handle = os.open(whole, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        whole.replace(path)
    except OSError as exc:
        whole.unlink(missing_ok=True)
        raise StoreError(f"{path}: {exc.strerror}") from exc


def _json(decision: Decision, is_dry: bool) -> dict[str, object]:
    keys = {} if is_dry else {name: TOKEN_PREFIX + key for name, key in decision.keys.items()}
    return {
        "dry_run": is_dry,
        "changes": as_rows(decision.changes),
        "not_in_the_file": decision.left,
        "new_keys": keys,
        "without_password": decision.without_password,
    }


def _show(decision: Decision, is_dry: bool) -> None:
    for one in decision.changes:
        print(f"{_SIGNS[one.action]} {one.kind} {_printable(one.name)}")
        for field in one.fields:
            if field.after or one.action == "changed":
                print(f"    {field.name}: {_printable(_shown(one, field))}")
    if decision.left:
        print(f"not in the file, and left as they are ({len(decision.left)}; --prune removes them):")
        for name in decision.left:
            print(f"    {_printable(name)}")
    for name in decision.without_password:
        print(f"user {name} has no password; give one with: canalgate user password {name}")
    if not is_dry:
        for name, key in decision.keys.items():
            print(f"{TOKEN_PREFIX}{key}  {_printable(name)}, shown only now")
    count = {action: sum(one.action == action for one in decision.changes) for action in _SIGNS}
    print(", ".join(f"{number} {action}" for action, number in count.items()))
    if is_dry:
        print("nothing was changed")


def _shown(change: Change, field: Field) -> str:
    if change.action == "added":
        return field.after
    if field.before == field.after:
        return "changed"  # a secret
    return f"{field.before or '-'} -> {field.after or '-'}"


def _printable(text: str) -> str:
    return "".join(sign if sign.isprintable() else "\ufffd" for sign in text)
