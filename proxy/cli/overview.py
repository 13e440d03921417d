"""What `canalgate --help` prints: how to begin, and all commands on one screen."""

from __future__ import annotations

from .command import Commands

_LINES = (
    ("run", ("serve", "check", "doctor", "backup", "restore")),
    ("providers", ("channel", "model", "route", "conformance", "plugins")),
    ("clients", ("user", "token", "group", "limit", "code")),
    ("money", ("price", "usage", "log", "ledger")),
)
"""Commands by what they are about. One that is not named here comes on a last line."""

_TEXT = """\
usage: canalgate [--config FILE] COMMAND ...

One address and one key for every model provider.

To begin:
  canalgate serve                  run the gateway; it prints what to do next
  canalgate channel add --name deepseek --type deepseek --key - --models M
  canalgate token create my-app    a key for a client, shown once
  canalgate doctor                 what is wrong, and what to do about it

Commands:
{commands}

Options:
  -h, --help     this; behind a command, what it takes: canalgate channel --help
  --config FILE  settings (default ./config.toml, if any)
  --json         behind a command: print JSON
  --version      the version

Exit status: 0 done, 1 something failed or is wrong, 2 wrong usage,
130 interrupted.
"""


def overview(commands: Commands) -> str:
    """Return the text; it fits into 30 lines of 80 characters."""
    named = {name for _, names in _LINES for name in names}
    rest = tuple(name for name in commands.choices if name not in named)
    lines = [
        f"  {title:<13}{'  '.join(name for name in names if name in commands.choices)}"
        for title, names in (*_LINES, ("more", rest))
    ]
    return _TEXT.format(commands="\n".join(lines))
