"""The command `canalgate`. Each noun has a module; this one puts them together and reports errors."""

from __future__ import annotations

import argparse
import errno
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import NoReturn

from ... import __version__
from ..config import Config, load
from ..errors import ConfigError
from ..host import load_plugins
from ..store import DatabaseError, StoreError
from .output import add_json_options
from .overview import overview

EXIT_OK, EXIT_FAILED, EXIT_USAGE, EXIT_INTERRUPTED = 0, 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status: 0 done, 1 failed, 2 wrong usage, 130 interrupted."""
    # A command says in a line what is wrong; only `serve` has a log, and sets it up itself.
    logging.getLogger("canalgate").addHandler(logging.NullHandler())
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser, commands = _parser(_command_in(given)[0])
    if any("\ud800" <= sign <= "\udfff" for text in given for sign in text):
        parser.error("the arguments are not valid UTF-8")
    try:
        _add_plugin_commands(given, commands)
        options = parser.parse_args(given)
        if not hasattr(options, "run"):
            options.parser.print_help(sys.stderr)
            return EXIT_USAGE
        config = load(options.config) if options.needs_config else Config()
        status = int(options.run(config, options) or EXIT_OK)
        sys.stdout.flush()
        return status
    except (ConfigError, StoreError, DatabaseError) as exc:
        print(f"canalgate: {exc}", file=sys.stderr)
        return EXIT_FAILED
    except OSError as exc:
        return _unwritten(exc)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


def _unwritten(exc: OSError) -> int:
    """Say that the output could not be written; nothing where its reader has gone, as `head` does.

    Anything else that a command did not expect is a bug, and raised again.
    """
    if exc.filename is not None or exc.errno not in (errno.EPIPE, errno.ENOSPC, errno.EIO, errno.EBADF):
        raise exc
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes once more at its end
    if exc.errno != errno.EPIPE:
        print(f"canalgate: standard output: {exc.strerror}", file=sys.stderr)
    return EXIT_FAILED


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line. The first of all explains with an overview of the commands."""

    def format_help(self) -> str:
        commands = self.get_default("overview_of")
        return super().format_help() if commands is None else overview(commands)

    def error(self, message: str) -> NoReturn:
        self.exit(EXIT_USAGE, f"{self.prog}: {message}; see {self.prog} --help\n")


def _add_plugin_commands(given: list[str], commands: argparse._SubParsersAction[_Parser]) -> None:
    """Load the plugins for their commands, where what is asked for is none of ours."""
    command, config = _command_in(given)
    if command and command not in commands.choices:
        load_plugins(load(config)).hooks.register_commands(commands)


def _command_in(given: list[str]) -> tuple[str, Path | None]:
    """Return the command that is asked for, empty if there is none, and the configuration before it."""
    first = argparse.ArgumentParser(add_help=False)
    first.add_argument("--config", type=Path)
    options, rest = first.parse_known_args(given)
    return rest[0] if rest and not rest[0].startswith("-") else "", options.config


def _parser(command: str = "") -> tuple[_Parser, argparse._SubParsersAction[_Parser]]:
    """Return a parser for all commands, or for a single one that is to be run."""
    parser = _Parser(prog="canalgate")
    parser.add_argument("--version", action="version", version=f"canalgate {__version__}")
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="configuration (default: ./config.toml, if any)"
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    parser.set_defaults(parser=parser, root=parser, needs_config=True, overview_of=commands)
    for module in _modules(command):
        module.add_commands(commands)
    add_json_options(parser)
    return parser, commands


def _modules(command: str) -> tuple[ModuleType, ...]:
    """Return the modules of commands. A gateway needs one of them, and would keep the others for ever."""
    from . import serve

    if command == "serve":
        return (serve,)
    from . import (
        backup,
        blueprint,
        channel,
        check,
        code,
        completion,
        conformance,
        doctor,
        group,
        ledger,
        limit,
        log,
        model,
        moving,
        plugins,
        price,
        route,
        secret,
        token,
        usage,
        user,
    )

    return (
        serve, check, doctor, backup, channel, model, route, token, user, group, price, limit, code, log,
        usage, ledger, moving, blueprint, secret, plugins, conformance, completion,
    )  # fmt: skip


__all__ = ["main"]
