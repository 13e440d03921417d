"""The pages of docs/reference and the console's types, made from the code they describe: `make references`.

Settings come from proxy/config.py and the lines of why in config.example.toml, commands from the parser of
the command line, the API from the document that the gateway serves. Nothing there is written by hand.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, get_args, get_origin

import msgspec
from canalgate.proxy.admin.openapi import document
from canalgate.proxy.admin.operations import PREFIX
from canalgate.proxy.admin.resources import OPERATIONS
from canalgate.proxy.cli import _parser
from canalgate.proxy.config import ENV_PREFIX, Config
from canalgate.proxy.other_names import NAMES
from console_types import types

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs" / "reference"
EXAMPLE = ROOT / "config.example.toml"

SETTINGS = f"""\
# Settings

Every setting of `config.toml`, made by `make references` from the program.
[Configuration](../configuration.md) says how settings are read.

In the environment a setting is `{ENV_PREFIX}SECTION__KEY`; it goes before the console and the file.
Lists are written `a,b,c` there, everything else as in the file, text without quotes. Behind it are
other names that are understood: those of One API and AI Proxy are all in
[moving](../moving-environment.md). Settings of plugins are on [their pages](../plugins.md).

"""

COMMANDS = """\
# Commands

Every command with what it takes, made by `make references` from the program.
[The command line](../commands.md) says what is common to all: exit statuses, `--json`, completion.
`--config FILE` may stand before any command, `--help` behind it.

"""

API = f"""\
# Operations of the admin API

Every operation below `{PREFIX}`, made by `make references` from the program.
[The admin API](../admin-api.md) says what is common to all: who may ask, errors, pages of lists, `ETag` and
`Idempotency-Key`. The running gateway has the same as OpenAPI 3.1 at `{PREFIX}/openapi.json`.

The role is the least that may ask; `public` is anybody. What is not marked as needed may be left out. A
`PATCH` leaves what is not sent as it is.

"""


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    """Return the lines of a table and an empty one; none where there are no rows."""
    lines = [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows]
    return [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}", *lines, ""] if rows else []


# Settings


def settings() -> str:
    """Return docs/reference/settings.md."""
    text = EXAMPLE.read_text("utf-8")
    lines = SETTINGS.splitlines()
    for section in msgspec.structs.fields(Config):
        lines += [f"## {section.name}", "", *_settings(section.name, section.type, _whys(text, section.name))]
    return "\n".join(lines).rstrip() + "\n"


def _whys(text: str, section: str) -> dict[str, str]:
    """What the example says of each setting of a section."""
    part = re.search(rf"(?ms)^\[{section}\]\n(.*?)(?=^\[|\Z)", text)
    return {key: why for why, key in re.findall(r"(?m)^# (.+)\n#(\w+) = ", part[1] if part else "")}


def _settings(section: str, kind: Any, whys: Mapping[str, str]) -> list[str]:
    rows = []
    for one in msgspec.structs.fields(kind):
        if one.name == "settings":  # the tables of plugins, which have pages of their own
            continue
        name = f"{section}.{one.name}"
        environment = ", ".join([f"`{ENV_PREFIX}{section.upper()}__{one.name.upper()}`", *_others(name)])
        rows.append(
            [f"`{one.name}`", _type(one.type), f"`{_toml(one.default)}`", whys[one.name], environment]
        )
    return table(["key", "type", "default", "what", "in the environment"], rows)


def _others(setting: str) -> list[str]:
    return [f"`{name}`" for name, meaning in NAMES.items() if setting in meaning.settings]


def _type(kind: Any) -> str:
    if get_origin(kind) is tuple:
        return "list of texts"
    if get_args(kind):
        return "one of " + ", ".join(f"`{one}`" for one in get_args(kind))
    return {str: "text", int: "whole number", float: "number", bool: "`true` or `false`"}[kind]


def _toml(value: Any) -> str:
    return json.dumps(list(value) if isinstance(value, tuple) else value)


# Commands


def tree(parser: argparse.ArgumentParser, path: str = "", text: str = "") -> Iterator[tuple[str, str, Any]]:
    """Every command that can be run: its words, what it does, and its parser."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            texts = {choice.dest: choice.help or "" for choice in action._choices_actions}
            for name, below in action.choices.items():
                yield from tree(below, f"{path} {name}".strip(), texts.get(name, ""))
    if parser.get_default("run") is not None:
        yield path, text, parser


