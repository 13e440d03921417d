"""Imports go downwards: plugins know nobody, adapters know plugins' public names, proxy has floors."""

import ast
from functools import cache
from pathlib import Path

import pytest
from canalgate import plugins
from canalgate.plugins import manager

ROOT = Path(__file__).resolve().parents[2]

FLOORS = {
    # Values and small tools.
    "errors": 0, "money": 0, "headers": 0, "records": 0, "tasks": 0, "multipart": 0, "tail": 0,
    "config": 1, "vault": 1, "snapshot": 4, "answer": 1, "inbound": 1, "endpoints": 1,
    "chain": 1, "events": 1, "heartbeats": 6, "numbered": 0, "kept": 2,
# Money: what a request used and cost, and what may be spent.
    "ledger": 0, "ledger.entry": 0, "ledger.book": 1, "ledger.journal": 0, "ledger.importer": 8,
    "ledger.ledger": 9, "ledger.upkeep": 8,
    "pricing": 1, "limits": 1, "receipts": 2, "account_pages": 5, "bill": 10,
    "prices": 0, "prices.table": 2, "prices.amounts": 2, "prices.one_api": 2, "prices.book": 3,
    "metering.audio": 0, "metering.pictures": 0, "metering.text": 0, "metering.tokenizer": 0,
    "metering.stream": 1, "metering.estimate": 2, "metering.report": 2, "metering.local": 3,
    "metering.measure": 4, "metering": 5,
    # Decisions and input and output, each on its own.
    "logs": 2, "auth": 2, "routing": 6, "health": 5, "transfer": 2, "asked": 2, "upstream.connection": 2,
    # The store: the databases, what they have in common, statements by area.
    "store.database": 0, "store.upsert": 0, "store.changes": 1, "store.migrate": 1, "store.address": 1,
    "store.named": 1, "store.sqlite": 2, "store.server": 1, "store.mysql": 2, "store.postgres": 2,
    "store.copies": 1, "store.store": 5, "store.open": 6, "store.source": 3, "store.imports": 4,
    "store.request_rows": 1, "store.months": 2, "store.rollups": 2, "store.requests": 3,
    "store.idempotency": 2, "store.accounts": 3, "store.codes": 4, "store.gifts": 4, "store.audit": 6,
    "store.prices": 2, "store.limits": 2, "store.routes": 2, "store.faults": 2, "store.events": 2,
    "store": 7, "upstream.pool": 3, "pages": 5, "playback": 3,
    "upstream.whole": 4, "live": 8, "access_log": 5,
    "upstream": 5, "credentials": 6, "upload": 6, "batches": 6,
    # The conformance kit.
    "conformance.outcome": 0, "conformance.splits": 0, "conformance.report": 0, "conformance.shape": 0,
    "conformance.cases": 1, "conformance.responses": 1, "conformance.compose": 2, "conformance.replay": 2,
    "conformance.compare": 3, "conformance.traffic": 3, "conformance.mishaps": 3, "conformance.mutations": 3,
    "conformance.find": 3, "conformance.subject": 3, "conformance": 4,
    "conformance.answers": 4, "conformance.requests": 4, "conformance.contract": 4, "conformance.local": 4,
    "conformance.failures": 5, "conformance.rough": 5, "conformance.endurance": 5, "conformance.kit": 6,
    "conformance.loopback": 6,
    # Moving in from other gateways.
    "importers.values": 1, "importers.types": 1, "importers.special": 1, "importers.litellm_providers": 2,
    "importers.plan": 5, "importers.one_api_prices": 6, "importers.one_api_channels": 6,
    "importers.report": 6, "importers.one_api": 9, "importers.ai_proxy": 9, "importers.litellm": 9,
    "importers.review": 11, "importers.apply": 12, "importers.history": 9,
    "importers.verify": 12, "importers": 13,
    # A request, the server, the process.
    "manage": 0, "manage.refused": 8, "manage.channels": 9, "manage.models": 9, "explain": 7,
    "admin": 0, "admin.desk": 15, "admin.site": 23,
    "replays": 8, "alarms": 8, "attempts": 11, "relay": 12, "probe": 13, "checkups": 14,
    "exchange": 13, "rejoin": 13,
    "lanes.fast": 24, "lanes.full": 24, "lanes": 25,
    "front": 26,
    "host": 30, "backup": 11, "doctor": 31,
    # What people type.
    "cli.command": 40, "cli.output": 40, "cli.amounts": 40, "cli.progress": 40,
    "cli.plugins": 41, "cli.channel": 41, "cli.check": 41, "cli.conformance": 41, "cli.serve": 41,
    "cli.token": 41, "cli.user": 41, "cli.named": 40, "cli.log": 41, "cli.usage": 41,
    "cli.model": 41, "cli.route": 41, "cli.moving": 41,
    "cli.price": 41, "cli.group": 41, "cli.limit": 41, "cli.code": 41, "cli.ledger": 41,
    "cli.doctor": 41, "cli.backup": 41, "cli.completion": 41, "cli.overview": 41,
    "cli": 42,
}  # fmt: skip
"""Floor of each module of proxy. A module imports only from floors below its own."""

ADAPTER_FLOORS = {
    "parts": 0, "parts.waits": 0,
    "sse": 1, "failures": 1, "fields": 1, "parts.usage": 1, "parts.rerank": 1, "parts.tidy": 1,
    "parts.eventstream": 1, "parts.reasoning": 1, "parts.settings": 1, "parts.sigv4": 1, "parts.tc3": 1,
    "chat": 2, "ndjson": 2, "parts.rewrite": 2, "parts.tidystream": 2, "parts.claude": 2,
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


def test_every_module_of_proxy_has_a_floor_and_every_floor_a_module():
    assert set(PROXY) == set(FLOORS)


@pytest.mark.parametrize("name", PROXY)
def test_a_module_of_proxy_imports_only_from_floors_below(name):
    upwards = {other for other in ours(f"proxy.{name}", "proxy") if FLOORS[other] >= FLOORS.get(name, 0)}
    assert not upwards


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
