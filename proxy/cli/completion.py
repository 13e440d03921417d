"""`canalgate completion SHELL`: what makes a shell complete our commands, from the parser's own tree."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, replace

from ..config import Config
from .command import Commands

_SHELLS = ("bash", "zsh", "fish")
_HOW = """\
to try it:  source <(canalgate completion bash)     in bash or zsh (after compinit)
to keep it: canalgate completion bash > ~/.local/share/bash-completion/completions/canalgate
            canalgate completion zsh > "${fpath[1]}/_canalgate"
            canalgate completion fish > ~/.config/fish/completions/canalgate.fish
"""


@dataclass(frozen=True, slots=True)
class _Place:
    """What may come after some words: commands and options with what they are for, and values of options.

    `takers` are options that take a value which we cannot list: a file perhaps.
    """

    path: str
    words: dict[str, str]
    values: dict[str, tuple[str, ...]]
    takers: tuple[str, ...]

    def commands(self) -> list[str]:
        """What comes without a dash; nothing where a file may."""
        return [word for word in self.words if not word.startswith("-")]

    def options(self) -> list[str]:
        """What comes with one."""
        return [word for word in self.words if word.startswith("-")]


def add_commands(commands: Commands) -> None:
    """Add this module's command."""
    parser = commands.add_parser(
        "completion", help="print what makes a shell complete commands", epilog=_HOW,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("shell", choices=_SHELLS, help="whose script to print")
    parser.set_defaults(run=run, needs_config=False, prints="a script for a shell")


def run(config: Config, options: argparse.Namespace) -> int:
    """Print the script of a shell."""
    write = {"bash": _bash, "zsh": _zsh, "fish": _fish}[options.shell]
    print(write(list(_places(options.root, "canalgate"))), end="")
    return 0


def _places(parser: argparse.ArgumentParser, path: str) -> Iterator[_Place]:
    words: dict[str, str] = {}
    values: dict[str, tuple[str, ...]] = {}
    takers: list[str] = []
    below: dict[str, argparse.ArgumentParser] = {}
    kinds: list[str] = []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            below = dict(action.choices)
            words.update((choice.dest, choice.help or "") for choice in action._choices_actions)
        elif not action.option_strings and action.choices:
            kinds = [str(choice) for choice in action.choices]
        for option in action.option_strings:
            words[option] = (action.help or "").partition("; ")[0]
            if action.nargs != 0 and action.choices:
                values[option] = tuple(map(str, action.choices))
            elif action.nargs != 0:
                takers.append(option)
    place = _Place(path, {**words, **dict.fromkeys(kinds, "")}, values, tuple(takers))
    yield place
    for kind in kinds:
        yield replace(place, path=f"{path} {kind}", words=words)
    for name, parser in below.items():
        yield from _places(parser, f"{path} {name}")


def _cases(places: list[_Place]) -> tuple[str, str, str]:
    """Return the lines of `case` by which a shell knows commands, values and words."""
    paths = "|".join(f'"{place.path}"' for place in places[1:])
    values = [
        f'    "{place.path} {option}") words={shlex.quote(" ".join(choices))} ;;'
        for place in places
        for option, choices in place.values.items()
    ]
    takers = "|".join(f'"{place.path} {option}"' for place in places for option in place.takers)
    values.append(f"    {takers}) return ;;")
    words = [
        f'      "{place.path}") words={shlex.quote(" ".join(place.commands()))}'
        f" options={shlex.quote(' '.join(place.options()))} ;;"
        for place in places
    ]
    return paths, "\n".join(values), "\n".join(words)


_POSIX = """\
  local at="canalgate" word words="" options=""
  for word in {before}; do
    case "$at $word" in
    {paths}) at="$at $word" ;;
    esac
  done
  case "$at {previous}" in
{values}
    *)
      case "$at" in
{words}
      esac ;;
  esac
  case "{current}" in
  -*) words="$options" ;;
  esac
"""


def _bash(places: list[_Place]) -> str:
    paths, values, words = _cases(places)
    body = _POSIX.format(
        before='"${COMP_WORDS[@]:1:COMP_CWORD-1}"', previous="${COMP_WORDS[COMP_CWORD-1]}",
        current="${COMP_WORDS[COMP_CWORD]}", paths=paths, values=values, words=words,
    )  # fmt: skip
    reply = '  COMPREPLY=($(compgen -W "$words" -- "${COMP_WORDS[COMP_CWORD]}"))\n'
    return f"_canalgate() {{\n  COMPREPLY=()\n{body}{reply}}}\ncomplete -o default -F _canalgate canalgate\n"


def _zsh(places: list[_Place]) -> str:
    paths, values, words = _cases(places)
    body = _POSIX.format(
        before='"${before[@]}"', previous="${before[-1]}", current="${words[CURRENT]}", paths=paths,
        values=values.replace(") return ;;", ") _files; return ;;"), words=words,
    )  # fmt: skip
    start = '  local -a before=("${words[@]:1:$((CURRENT-2))}")\n'
    # `words` is what the shell has typed so far, so ours has another name.
    body = body.replace('words=""', 'ours=""').replace(" words=", " ours=")
    end = "  compadd -- ${=ours}\n  [[ -n $ours ]] || _files\n}\n"
    return (
        f"#compdef canalgate\n_canalgate() {{\n{start}{body}{end}"
        'if [[ $funcstack[1] == _canalgate ]]; then _canalgate "$@"; else compdef _canalgate canalgate; fi\n'
    )


def _fish(places: list[_Place]) -> str:
    lines = [
        "function __canalgate_at",
        "  set -l at canalgate",
        "  for word in (commandline -opc)[2..-1]",
        '    switch "$at $word"',
        f"      case {' '.join(shlex.quote(place.path) for place in places[1:])}",
        '        set at "$at $word"',
        "    end",
        "  end",
        '  test "$at" = "$argv[1]"',
        "end",
        "complete -c canalgate -f",
    ]
    for place in places:
        where = f"complete -c canalgate -n {shlex.quote(f'__canalgate_at {shlex.quote(place.path)}')}"
        for word, help in place.words.items():
            lines.append(f"{where} {_fish_word(place, word)} -d {shlex.quote(help.replace('%%', '%'))}")
        if not place.commands():
            lines.append(f"{where} -F")
    return "\n".join(lines) + "\n"


def _fish_word(place: _Place, word: str) -> str:
    if not word.startswith("-"):
        return f"-a {shlex.quote(word)}"
    name = f"-l {word[2:]}" if word.startswith("--") else f"-s {word[1:]}"
    if word in place.values:
        return f"{name} -x -a {shlex.quote(' '.join(place.values[word]))}"
    return f"{name} -r -F" if word in place.takers else name
