"""Imports go downwards: plugins know nobody, adapters know plugins' public names, proxy has areas."""

import ast
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from canalgate import plugins
from canalgate.plugins import manager

ROOT = Path(__file__).resolve().parents[2]

AREAS = {
    "values": "disk errors records tasks config settings other_names logs auth wire wire.* keys keys.*"
    " process process.systemd process.handover process.signals billing billing.money billing.pricing"
    " billing.limits billing.receipts relaying relaying.tail relaying.whole relaying.packed relaying.chain"
    " relaying.events relaying.numbered relaying.passing ledger ledger.entry ledger.book ledger.journal"
    " prices prices.* metering metering.*",
    "choice": "routing routing.*",
    "store": "store store.*",
    "parts": "live access_log alarms watchers credentials upstream upstream.* ledger.* wire.pages"
    " billing.account_pages relaying.transfer relaying.playback relaying.upload relaying.batches"
    " relaying.bodies relaying.replays relaying.heartbeats relaying.kept lanes.body",
    "management": "manage manage.* importers importers.* blueprint blueprint.* process.backup",
    "requests": "billing.bill relaying.*",
    "admin": "admin admin.*",
    "server": "lanes lanes.* front host process.doctor",
    "conformance": "conformance conformance.*",
    "commands": "cli cli.*",
}
"""The areas of proxy, lowest first, and the modules of each. A module imports only from its own area and from
those below; nowhere do imports go in a circle."""

ADAPTER_FLOORS = {
    "parts": 0, "parts.waits": 0,
    "sse": 1, "failures": 1, "fields": 1, "parts.usage": 1, "parts.rerank": 1, "parts.tidy": 1,
    "parts.eventstream": 1, "parts.reasoning": 1, "parts.settings": 1, "parts.sigv4": 1, "parts.tc3": 1,
    "chat": 2, "ndjson": 2, "parts.balance": 2, "parts.rewrite": 2, "parts.tidystream": 2, "parts.claude": 2,
    "openai": 3, "demo": 3, "collect": 3, "parts.blocks": 3, "parts.tools": 3,
    "foreign": 4,
    # A provider: what its adapter is made of, the adapter, and the package's face.
    "azure.filter": 4, "zhipu.bigmodel": 4, "wenxin.models": 4, "presets.preset": 4,
    "anthropic.request": 5, "bedrock.request": 5, "gemini.errors": 5, "gemini.request": 5, "wenxin.chat": 5,
    "presets.hosts": 5, "presets.china": 5, "presets.servers": 5,
    "anthropic": 7, "azure": 7, "bedrock": 7, "gemini": 7, "presets": 7, "wenxin": 7, "zhipu": 7,
}  # fmt: skip
"""Floor of each adapter; one that is not named is of floor 6."""

IMPURE = {"asyncio", "aiohttp", "socket", "time", "random", "os", "logging"}

ONLY_IN = {
    "aiohttp": {
        "proxy/admin/",
        "proxy/lanes/full.py",
        "proxy/front.py",
        "proxy/host.py",
        "plugins/prometheus.py",
        "plugins/hooks.py",
        "plugins/hookspecs.py",  # for types alone
    },
    "canalgate.adapters": {"proxy/host.py", "proxy/conformance/find.py", "proxy/conformance/subject.py"},
}


def modules(package):
    """Every module of a package as a dotted name below it."""
    for path in sorted((ROOT / package).rglob("*.py")):
        yield ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@cache
