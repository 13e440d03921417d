"""Who looks at the console in tests, and a gateway worth looking at: people, things, a month behind it."""

import asyncio
import json
import os
import random
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import support
from canalgate.proxy.ledger.entry import Charge, Counts, Entry, Try

PICTURES = Path(__file__).resolve().parent / "console" / "pictures"
SECRET, PASSWORD, KEY = "the secret of the first start", "correct horse", "the-admin-key-of-the-tests"
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--force-device-scale-factor=1",
]  # fmt: skip


PAGES = {
    "overview": "/", "channels": "/channels", "models": "/models", "tokens": "/tokens", "users": "/users",
    "groups": "/users?tab=groups", "limits": "/users?tab=limits", "codes": "/codes", "logs": "/logs",
    "playground": "/playground", "events": "/settings?tab=events", "audit": "/settings?tab=audit",
    "plugins": "/settings?tab=plugins", "options": "/settings?tab=options", "moving": "/settings?tab=moving",
    "backup": "/settings?tab=backup", "about": "/settings?tab=about",
    "account": "/account", "start": "/start",
}  # fmt: skip
WIDE, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}

SETTLED = """() => document.querySelector('main h1, main [role=tab]')
    && !document.querySelector('main [data-loading]')"""


class Visitor:
    """A browser's profile at a gateway. Errors of scripts and requests to other hosts fail its test."""

    def __init__(self, browser, serving, **options):
        self.base = f"http://127.0.0.1:{serving.port}"
        self.context = browser.new_context(
            base_url=self.base, locale="en-US", timezone_id="Europe/Berlin", reduced_motion="reduce",
            **{"viewport": {"width": 1280, "height": 800}, **options},
        )  # fmt: skip
        self.context.set_default_timeout(8000)
        self.page = self.context.new_page()
        self.errors = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", self._asked)
        self.page.on("console", self._said)

    def _asked(self, request):
        if not request.url.startswith((self.base, "data:", "blob:")):
            self.errors.append(f"asked another host: {request.url}")

    def _said(self, message):
        if "Content Security Policy" in message.text or "TrustedHTML" in message.text:
            self.errors.append(message.text)

    def log_in(self, name="root"):
        """Log in without the form, which one test fills in."""
        answer = self.context.request.post(
            "/api/v1/login",
            data={"name": name, "password": PASSWORD},
            headers={"Origin": self.base},
        )
        assert answer.ok, answer.text()
        return self

    def close(self):
        self.context.close()
        assert not self.errors, self.errors


def ask(serving, path, body=None, method=None):
    """Ask the admin API as its key."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{serving.port}/api/v1{path}",
        None if body is None else json.dumps(body).encode(),
        {"authorization": f"Bearer {KEY}", "content-type": "application/json"},
        method=method,
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            text = answer.read()
    except urllib.error.HTTPError as exc:
        raise AssertionError(exc.read()) from exc
    return json.loads(text) if text else None


CHANNELS = [
    {"type": "demo", "name": "Demo Frankfurt", "models": ["demo", "demo-reasoning"], "priority": 10},
    {"type": "openai", "name": "OpenAI", "models": ["gpt-4o", "gpt-4o-mini"], "key": "sk-abcdefghijklmnop",
     "base_url": "http://127.0.0.1:9/v1", "weight": 3},
    {"type": "deepseek", "name": "DeepSeek", "models": ["deepseek-chat", "deepseek-reasoner"],
     "key": "sk-1234567890abcd", "base_url": "http://127.0.0.1:9"},
    {"type": "openai", "name": "Local vLLM", "models": ["qwen3-32b", "gpt-4o"], "key": "none",
     "base_url": "http://127.0.0.1:9/v1", "mapping": {"gpt-4o": "qwen3-32b"}, "status": "disabled"},
]  # fmt: skip


class Bank(BaseHTTPRequestHandler):
    """A DeepSeek that knows what is left, and serves nobody."""

    left = ({"currency": "CNY", "total_balance": "1110.25"}, {"currency": "USD", "total_balance": "-0.50"})

    def do_GET(self):
        self._say(200, {"is_available": True, "balance_infos": self.left})

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self._say(503, {"error": {"message": "out of order"}})

    def log_message(self, *_):
        pass

    def _say(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def bank():
    """Run one on loopback; yields its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Bank)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def settle(serving, bank_url):
    """Make the gateway's people and things."""
    serving.ask("/api/v1/setup", {"secret": SECRET, "password": PASSWORD})
    for channel in CHANNELS:
        made = channel if channel["type"] != "deepseek" else {**channel, "base_url": bank_url}
        ask(serving, "/channels", made)
    ask(serving, "/users", {"name": "anna", "password": PASSWORD, "quota": 12_500_000})
    ask(serving, "/users", {"name": "boris", "group": "vip", "quota": None})
    ask(serving, "/groups/vip", {"ratio": "0.8"}, "PUT")
    for name, user_id in (("website", 1), ("fastgpt", 2), ("nightly batch", 2)):
        ask(serving, "/tokens", {"name": name, "user_id": user_id, "quota": 5_000_000})
    ask(serving, "/codes", {"quota": 500_000, "count": 3, "name": "spring"})
    ask(serving, "/limits/user:*", {"requests_per_minute": 60, "day_budget": 5_000_000}, "PUT")
    ask(serving, "/prices/demo", {"prompt": "0.5", "completion": "1.5"}, "PUT")
    ask(serving, "/models/smart/route", {"mode": "cheapest", "fallbacks": ["gpt-4o", "demo"]}, "PUT")
    made = ask(serving, "/tokens", {"name": "app", "user_id": 1})
    for model in ("demo", "demo-reasoning", "demo", "gpt-4o", "deepseek-chat"):
        serving.chat(made["key"], model)


