"""Find plugins, load each on its own, and say what was loaded and what was left out and why.

Order: built-in modules, feature plugins that are enabled, installed packages (entry points of the group
`canalgate`), then the files of the plugin folder by name. A plugin that fails is left out and the gateway
starts without it.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import entry_points
from pathlib import Path
from types import FunctionType, MappingProxyType, ModuleType
from typing import Any, get_args

import pluggy

from . import hookspecs
from .contract import Adapter, Endpoint
from .hooks import Hooks

log = logging.getLogger(__name__)

BUILT_IN, FEATURE = "built-in", "feature"

FEATURES = ("prometheus", "request_log", "response_cache", "think_split")
"""The feature plugins of this package: written on the public hooks, each loaded where it is enabled."""

_ENDPOINTS = frozenset(get_args(Endpoint))


@dataclass(frozen=True, slots=True)
class Plugin:
    """One plugin that was found, with what it registered. `problem` is empty as long as it is in service."""

    name: str
    source: str
    version: str = ""
    hooks: tuple[str, ...] = ()
    problem: str = ""
    disabled: bool = False
    adapters: tuple[str, ...] = ()


class PluginManager:
    """Holds the loaded plugins and what they registered.

    `builtin` are modules. `folder` holds drop-in files, and in its folder `lib` packages installed by
    `pip install --target`; neither need exist. `disabled` are names to leave alone, `enabled` the feature
    plugins of this package to load.
    """

    def __init__(
        self,
        builtin: Iterable[ModuleType],
        folder: Path | None = None,
        disabled: Iterable[str] = (),
        enabled: Iterable[str] = (),
    ) -> None:
        self._pluggy = _Registry(hookspecs.PROJECT)
        self._pluggy.add_hookspecs(hookspecs)
        self._adapters: dict[str, Adapter] = {}
        self.adapters = MappingProxyType(self._adapters)
        self.plugins: list[Plugin] = []
        blocked = frozenset(disabled)
        for module in builtin:
            self._load(module.__name__.rpartition(".")[2], BUILT_IN, "", partial(_itself, module), blocked)
        wanted = frozenset(enabled)
        for name in FEATURES:
            load = partial(importlib.import_module, f"{__package__}.{name}")
            self._load(name, FEATURE, "", load, blocked if name in wanted else frozenset({name}))
        for name in sorted(wanted - set(FEATURES)):
            self.plugins.append(
                Plugin(name, FEATURE, problem=f"there is none; there are {', '.join(FEATURES)}")
            )
        _add_library(folder)
        for point in entry_points(group=hookspecs.PROJECT):
            package = point.dist
            source = f"package {package.name}" if package else "package"
            self._load(point.name, source, package.version if package else "", point.load, blocked)
        for path in _files(folder):
            self._load(path.stem, str(path), "", partial(_import_file, path), blocked)
        self.hooks = Hooks(self._pluggy, self._retire)

    def _load(
        self, name: str, source: str, version: str, load: Callable[[], ModuleType], blocked: frozenset[str]
    ) -> None:
        if name in blocked:
            problem = "not enabled" if source == FEATURE else "disabled by configuration"
            self.plugins.append(Plugin(name, source, version, problem=problem, disabled=True))
            return
        module = None
        before = dict(self._adapters)
        try:
            module = load()
            _check_version(module)
            self._pluggy.register(module, name)
            self._pluggy.check_pending()
            self._register_adapters(module)
        except (Exception, SystemExit) as exc:  # the border to foreign code
            log.warning("plugin left out name=%s source=%s", name, source, exc_info=True)
            if module is not None and self._pluggy.is_registered(module):
                self._pluggy.unregister(module)
            self._adapters.clear()
            self._adapters.update(before)
            problem = " ".join(f"{type(exc).__name__}: {exc}".split())
            self.plugins.append(Plugin(name, source, version, problem=problem))
        else:
            version = version or str(getattr(module, "__version__", ""))
            hooks = tuple(sorted(caller.name for caller in self._pluggy.get_hookcallers(module) or ()))
            new = tuple(sorted(self._adapters.keys() - before.keys()))
            self.plugins.append(Plugin(name, source, version, hooks, adapters=new))

    def _retire(self, name: str, reason: str) -> None:
        """Take a plugin out of service. Its adapters stay: channels depend on them."""
        module = self._pluggy.get_plugin(name)
        if module is None:
            return
        self._pluggy.unregister(module)
        self.plugins = [
            replace(one, problem=reason) if one.name == name and not one.problem else one
            for one in self.plugins
        ]
        self.hooks.refresh()

    def _register_adapters(self, module: ModuleType) -> None:
        others = [plugin for plugin in self._pluggy.get_plugins() if plugin is not module]
        self._pluggy.subset_hook_caller("register_adapters", others)(register=self._register)

    def _register(self, adapter: Adapter) -> None:
        if not isinstance(adapter, Adapter):
            raise ValueError(f"register() takes an Adapter object, not {adapter!r}")
        for attribute in ("name", "title", "endpoints"):
            if not getattr(adapter, attribute, None):
                raise ValueError(f"{type(adapter).__name__} states no {attribute}")
        unknown = adapter.endpoints - _ENDPOINTS
        if unknown:
            raise ValueError(f"{type(adapter).__name__} states unknown endpoints {sorted(unknown)}")
        if adapter.name in self._adapters:
            raise ValueError(f"adapter name {adapter.name!r} is taken")
        self._adapters[adapter.name] = adapter


class _Registry(pluggy.PluginManager):
    """Looks of a module only at functions: pluggy's care with every name takes most of a start's time."""

    def parse_hookimpl_opts(self, plugin: Any, name: str) -> Any:
        if isinstance(plugin, ModuleType) and not isinstance(vars(plugin).get(name), FunctionType):
            return None
        return super().parse_hookimpl_opts(plugin, name)


def _itself(module: ModuleType) -> ModuleType:
    return module


def _check_version(module: ModuleType) -> None:
    wanted = getattr(module, "REQUIRES_API", None)
    if wanted is None:
        return
    have = hookspecs.API_VERSION
    if wanted[0] != have[0] or tuple(wanted) > have:
        raise ImportError(
            f"needs plugin API {'.'.join(map(str, wanted))}, this is {'.'.join(map(str, have))}"
        )


def _add_library(folder: Path | None) -> None:
    """Let packages beside the drop-in files be found, behind everything that is installed."""
    library = folder / "lib" if folder is not None else None
    if library is not None and library.is_dir() and str(library.resolve()) not in sys.path:
        sys.path.append(str(library.resolve()))


def _files(folder: Path | None) -> Iterator[Path]:
    if folder is None or not folder.is_dir():
        return
    if folder.stat().st_mode & 0o022 and sys.platform != "win32":
        log.warning("plugin folder can be written by other users folder=%s", folder)
    yield from sorted(path for path in folder.glob("*.py") if not path.name.startswith("_"))


def _import_file(path: Path) -> ModuleType:
    name = f"canalgate_plugin_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
