"""Other AI gateways, as their registries serve them: LiteLLM's proxy, Ferro Labs' gateway, Portkey's.

They are installed on request only (`--peers`), into the cache folder and never into the repository, and
run as their documentation says for production, without a database, one process each.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from canalgate.bench.cells import models
from canalgate.bench.gateway import Gateway, Site, Target
from canalgate.bench.machine import CACHE, GATEWAY_CORE, Process, find, free_port

_LITELLM = CACHE / "litellm"
_FERROGW = CACHE / "ferrogw"
_PORTKEY = CACHE / "portkey"
_PORTKEY_MAIN = _PORTKEY / "node_modules/@portkey-ai/gateway/build/start-server.js"

# Portkey 1.15 changes headers of fetch's answers, which Node 20 forbids, and every stream fails; an answer
# wrapped once can be changed.
_PORTKEY_MEND = (
    "data:text/javascript,const f=globalThis.fetch;"
    "globalThis.fetch=async(...a)=>{const r=await f(...a);return new Response(r.body,r)}"
)


def install() -> None:
    """Install what is not there yet. What cannot be installed is left out with a line."""
    for folder, package in ((_LITELLM, "litellm[proxy]"), (_FERROGW, "ferrogw")):
        if not (folder / "installed").exists():
            _try([sys.executable, "-m", "venv", folder])
            if _try([folder / "bin/pip", "install", "-q", "--disable-pip-version-check", package]):
                (folder / "installed").touch()
    if find("npm") and not _PORTKEY_MAIN.exists():
        _PORTKEY.mkdir(parents=True, exist_ok=True)
        _try(
            [
                "npm",
                "install",
                "--silent",
                "--no-fund",
                "--no-audit",
                "--prefix",
                _PORTKEY,
                "@portkey-ai/gateway",
            ]
        )


def _try(command: Sequence[object]) -> bool:
    result = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    if result.returncode:
        tail = (result.stderr or result.stdout).strip().splitlines()[-1:] or ["no output"]
        print(f"not installed: {' '.join(map(str, command[-1:]))}: {tail[0]}", file=sys.stderr)
    return result.returncode == 0


@contextmanager
def litellm(site: Site) -> Iterator[Gateway]:
    """LiteLLM's proxy: one worker, no database, production mode."""
    port = free_port()
    served = [
        {
            "model_name": name,
            "litellm_params": {
                "model": f"openai/{name}",
                "api_base": f"http://127.0.0.1:{site.port}/v1",
                "api_key": "sk-provider",
            },
        }
        for name in models(tls=False)
    ]
    config = site.folder / f"litellm-{port}.yaml"
    config.write_text(
        json.dumps({"model_list": served, "litellm_settings": {"request_timeout": 600}}), "utf-8"
    )
    environment = {
        "LITELLM_MODE": "PRODUCTION",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # or it asks the outside for prices
        "LITELLM_MASTER_KEY": "sk-client",
        "LITELLM_LOG": "ERROR",
    }
    command = [_LITELLM / "bin/litellm", "--config", config, "--host", "127.0.0.1", "--port", str(port)]
    with Process(
        [*command, "--num_workers", "1"], GATEWAY_CORE, site.log("litellm"), None, environment
    ) as process:
        process.wait_for_port(port, 120)
        yield Gateway("LiteLLM", process, port, exact=False, slowness=40)


@contextmanager
def ferrogw(site: Site) -> Iterator[Gateway]:
    """Ferro Labs' gateway, written in Go."""
    port = free_port()
    config = site.folder / f"ferrogw-{port}.yaml"
    target = {"virtual_key": "openai", "models": models(tls=False)}
    config.write_text(json.dumps({"strategy": {"mode": "single"}, "targets": [target]}), "utf-8")
    environment = {
        "GATEWAY_CONFIG": str(config),
        "PORT": str(port),
        "OPENAI_API_KEY": "sk-provider",
        "OPENAI_BASE_URL": f"http://127.0.0.1:{site.port}/v1",
        "ALLOW_UNAUTHENTICATED_PROXY": "true",
        "FERRO_MODEL_CATALOG_URL": "http://127.0.0.1:9/",  # or it asks the outside for its list
        "RATE_LIMIT_RPS": "1000000",  # its default is less than is asked here
        "RATE_LIMIT_BURST": "1000000",
        "LOG_LEVEL": "error",
        "GOMAXPROCS": "1",
    }
    command = [_FERROGW / "bin/ferrogw", "serve"]
    with Process(command, GATEWAY_CORE, site.log("ferrogw"), None, environment) as process:
        process.wait_for_port(port)
        yield Gateway("ferrogw", process, port, exact=False, slowness=2)


@contextmanager
def portkey(site: Site) -> Iterator[Gateway]:
    """Portkey's gateway, on Node."""
    port = free_port()
    command = ["node", "--import", _PORTKEY_MEND, _PORTKEY_MAIN, f"--port={port}", "--headless"]
    fields = (
        "Authorization: Bearer sk-provider",
        "x-portkey-provider: openai",
        f"x-portkey-custom-host: http://127.0.0.1:{site.port}/v1",
    )
    environment = {"NODE_ENV": "production"}
    with Process(command, GATEWAY_CORE, site.log("portkey"), None, environment) as process:
        process.wait_for_port(port)
        yield Gateway("Portkey", process, port, fields=fields, exact=False, slowness=8)


def _needs(path: Path) -> Callable[[], str]:
    return lambda: "" if os.access(path, os.R_OK) else "is not installed (make bench-peers)"


PEERS = (
    Target("LiteLLM", litellm, _needs(_LITELLM / "installed")),
    Target("ferrogw", ferrogw, _needs(_FERROGW / "installed")),
    Target("Portkey", portkey, _needs(_PORTKEY_MAIN)),
)