def commands() -> str:
    """Return docs/reference/commands.md."""
    found = list(tree(_parser()[0]))
    links = [[f"[`{path}`](#canalgate-{path.replace(' ', '-')})", text] for path, text, _ in found]
    lines = [*COMMANDS.splitlines(), *table(["command", "does"], links)]
    for path, text, parser in found:
        actions = [action for action in parser._actions if action.dest != "help"]
        lines += [f"## canalgate {path}", "", f"{_sentence(text)}", ""]
        lines += ["```text", " ".join(["canalgate", path, *map(_usage, actions)]), "```", ""]
        lines += table(["argument", "", "what"], [_argument(action) for action in actions])
    return "\n".join(lines).rstrip() + "\n"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:].rstrip(".") + "."


def _value(action: argparse.Action) -> str:
    """What stands for an argument's value; empty for a switch."""
    if action.nargs == 0:
        return ""
    if action.choices is not None and action.metavar is None and len(list(action.choices)) < 6:
        return "|".join(map(str, action.choices))
    return str(action.metavar or action.dest.upper())


def _usage(action: argparse.Action) -> str:
    words = " ".join(
        filter(None, [action.option_strings[-1] if action.option_strings else "", _value(action)])
    )
    return words if action.required else f"[{words}]"


def _argument(action: argparse.Action) -> list[str]:
    name = action.option_strings[-1] if action.option_strings else _value(action)
    value = _value(action) if action.option_strings else ""
    words = f"`{name} {value}`".replace(" `", "`")
    what = (action.help or "").replace("%(default)s", str(action.default))
    if action.choices is not None and len(list(action.choices)) >= 6:
        what = "; ".join(filter(None, [what, "one of " + ", ".join(f"`{one}`" for one in action.choices)]))
    return [words, "needed" if action.required else "", what + _default(action, what)]


def _default(action: argparse.Action, what: str) -> str:
    shown = action.default not in (None, argparse.SUPPRESS, False, "", [], ()) and "default" not in what
    return f" (default {action.default})" if shown else ""


# The admin API


def api() -> str:
    """Return docs/reference/api.md."""
    described = document(OPERATIONS)
    schemas = described["components"]["schemas"]
    lines = API.splitlines()
    shown: dict[str, None] = {}
    for area, operations in _areas(described).items():
        lines += [f"## {area.capitalize()}", ""]
        for method, path, operation in operations:
            lines += _operation(method, path, operation, schemas, shown)
    lines += ["## What answers are made of", ""]
    for name in _closed(shown, schemas):
        lines += [
            f"### {schemas[name]['title']}",
            "",
            *_text(schemas[name]),
            *_fields(schemas[name], schemas),
        ]
    return "\n".join(lines).rstrip() + "\n"


def _areas(described: dict[str, Any]) -> dict[str, list[tuple[str, str, Any]]]:
    found: dict[str, list[tuple[str, str, Any]]] = {}
    for path, item in described["paths"].items():
        for method, operation in item.items():
            found.setdefault(operation["tags"][0], []).append((method.upper(), path, operation))
    return found


def _operation(
    method: str, path: str, operation: dict[str, Any], schemas: dict[str, Any], shown: dict[str, None]
) -> list[str]:
    text, _, least = operation["description"].rpartition("Least role: ")
    lines = [f"### {method} {path.removeprefix(PREFIX)}", "", f"{operation['summary']}. {text}".strip(), ""]
    lines += [f"Role: `{least.rstrip('.')}`. {_answer(operation['responses'], schemas, shown)}", ""]
    named = [
        [f"`{one['name']}`", one["in"], _kind(one["schema"], schemas, shown), one["description"]]
        for one in operation["parameters"]
    ]
    lines += table(["parameter", "in", "type", "what"], named)
    if "requestBody" in operation:
        body = schemas[_name(operation["requestBody"]["content"]["application/json"]["schema"])]
        lines += [*_text(body), *_fields(body, schemas, shown, "body field")]
    return lines


