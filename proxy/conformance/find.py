"""Find an adapter by its name or by the file it is in."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from ...adapters import BUILTIN
from ...plugins import Adapter
from ...plugins.manager import PluginManager
from ..config import Config


def adapters(name_or_file: str, config: Config) -> list[Adapter]:
    """Return the adapter of this name, built in, installed or dropped in, or those that a file registers.

    Raises ValueError, with what is known instead, if there is none.
    """
    if name_or_file.endswith(".py"):
        return _of_file(Path(name_or_file))
    known = PluginManager(BUILTIN, config.plugin_dir, config.plugins.disabled).adapters
    if name_or_file not in known:
        raise ValueError(f"there is no adapter {name_or_file!r}; there are {', '.join(sorted(known))}")
    return [known[name_or_file]]


def _of_file(path: Path) -> list[Adapter]:
    module = _loaded(path)
    problem = PluginManager([module]).plugins[0].problem
    if problem:
        raise ValueError(f"{path}: {problem}")
    found: list[Adapter] = []
    if hasattr(module, "register_adapters"):
        module.register_adapters(register=found.append)
    if not found:
        raise ValueError(f"{path}: it registers no adapter; see docs/write-an-adapter.md")
    return found


def _loaded(path: Path) -> ModuleType:
    if not path.is_file():
        raise ValueError(f"there is no file {str(path)!r}")
    name = f"canalgate_conformance_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ValueError(f"{path}: it cannot be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as exc:  # the border to foreign code
        del sys.modules[name]
        raise ValueError(f"{path}: {type(exc).__name__}: {exc}") from exc
    return module
