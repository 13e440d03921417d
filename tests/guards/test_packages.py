"""House rules a reader would otherwise have to remember."""

import ast
import configparser
import inspect
import re
import tokenize
from pathlib import Path

import pytest
from canalgate.plugins import hookspecs

ROOT = Path(__file__).resolve().parents[2]
OURS = ("plugins", "adapters", "proxy")
FILES = [path for folder in OURS for path in sorted((ROOT / folder).rglob("*.py"))]
ALL_FILES = [*sorted(ROOT.glob("*.py")), *FILES, *sorted((ROOT / "tests").rglob("*.py"))]
NAMES = {path: str(path.relative_to(ROOT)) for path in ALL_FILES}

SQL = re.compile(
    r"\b(SELECT\s.+\sFROM|INSERT\s+INTO|REPLACE\s+INTO|UPDATE\s+\S+\s+SET|DELETE\s+FROM|PRAGMA\s|"
    r"(CREATE|ALTER|DROP)\s+(TABLE|INDEX|VIEW))\b"
)
SILENCED = re.compile(r"#\s*(noqa|type:\s*ignore)")
SILENCED_WELL = re.compile(r"#\s*(noqa: ?[A-Z]+\d+|type: ignore\[[a-z-]+(, ?[a-z-]+)*\])\s+(# )?\w+ \w+")

HOOKS = [
    value for value in vars(hookspecs).values()
    if inspect.isfunction(value) and hasattr(value, f"{hookspecs.PROJECT}_spec")
]  # fmt: skip


def each(files):
    return pytest.mark.parametrize("path", files, ids=lambda path: NAMES[path])


def tree(path):
    return ast.parse(path.read_text("utf-8"))


def test_setup_cfg_lists_every_package():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    found = {path.parent for path in ROOT.rglob("__init__.py")}
    hidden = {"tests", "bench", "docs", "build", "dist"}
    relative = {path.relative_to(ROOT).parts for path in found}
    kept = {p for p in relative if not p or (p[0] not in hidden and not p[0].startswith("."))}
    expected = {".".join(("canalgate", *parts)) for parts in kept}
    assert set(config["options"]["packages"].split()) == expected


@each([path for path in FILES if "store" not in path.parts])
def test_sql_is_in_the_store_only(path):
    texts = [node.value for node in ast.walk(tree(path)) if isinstance(node, ast.Constant)]
    assert not [text for text in texts if isinstance(text, str) and SQL.search(text)]


@each([path for path in FILES if path.parent != ROOT / "proxy" / "cli"])
def test_print_is_for_the_command_line_only(path):
    calls = [node for node in ast.walk(tree(path)) if isinstance(node, ast.Call)]
    assert not [call.lineno for call in calls if getattr(call.func, "id", "") == "print"]


@each(ALL_FILES)
def test_a_silenced_check_has_a_code_and_a_reason(path):
    with tokenize.open(path) as file:
        comments = [t for t in tokenize.generate_tokens(file.readline) if t.type == tokenize.COMMENT]
    silenced = [comment for comment in comments if SILENCED.search(comment.string)]
    assert not [comment.start[0] for comment in silenced if not SILENCED_WELL.search(comment.string)]


@pytest.mark.parametrize("hook", HOOKS, ids=lambda hook: hook.__name__)
@pytest.mark.parametrize("word", ["When:", "Since:"])
def test_every_hook_says_when_it_is_called_and_since_when_it_is_there(hook, word):
    assert word in (hook.__doc__ or "")


def test_there_are_hooks_to_look_at():
    assert HOOKS


@each([path for path in FILES if path.stat().st_size])
def test_everything_public_has_a_docstring(path):
    top = tree(path)
    assert not [name for name, node in public(top) if not ast.get_docstring(node)]


def public(top):
    """The module and its public classes and functions, and the methods of classes without a base.

    Left out: implementations of hooks and methods that override, whose text stands elsewhere.
    """
    yield "module", top
    for node in top.body:
        if not isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        if node.name.startswith("_") or "hookimpl" in map(ast.unparse, node.decorator_list):
            continue
        yield node.name, node
