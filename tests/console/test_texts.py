"""The dictionaries: the same texts in both languages, none that is missing and none that nobody shows."""

import ast
import inspect
import json
import re
import textwrap
from pathlib import Path

from canalgate.proxy.config import Config
from canalgate.proxy.host import load_plugins
from canalgate.proxy.routing import explain
from canalgate.proxy.routing.health import Health, Rest
from canalgate.proxy.settings import helps

SOURCE = Path(__file__).resolve().parents[2] / "console" / "src"
EN, ZH = (json.loads((SOURCE / "locales" / f"{name}.json").read_text("utf-8")) for name in ("en", "zh"))
TERMS = json.loads((SOURCE / "locales" / "terms.zh.json").read_text("utf-8"))
CODE = "\n".join(path.read_text("utf-8") for path in SOURCE.rglob("*") if path.suffix in (".svelte", ".ts"))
MADE = tuple(
    f"{area}."
    for area in (
        "error", "status", "health", "rest", "mode", "price", "usage", "source", "role", "event", "plugin",
        "outcome", "credit", "theme", "log", "move", "set", "from", "fixed",
    )
)  # fmt: skip
"""Areas whose keys are put together at run time."""


def test_both_languages_have_the_same_texts_in_the_same_order():
    assert list(EN) == list(ZH)


def test_both_languages_are_given_the_same_words():
    assert {key: set(re.findall(r"{\w+}", text)) for key, text in EN.items()} == {
        key: set(re.findall(r"{\w+}", text)) for key, text in ZH.items()
    }


def test_every_text_is_shown_somewhere():
    shown = set(re.findall(r"['`]([a-z]+\.\w+)['`]", CODE))
    assert [key for key in EN if key not in shown and not key.startswith(MADE)] == []


def test_chinese_texts_are_chinese():
    same = [key for key, text in ZH.items() if text == EN[key]]
    assert same == []


def test_chinese_texts_have_full_width_punctuation():
    half = re.compile(r"[\u4e00-\u9fff）}][,:;?!(](?=[^/])|[,;?!][\u4e00-\u9fff]|[\u4e00-\u9fff][?!]$")
    assert [text for text in (*ZH.values(), *TERMS.values()) if half.search(text)] == []


def returned(function):
    """The texts that a function returns, with `{}` for what is put into them."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    values = [node.value for node in ast.walk(tree) if isinstance(node, ast.Return)]
    values += [part for one in values if isinstance(one, ast.IfExp) for part in (one.body, one.orelse)]
    texts = [one.values if isinstance(one, ast.JoinedStr) else [one] for one in values]
    return {
        "".join(part.value if isinstance(part, ast.Constant) else "{}" for part in parts)
        for parts in texts
        if any(isinstance(part, ast.Constant) for part in parts)
    }


def test_what_settings_adapters_and_ways_say_is_there_in_chinese_and_nothing_else():
    adapters = load_plugins(Config()).adapters.values()
    options = [option for adapter in adapters for option in adapter.options]
    said = {text for option in options for text in (option.label, option.help)}
    said |= {adapter.key_help for adapter in adapters} | set(helps().values())
    said |= {"not enabled", "disabled by configuration"}  # of plugins/manager.py
    said |= returned(explain._why_not) | returned(explain._unpriced)
    for form in returned(Health.why):
        said |= {form.replace("{}", rest.value, 1) for rest in Rest} if form.startswith("{}") else {form}
    assert set(TERMS) == said - {""}
    assert [text for text in TERMS.values() if not re.search(r"[\u4e00-\u9fff]", text)] == []


def test_nothing_is_put_into_a_page_as_html():
    assert re.findall(r"{@html|innerHTML|insertAdjacentHTML|document\.write|\beval\(", CODE) == []
