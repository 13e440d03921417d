"""Whatever providers, users or logs say is text: 60 payloads in every string that is shown, and none runs."""

import time

import pytest
import visitors
from canalgate.proxy.ledger.entry import Counts, Entry
from playwright.sync_api import expect
from visitors import PAGES, enter, go

RUN = "window.pwned=1"
PAYLOADS = [
    f"<script>{RUN}</script>",
    f"<ScRiPt>{RUN}</sCrIpT>",
    f"<script src=data:,{RUN}></script>",
    f"</script><script>{RUN}</script>",
    f"<img src=x onerror={RUN}>",
    f'"><img src=x onerror={RUN}>',
    f"'><img src=x onerror={RUN}>",
    f"<img src=x onerror='{RUN}'//",
    f"<svg onload={RUN}>",
    f"<svg/onload={RUN}//",
    f"<svg><script>{RUN}</script></svg>",
    f"<svg><animate onbegin={RUN} attributeName=x>",
    f"<body onload={RUN}>",
    f"<iframe src=javascript:{RUN}>",
    f"<iframe srcdoc='<script>top.{RUN}</script>'>",
    f"<object data=javascript:{RUN}>",
    f"<embed src=javascript:{RUN}>",
    f"<a href=javascript:{RUN}>x</a>",
    f"javascript:{RUN}",
    f"JaVaScRiPt:{RUN}",
    f"java\tscript:{RUN}",
    f"data:text/html,<script>{RUN}</script>",
    f"<math><mi xlink:href=javascript:{RUN}>",
    f"<form action=javascript:{RUN}><button>x",
    f"<input onfocus={RUN} autofocus>",
    f"<select onfocus={RUN} autofocus>",
    f"<textarea onfocus={RUN} autofocus>",
    f"<keygen onfocus={RUN} autofocus>",
    f"<video><source onerror={RUN}>",
    f"<audio src=x onerror={RUN}>",
    f"<details open ontoggle={RUN}>",
    f"<marquee onstart={RUN}>",
    f"<meta http-equiv=refresh content=0;url=javascript:{RUN}>",
    f"<base href=javascript:{RUN}//>",
    f"<link rel=stylesheet href=data:,*{{x:expression({RUN})}}>",
    f"<style>@import 'javascript:{RUN}'</style>",
    f"<div style=background:url(javascript:{RUN})>",
    f"<div onpointerover={RUN}>x</div>",
    f"<x onclick={RUN} tabindex=1 autofocus>",
    f"{{{{constructor.constructor('{RUN}')()}}}}",
    f"${{{RUN}}}",
    f"#{{{RUN}}}",
    f"{{@html '<img src=x onerror={RUN}>'}}",
    f"<%= {RUN} %>",
    f"`;{RUN};//",
    f"';{RUN};//",
    f'";{RUN};//',
    f'\\";{RUN};//',
    f"&lt;img src=x onerror={RUN}&gt;",
    f"&#60;img src=x onerror={RUN}&#62;",
    f"%3Cimg%20src=x%20onerror={RUN}%3E",
    f"\\u003cimg src=x onerror={RUN}\\u003e",
    f"[x](javascript:{RUN})",
    f'![x](x"onerror="{RUN})',
    f"<!--><img src=x onerror={RUN}>-->",
    f"<![CDATA[<img src=x onerror={RUN}>]]>",
    f"<noscript><p title='</noscript><img src=x onerror={RUN}>'>",
    f"<template><img src=x onerror={RUN}></template>",
    f"<isindex action=javascript:{RUN} type=image>",
    f"\u2028<img src=x onerror={RUN}>\u202e",
]


PRINTABLE = ["".join(filter(str.isprintable, text)) for text in PAYLOADS]
"""As far as names may have them; the log may have them all."""


