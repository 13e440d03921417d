"""Plugins from a folder: each loads on its own, and what cannot is left out with a reason."""

import logging
import sys

import pytest
from canalgate.adapters import demo, openai
from canalgate.plugins.manager import PluginManager

BUILTIN = (openai, demo)
OURS = PluginManager(BUILTIN)

GOOD = """
from canalgate.adapters.openai import OpenAIAdapter
from canalgate.plugins import hookimpl

class Made(OpenAIAdapter):
    name = "NAME"
    title = "Made"

@hookimpl
def register_adapters(register):
    register(Made())
"""


def adapter(name, *changes):
    text = GOOD.replace("NAME", name)
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return text


BROKEN = {
    "import": ("import no_such_module_at_all", "ModuleNotFoundError: No module named"),
    "syntax": ("def broken(:", "SyntaxError"),
    "exit": ("import sys; sys.exit('bye')", "SystemExit: bye"),
    "bytes": (b"x = '\xff'", "SyntaxError"),
    "major": (f"REQUIRES_API = (2, 0)\n{adapter('major')}", "needs plugin API 2.0, this is 1.0"),
    "minor": (f"REQUIRES_API = (1, 99)\n{adapter('minor')}", "needs plugin API 1.99, this is 1.0"),
    "nonsense": (f"REQUIRES_API = 'soon'\n{adapter('nonsense')}", "needs plugin API"),
    "clash": (adapter("openai"), "adapter name 'openai' is taken"),
    "endpoint": (
        adapter("endpoint", ("title =", "endpoints = frozenset({'chat/completion'}); title =")),
        "unknown endpoints ['chat/completion']",
    ),
    "no_name": (adapter(""), "states no name"),
    "no_title": (adapter("no_title", ('"Made"', '""')), "states no title"),
    "a_class": (adapter("a_class", ("Made())", "Made)")), "takes an Adapter object"),
    "half": (adapter("half", ("register(Made())", "register(Made()); 1 / 0")), "ZeroDivisionError"),
    "hook": (adapter("hook", ("register_adapters", "register_adaptors")), "unknown hook"),
    "argument": (adapter("argument", ("(register)", "(registry)")), "registry"),
}


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "plugins"
    path.mkdir()
    yield path
    for name in [name for name in sys.modules if name.startswith("canalgate_plugin_")]:
        del sys.modules[name]


def write(folder, name, text):
    data = text if isinstance(text, bytes) else text.encode()
    (folder / f"{name}.py").write_bytes(data)


def found(manager, name):
    (plugin,) = [plugin for plugin in manager.plugins if plugin.name == name]
    return plugin


def test_a_file_dropped_into_the_folder_brings_its_adapter(folder):
    write(folder, "moonshot", adapter("moonshot"))
    manager = PluginManager(BUILTIN, folder)
    assert manager.adapters["moonshot"].title == "Made"
    assert found(manager, "moonshot").problem == ""
    assert found(manager, "moonshot").source == str(folder / "moonshot.py")


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_plugin_is_left_out_with_a_reason_while_the_others_load(folder, name):
    text, reason = BROKEN[name]
    write(folder, name, text)
    write(folder, "aaa_before", adapter("before"))
    write(folder, "zzz_after", adapter("after"))
    manager = PluginManager(BUILTIN, folder)
    assert reason in found(manager, name).problem
    assert set(manager.adapters) == {*OURS.adapters, "before", "after"}


@pytest.mark.parametrize("name", BROKEN)
def test_the_reason_is_one_line(folder, name):
    write(folder, name, BROKEN[name][0])
    assert len(found(PluginManager(BUILTIN, folder), name).problem.splitlines()) == 1


def test_a_broken_plugin_is_logged_with_its_traceback(folder, caplog):
    write(folder, "broken", "1 / 0")
    with caplog.at_level(logging.WARNING):
        PluginManager(BUILTIN, folder)
    (record,) = [record for record in caplog.records if record.exc_info]
    assert "name=broken" in record.getMessage()


def test_a_clash_keeps_the_adapter_that_was_there(folder):
    write(folder, "clash", adapter("openai"))
    kept = PluginManager(BUILTIN, folder).adapters["openai"]
    assert type(kept).__module__ == "canalgate.adapters.openai"


@pytest.mark.parametrize("api", ["(1, 0)", "[1, 0]", "(1,)"])
def test_a_plugin_for_this_api_is_loaded(folder, api):
    write(folder, "fits", f"REQUIRES_API = {api}\n{adapter('fits')}")
    assert "fits" in PluginManager(BUILTIN, folder).adapters


@pytest.mark.parametrize("file", ["_private.py", "__init__.py", "notes.txt", "plugin.py.off"])
def test_other_files_are_left_alone(folder, file):
    (folder / file).write_text("1 / 0")
    manager = PluginManager(BUILTIN, folder)
    assert [plugin.name for plugin in manager.plugins] == [plugin.name for plugin in OURS.plugins]


@pytest.mark.parametrize("name", ["demo", "moonshot"])
def test_a_plugin_disabled_by_name_is_listed_and_not_loaded(folder, name):
    write(folder, "moonshot", adapter("moonshot"))
    manager = PluginManager(BUILTIN, folder, [name])
    assert name not in manager.adapters
    assert found(manager, name).disabled


def test_a_disabled_file_is_not_even_imported(folder):
    write(folder, "harmful", f"open({str(folder / 'ran')!r}, 'w').close()")
    PluginManager(BUILTIN, folder, ["harmful"])
    assert not (folder / "ran").exists()


def test_files_load_in_the_order_of_their_names(folder):
    for name in ("b", "a", "c"):
        write(folder, name, adapter(name))
    assert list(PluginManager((), folder).adapters) == ["a", "b", "c"]


def test_a_folder_that_is_not_there_is_no_problem(tmp_path):
    assert set(PluginManager(BUILTIN, tmp_path / "none").adapters) == set(OURS.adapters)


def test_a_folder_others_may_write_to_is_warned_of(folder, caplog):
    folder.chmod(0o777)
    with caplog.at_level(logging.WARNING):
        PluginManager(BUILTIN, folder)
    assert "can be written by other users" in caplog.text


def test_the_adapters_cannot_be_changed_from_outside():
    with pytest.raises(TypeError):
        PluginManager(BUILTIN).adapters["x"] = None