def _answer(responses: dict[str, Any], schemas: dict[str, Any], shown: dict[str, None]) -> str:
    status, done = next(iter(responses.items()))
    if "content" not in done:
        return f"Answers {status} with nothing."
    if "application/json" not in done["content"]:
        return f"Answers {status} with {_stream(done['content'], schemas, shown)}."
    kind = _kind(done["content"]["application/json"]["schema"], schemas, shown)
    return f"Answers {status} with {kind}{' and an `ETag`' if 'headers' in done else ''}."


def _stream(content: dict[str, Any], schemas: dict[str, Any], shown: dict[str, None]) -> str:
    """What comes bit by bit: of which type, and of which items where that is said."""
    kinds = " or ".join(f"`{kind}`" for kind in content)
    items = [media["x-itemSchema"] for media in content.values() if "x-itemSchema" in media]
    return f"{kinds}, each {_kind(items[0], schemas, shown)}" if items else kinds


def _text(schema: dict[str, Any]) -> list[str]:
    words = " ".join(schema.get("description", "").split())
    return [words, ""] if words else []


def _fields(
    schema: dict[str, Any], schemas: dict[str, Any], shown: dict[str, None] | None = None, head: str = "field"
) -> list[str]:
    needed = set(schema.get("required", ())) if head != "field" else set()
    rows = [
        [
            f"`{name}`",
            _kind(one, schemas, {} if shown is None else shown),
            _needed(name, one, needed),
            one["description"],
        ]
        for name, one in schema.get("properties", {}).items()
    ]
    if head == "field":
        return table(["field", "type", "what"], [[name, kind, text] for name, kind, _, text in rows])
    return table([head, "type", "", "what"], rows)


def _needed(name: str, schema: dict[str, Any], needed: set[str]) -> str:
    if name in needed:
        return "needed"
    return f"default `{json.dumps(schema['default'])}`" if schema.get("default") is not None else ""


def _name(schema: dict[str, Any]) -> str:
    return str(schema["$ref"].rpartition("/")[2])


def _kind(schema: dict[str, Any], schemas: dict[str, Any], shown: dict[str, None]) -> str:
    """A type in words; of a bound only those that somebody may meet."""
    if "$ref" in schema:
        name = _name(schema)
        if name.startswith("Page_"):
            return f"a page of {_kind(schemas[name]['properties']['data']['items'], schemas, shown)}"
        shown[name] = None
        title = schemas[name]["title"]
        return f"[{title}](#{title.lower()})"
    if "anyOf" in schema:
        return " or ".join(_kind(one, schemas, shown) for one in schema["anyOf"])
    if "enum" in schema:
        return ", ".join(f"`{json.dumps(one)}`" for one in schema["enum"])
    return _plain(schema, schemas, shown)


def _plain(schema: dict[str, Any], schemas: dict[str, Any], shown: dict[str, None]) -> str:
    kind = schema.get("type", "anything")
    if kind == "array":
        return f"list of {_kind(schema['items'], schemas, shown)}"
    if kind == "object":
        return f"object of {_kind(schema.get('additionalProperties') or {}, schemas, shown)}"
    words = {"string": "text", "integer": "whole number", "boolean": "`true` or `false`", "null": "`null`"}
    return words.get(kind, kind) + _bounds(schema)


def _bounds(schema: dict[str, Any]) -> str:
    least, most = schema.get("minimum"), schema.get("maximum", schema.get("exclusiveMaximum"))
    if least is None or most is None:
        return ""
    if most < 2**31:
        return f" ({least} to {most})"
    return f" ({least} or more)"


def _closed(shown: Mapping[str, None], schemas: dict[str, Any]) -> list[str]:
    """The schemas that are shown and those that they mention, in the order of the document."""
    found, wanted = set(), list(shown)
    while wanted:
        name = wanted.pop()
        if name not in found:
            found.add(name)
            wanted += re.findall(r"#/components/schemas/(\w+)", json.dumps(schemas[name]))
    return [name for name in schemas if name in found and not name.startswith("Page_")]


PAGES: Mapping[str, Callable[[], str]] = {"settings.md": settings, "commands.md": commands, "api.md": api}
"""What makes each page."""

TYPES = ROOT / "console" / "src" / "lib" / "openapi.ts"


if __name__ == "__main__":
    for page, make in PAGES.items():
        (FOLDER / page).write_text(make(), "utf-8")
    TYPES.write_text(types(), "utf-8")