MODELS = [("demo", 1), ("gpt-4o", 2), ("gpt-4o-mini", 2), ("deepseek-chat", 3), ("demo-reasoning", 1)]


def past_of(serving, number=700):
    """Give a gateway requests of the last month, beside those it has served."""
    rng, now_ms = random.Random(8), int(time.time() * 1000)
    keep(serving, [past(rng, now_ms, serial) for serial in range(number)])


def keep(serving, entries):
    """Write entries into a running gateway's log; in a thread, as Playwright's loop runs in this one."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, _keep(serving.out.parent / "data", entries)).result()


async def _keep(data_dir, entries):
    async with support.opened_store(data_dir) as store:
        await store.requests.prepare(entries)
        async with store.database.transaction() as transaction:
            await store.requests.write(transaction, entries)
        await store.requests.fold()


def past(rng, now_ms, serial):
    """One request; most are of the last day."""
    at_ms = now_ms - int(rng.random() ** 3 * 30 * 86_400_000) - 60_000
    model, channel_id = rng.choices(MODELS, [6, 4, 3, 3, 1])[0]
    failed = rng.random() < 0.04
    counts = Counts(rng.randint(20, 4000), 0 if failed else rng.randint(5, 900), rng.randint(0, 20))
    first_ms = rng.randint(150, 900)
    cost = 0 if failed else counts.prompt_tokens * 2 + counts.completion_tokens * 5
    user_id = rng.choice([1, 2, 2])
    tries = (Try(channel_id, "rate", 120), Try(channel_id, "ok", 900)) if rng.random() < 0.1 else ()
    return Entry(
        f"{at_ms:012x}{serial:012x}", at_ms, user_id, rng.choice([2, 3, 4]), "default", channel_id,
        "chat/completions", model, model, True, 502 if failed else 200, counts, "provider", cost, cost,
        "table",
        None if failed else first_ms, first_ms + rng.randint(50, 6000), 2 if tries else 1, "203.0.113.7",
        "upstream_error" if failed else "", "the provider answered 500" if failed else "",
        charges=(Charge(f"user:{user_id}", cost),), tries=tries,
        queue_ms=first_ms // 3 if model == "gpt-4o-mini" else 0,
    )  # fmt: skip


def go(page, path):
    """Go to a page as a link does, and wait until all of it is there."""
    page.evaluate(
        "to => { history.pushState(null, '', `/console${to}`); dispatchEvent(new Event('popstate')) }",
        path,
    )
    page.wait_for_function(SETTLED)


def enter(visit, settled, language="en", theme="light", size=WIDE, name="root"):
    """Return the page of somebody who has logged in and chosen how it looks."""
    visitor = visit(settled, viewport=size).log_in(name)
    visitor.context.add_init_script(
        f"localStorage['canalgate.language'] = '{language}'; localStorage['canalgate.theme'] = '{theme}'"
    )
    visitor.page.goto("/console/")
    visitor.page.wait_for_function(SETTLED)
    return visitor.page


def picture(page, name, **options):
    """Keep what a page looks like, where `make pictures` asks: those of docs/console.md are among them."""
    if "TEST_PICTURES" not in os.environ:
        return
    PICTURES.mkdir(exist_ok=True)
    page.screenshot(path=PICTURES / f"{name}.png", **options)
