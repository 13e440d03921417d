"""`canalgate serve`: run the gateway."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys

import msgspec

from ..config import Config, check
from ..host import ROOT_NAME, FirstStart, Ready, serve
from ..logs import logging_to_stderr
from ..routing.snapshot import DEMO_CHANNEL_ID
from .command import Commands

log = logging.getLogger(__name__)


def add_commands(commands: Commands) -> None:
    """Add this module's command."""
    parser = commands.add_parser("serve", help="run the gateway")
    parser.add_argument("--host", help="address to listen on (default 127.0.0.1)")
    parser.add_argument("--port", type=int, help="port to listen on (default 3000)")
    parser.add_argument("--data", metavar="DIR", help="data directory (default ./data)")
    parser.add_argument(
        "--replace", action="store_true", help="take the port of the gateway that runs here, dropping nothing"
    )
    parser.set_defaults(run=run, prints="how to begin, and a log whose form is a setting")


def run(config: Config, options: argparse.Namespace) -> int:
    """Serve until told to stop."""
    config = _with_options(config, options)
    with logging_to_stderr(config.log):
        _run_loop(config, options.replace)
    return 0


def _with_options(config: Config, options: argparse.Namespace) -> Config:
    given = {name: getattr(options, name) for name in ("host", "port") if getattr(options, name) is not None}
    server = msgspec.structs.replace(config.server, **given)
    data = msgspec.structs.replace(config.data, dir=options.data) if options.data else config.data
    config = msgspec.structs.replace(config, server=server, data=data)
    check(config)
    return config


def _run_loop(config: Config, replace: bool) -> None:
    try:
        import uvloop
    except ImportError:
        log.info("uvloop is not installed; asyncio's own event loop is used")
        asyncio.run(serve(config, _announce, replace=replace))
    else:
        uvloop.run(serve(config, _announce, replace=replace))


def _announce(ready: Ready) -> None:
    """Tell a person what to do next. Secrets are shown at the first start only."""
    host = "127.0.0.1" if ready.host in ("0.0.0.0", "::") else ready.host
    address = f"http://[{host}]:{ready.port}" if ":" in host else f"http://{host}:{ready.port}"
    lines = [f"canalgate listens on {address}"]
    if ready.first is not None:
        lines += _shown_once(ready.first)
    if DEMO_CHANNEL_ID in ready.snapshot.usable:
        key = f"sk-{ready.first.token_key}" if ready.first and ready.first.token_key else "$TOKEN"
        lines += [
            "",
            "There is no channel yet, so a demo answers. Try it:",
            "",
            f"  curl -N {address}/v1/chat/completions -H 'Authorization: Bearer {key}' \\",
            "    -H 'Content-Type: application/json' \\",
            """    -d '{"model":"demo","stream":true,"messages":[{"role":"user","content":"Hello"}]}'""",
            "",
            "Then add a real one: canalgate channel add --help",
        ]
    print("\n".join(lines), flush=True)
    sys.stdout.flush()


def _shown_once(first: FirstStart) -> list[str]:
    shown = {"setup secret": first.setup_secret, "client token": first.token_key and f"sk-{first.token_key}"}
    lines = [f"  {name}  {secret}" for name, secret in shown.items() if secret]
    if lines:
        lines = ["", *lines, "", f"Shown only now, so keep {'it' if len(lines) == 1 else 'them'}."]
    if first.setup_secret:
        lines[-1] += (
            f" The secret sets the password of the user {ROOT_NAME}, once;"
            f" `canalgate user password {ROOT_NAME}` does too."
        )
    return lines