@pytest.fixture(scope="module")
def poisoned(spoilt):
    """The gateway with a payload in every string: of channels, models, people, tokens, requests."""
    for start in range(0, len(PRINTABLE), 6):
        some = PRINTABLE[start : start + 6]
        visitors.ask(spoilt, "/channels", {
            "type": "demo", "name": some[0], "models": some, "groups": ["default", *some[1:3]],
            "mapping": {some[3]: some[4]}, "priority": -5,
        })  # fmt: skip
    for number, payload in enumerate(PRINTABLE):
        visitors.ask(spoilt, "/tokens", {"name": payload, "user_id": 1, "models": [payload]})
        if number % 4 == 0:
            visitors.ask(spoilt, "/users", {"name": f"{payload}{number}", "group": payload})
            visitors.ask(spoilt, "/codes", {"quota": 1, "name": payload})
    visitors.keep(spoilt, poisoned_entries())
    return spoilt


def poisoned_entries():
    """Requests of which every text is a payload."""
    now_ms = int(time.time() * 1000)
    return [
        Entry(
            f"{now_ms:012x}{number:012x}", now_ms, 1, 2, text[:60], 1, text[:60], text, text, True, 500,
            Counts(5, 5), "provider", 1, 1, text, 5, 9, 1, text[:40], text[:60], text, text[:40], (text,),
        )
        for number, text in enumerate(PAYLOADS)
    ]  # fmt: skip


def test_there_are_sixty():
    assert len(set(PAYLOADS)) == 60


def test_no_payload_runs_on_any_page(visit, poisoned):
    page = enter(visit, poisoned)
    asked = []
    page.on("dialog", lambda dialog: (asked.append(dialog.message), dialog.dismiss()))
    for path in PAGES.values():
        go(page, path)
    for path, role, name in (
        ("/logs", "link", None),
        ("/models?search=script", "button", "Open"),
        ("/channels?search=script", "button", "Edit"),
        ("/tokens?search=onerror", "button", "Edit"),
        ("/users?search=onerror", "button", "Edit"),
    ):
        go(page, path)
        rows = page.locator("tbody tr")
        expect(rows.first).to_be_visible()
        found = rows.get_by_role(role, name=name) if name else rows.get_by_role(role)
        for at in range(min(found.count(), 4)):
            found.nth(at).click()
            expect(page.get_by_role("dialog").locator("[data-loading]")).to_have_count(0)
            page.keyboard.press("Escape")
            expect(page.get_by_role("dialog")).to_have_count(0)
    assert (page.evaluate("window.pwned"), asked) == (None, [])
    assert page.locator("main script, main iframe, main object, main embed, main marquee").count() == 0


def test_no_payload_runs_as_the_name_of_who_was_invited(visit, poisoned):
    visitors.ask(poisoned, "/options/users.sign_up", {"value": "invited"}, "PUT")
    visitors.ask(poisoned, "/options/quota.inviter", {"value": "1usd"}, "PUT")
    page = enter(visit, poisoned, name="anna")
    code = page.context.request.get("/api/v1/me/invitation").json()["code"]
    for payload in (PRINTABLE[4], PRINTABLE[8]):
        body = {"name": payload, "password": visitors.PASSWORD, "invitation": code}
        address = f"http://127.0.0.1:{poisoned.port}"
        answer = visit(poisoned).context.request.post(
            "/api/v1/sign-up", data=body, headers={"Origin": address}
        )
        assert answer.ok, answer.text()
    go(page, "/account")
    expect(page.get_by_text(f"has invited {PRINTABLE[8]}")).to_be_visible()
    assert page.evaluate("window.pwned") is None
    assert page.locator("main script, main img").count() == 0


def test_no_payload_runs_that_a_model_says(visit, poisoned):
    page = enter(visit, poisoned)
    go(page, "/playground")
    page.get_by_role("button", name="Make one for this tab").click()
    model = page.get_by_label("Model", exact=True)
    expect(model).to_be_enabled()
    model.select_option("demo")
    page.get_by_label("Message").fill(" ".join(PAYLOADS))
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("log").get_by_text("first token")).to_be_visible(timeout=20_000)
    assert page.evaluate("window.pwned") is None
    assert page.get_by_role("log").locator("img, script, iframe, svg").count() == 0