def imports(module):
    """Pairs (module, name) that a module imports; `name` is empty for `import module`."""
    path = ROOT / Path(*module.split("."))
    is_package = path.is_dir()
    path = path / "__init__.py" if is_package else path.with_suffix(".py")
    parts = ["canalgate", *module.split(".")]
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {(alias.name, "") for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = parts[: len(parts) - node.level + is_package] if node.level else []
            source = ".".join([*base, *filter(None, [node.module])])
            for alias in node.names:
                below = f"{source}.{alias.name}"
                is_module = below.startswith("canalgate.") and exists(below.removeprefix("canalgate."))
                found.add((below, "") if is_module else (source, alias.name))
    return found


def exists(module):
    path = ROOT / Path(*module.split("."))
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


def targets(module):
    return {source for source, _ in imports(module)}


def ours(module, package):
    """What a module imports of one of our packages, without the package's name."""
    start = f"canalgate.{package}."
    return {source.removeprefix(start) for source in targets(module) if source.startswith(start)}


PROXY = [name.removeprefix("proxy.") for name in modules("proxy") if name != "proxy"]
ADAPTERS = [name.removeprefix("adapters.") for name in modules("adapters") if name != "adapters"]
EVERYTHING = [*modules("plugins"), *modules("adapters"), *modules("proxy")]


def area_of(name):
    """Where a module belongs: the number of its area, that of its own name before that of a pattern."""
    named = {word: number for number, words in enumerate(AREAS.values()) for word in words.split()}
    return named.get(
        name, named.get(f"{name.rpartition('.')[0]}.*", named.get(f"{name.partition('.')[0]}.*"))
    )


def test_every_module_of_proxy_has_an_area_and_every_name_in_one_is_a_module():
    assert [name for name in PROXY if area_of(name) is None] == []
    words = {word for words in AREAS.values() for word in words.split() if not word.endswith("*")}
    assert words <= set(PROXY)


@pytest.mark.parametrize("name", PROXY)
def test_a_module_of_proxy_imports_only_from_its_area_and_those_below(name):
    assert {other for other in ours(f"proxy.{name}", "proxy") if area_of(other) > area_of(name)} == set()


def test_imports_never_go_in_a_circle():
    graph = {name: ours(f"proxy.{name}", "proxy") - {name} for name in PROXY}
    TopologicalSorter(graph).prepare()


@pytest.mark.parametrize("module", list(modules("plugins")))
def test_plugins_import_neither_adapters_nor_proxy(module):
    assert not [source for source in targets(module) if source.startswith("canalgate")
                and not source.startswith("canalgate.plugins")]  # fmt: skip


FEATURES = [name for name in manager.FEATURES if exists(f"plugins.{name}")]


@pytest.mark.parametrize("name", FEATURES)
def test_a_feature_plugin_takes_only_public_names_and_modules_of_its_own(name):
    """A module of its own is one that nobody but a feature imports, and that imports nothing of ours."""
    ours = {(source, alias) for source, alias in imports(f"plugins.{name}") if source.startswith("canalgate")}
    others = {source.removeprefix("canalgate.") for source, _ in ours} - {"plugins"}
    assert {alias for source, alias in ours if source == "canalgate.plugins"} <= set(plugins.__all__)
    for other in others:
        assert not [source for source in targets(other) if source.startswith("canalgate")]
        users = {module for module in EVERYTHING if f"canalgate.{other}" in targets(module)}
        assert users <= {f"plugins.{feature}" for feature in FEATURES}


@pytest.mark.parametrize("name", ADAPTERS)
def test_an_adapter_imports_of_the_package_only_plugins_and_adapters(name):
    used = {source for source in targets(f"adapters.{name}") if source.startswith("canalgate")}
    allowed = ("canalgate.adapters.",)
    assert not {source for source in used - {"canalgate.plugins"} if not source.startswith(allowed)}


@pytest.mark.parametrize("name", ADAPTERS)
def test_an_adapter_takes_only_public_names_of_plugins(name):
    taken = {alias for source, alias in imports(f"adapters.{name}") if source == "canalgate.plugins"}
    assert taken <= set(plugins.__all__)


@pytest.mark.parametrize("name", ADAPTERS)
def test_an_adapter_imports_only_adapters_below(name):
    own = ADAPTER_FLOORS.get(name, 6)
    assert not [o for o in ours(f"adapters.{name}", "adapters") if ADAPTER_FLOORS.get(o, 6) >= own]


@pytest.mark.parametrize("name", ADAPTERS)
def test_an_adapter_makes_no_input_or_output(name):
    assert not {source.partition(".")[0] for source in targets(f"adapters.{name}")} & IMPURE


@pytest.mark.parametrize("wanted", sorted(ONLY_IN))
def test_what_few_may_import_nobody_else_does(wanted):
    users = {
        path_of(module)
        for module in EVERYTHING
        for source in targets(module)
        if source == wanted or source.startswith(f"{wanted}.")
        if not (wanted == "canalgate.adapters" and module.startswith("adapters"))
    }
    assert not {user for user in users if not user.startswith(tuple(ONLY_IN[wanted]))}


def path_of(module):
    path = Path(*module.split("."))
    return f"{path}/__init__.py" if (ROOT / path).is_dir() else f"{path}.py"
