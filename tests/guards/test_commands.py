"""The commands are alike: each prints for programs too, every argument says why, the help fits a screen."""

import argparse

import pytest
from canalgate.proxy.cli import _parser

NOT_JSON = {
    "serve": "says how to begin, then writes a log whose form is the setting log.format",
    "completion": "prints a script for a shell",
}
"""Commands without `--json`, and why."""


def tree(parser, path=""):
    """Every command that can be run, with its parser."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, below in action.choices.items():
                yield from tree(below, f"{path} {name}".strip())
    if parser.get_default("run") is not None:
        yield path, parser


PARSER, _ = _parser()
COMMANDS = dict(tree(PARSER))
OPTIONS = {
    path: {option for action in parser._actions for option in action.option_strings}
    for path, parser in COMMANDS.items()
}


def test_every_command_prints_json_but_those_that_have_a_reason():
    assert {path for path in COMMANDS if "--json" not in OPTIONS[path]} == set(NOT_JSON)


@pytest.mark.parametrize("path", COMMANDS)
def test_every_option_has_a_dash_for_a_space_and_no_capitals(path):
    assert not [option for option in OPTIONS[path] if "_" in option or option != option.lower()]


def test_the_help_fits_a_screen_and_names_every_command():
    text = PARSER.format_help()
    lines = text.splitlines()
    assert (24 <= len(lines) <= 30, max(map(len, lines)) <= 80) == (True, True)
    (first, *_) = [action for action in PARSER._actions if isinstance(action, argparse._SubParsersAction)]
    listed = text.partition("Commands:")[2].partition("Options:")[0].split()
    assert [name for name in first.choices if listed.count(name) != 1] == []


@pytest.mark.parametrize("line", [one for one in PARSER.format_help().splitlines() if "  canalgate " in one])
def test_the_commands_that_the_help_begins_with_are_understood(line):
    words = line.strip().split("   ")[0].split()
    assert PARSER.parse_args(words[1:]).run


@pytest.mark.parametrize("path", COMMANDS)
def test_every_argument_says_what_it_is_for(path):
    assert [action.dest for action in COMMANDS[path]._actions if not action.help] == []


@pytest.mark.parametrize("path", COMMANDS)
def test_every_command_explains_itself(path):
    assert COMMANDS[path].format_help().startswith("usage: canalgate ")
