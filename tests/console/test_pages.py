"""Every page in both languages, both themes and at a phone's width: whole, readable, accessible."""

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import expect
from visitors import PAGES, PHONE, SETTLED, WIDE, enter, go, picture

ROOT = Path(__file__).resolve().parents[2]
AXE = ROOT / "console" / "node_modules" / "axe-core" / "axe.min.js"
LOOKS = [("en", "light", WIDE), ("zh", "dark", WIDE), ("zh", "light", PHONE), ("en", "dark", PHONE)]
FIRST_LOAD_BYTES = 300_000
TEXTS = json.loads((ROOT / "console" / "src" / "locales" / "en.json").read_text("utf-8"))


def axe(page):
    """Return what keeps people from using a page: serious and critical findings, each with where it is."""
    if not page.evaluate("typeof axe === 'object'"):
        page.evaluate(AXE.read_text("utf-8"))
    found = page.evaluate("axe.run({ resultTypes: ['violations'] })")
    return [
        (one["id"], one["nodes"][0]["target"], one["nodes"][0].get("failureSummary"))
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
    ]


def faults(page, language):
    """Return what is wrong with how a page looks."""
    text = page.locator("body").inner_text()
    found = [f"text without translation: {word}" for word in text.split() if word in TEXTS]
    if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
        found.append("wider than the window")
    if page.evaluate("document.documentElement.lang") != {"en": "en", "zh": "zh-CN"}[language]:
        found.append("in another language")
    if page.get_by_role("alert").count():
        found.append(page.get_by_role("alert").first.inner_text())
    return found


@pytest.mark.parametrize(("language", "theme", "size"), LOOKS)
def test_every_page_is_whole_in_every_look(visit, settled, language, theme, size):
    page = enter(visit, settled, language, theme, size)
    found = {}
    for name, path in PAGES.items():
        go(page, path)
        picture(page, f"{name}-{language}-{theme}-{size['width']}", full_page=True)
        wrong = faults(page, language) + (axe(page) if language == "en" else [])
        if wrong:
            found[name] = wrong
    assert found == {}


DIALOGS = {
    "channel": ("/channels", "button", "Demo Frankfurt"),
    "channel-new": ("/channels", "button", "New channel"),
    "channel-test": ("/channels", "button", "Test channels"),
    "model": ("/models?search=demo", "button", "Open"),
    "token": ("/tokens", "button", "New token"),
    "user": ("/users?search=anna", "button", "Edit"),
    "limit": ("/users?tab=limits", "button", "New limit"),
    "codes": ("/codes", "button", "New codes"),
    "request": ("/logs?model=gpt-4o-mini&failed=false", "link", re.compile(r"\d:\d\d:\d\d")),
    "delete": ("/tokens?search=website", "button", "Delete"),
}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_dialog_is_accessible_and_escape_closes_it(visit, settled, theme):
    page = enter(visit, settled, theme=theme)
    found = {}
    for name, (path, role, label) in DIALOGS.items():
        go(page, path)
        page.get_by_role(role, name=label).first.click()
        dialog = page.get_by_role("dialog")
        expect(dialog).to_be_visible()
        expect(dialog.locator("[data-loading]"), name).to_have_count(0)
        picture(page, f"dialog-{name}-{theme}")
        if wrong := axe(page) + faults(page, "en"):
            found[name] = wrong
        page.keyboard.press("Escape")
        expect(dialog).to_have_count(0)
    assert found == {}


@pytest.mark.parametrize(("language", "queue"), [("en", "Queue"), ("zh", "排队")])
def test_the_time_line_draws_how_long_a_request_waited_for_a_place(visit, settled, language, queue):
    page = enter(visit, settled, language, size=PHONE)
    for model, is_drawn in (("gpt-4o-mini", True), ("gpt-4o", False)):
        go(page, f"/logs?model={model}&failed=false")
        page.get_by_role("link", name=re.compile(r"\d:\d\d:\d\d")).first.click()
        line = page.get_by_role("dialog").locator(".line")
        expect(line.locator("i.queue")).to_have_count(int(is_drawn))
        words = page.get_by_role("dialog").locator(".words").inner_text()
        assert (queue in words) is is_drawn, words
        drawn = line.evaluate("line => [...line.children].reduce((sum, one) => sum + one.offsetWidth, 0)")
        assert drawn == pytest.approx(line.evaluate("line => line.clientWidth"), abs=2)
        picture(page, f"time-line-{model}-{language}")
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_have_count(0)
        go(page, "/")  # or the rows of the last filter are there until those of the next are


@pytest.mark.parametrize(
    ("language", "size", "left", "debt"),
    [("en", WIDE, "¥1,110.25", "-$0.50"), ("zh", PHONE, "¥1,110.25", "-$0.50")],
)
def test_a_provider_says_what_is_left_when_asked(visit, settled, language, size, left, debt):
    page = enter(visit, settled, language, size=size)
    go(page, "/channels")
    row = page.get_by_role("row").filter(has_text="DeepSeek")
    row.get_by_role("button", name=re.compile("Ask what is left|查询余额")).click()
    expect(row).to_contain_text(left)
    expect(row.locator(".holding .bad")).to_have_text(debt)
    is_cut = "(box) => box.scrollWidth > box.clientWidth"
    assert not page.locator("main .scroll").evaluate(is_cut)
    page.evaluate("scrollTo(0, 0)")
    picture(page, f"balance-{language}-{size['width']}", full_page=True)
    assert faults(page, language) == []
    row.get_by_role("button", name="DeepSeek", exact=True).click()
    dialog = page.get_by_role("dialog")
    expect(dialog.locator(".holding")).to_contain_text(left)
    picture(page, f"balance-drawer-{language}-{size['width']}")
    assert faults(page, language) == []


def test_a_provider_that_does_not_say_what_is_left_is_told_of(visit, settled):
    page = enter(visit, settled)
    go(page, "/channels")
    row = page.get_by_role("row").filter(has_text="Demo Frankfurt")
    expect(row.locator(".holding button")).to_have_count(0)
    row = page.get_by_role("row").filter(has_text="OpenAI-compatible").filter(has_text="2 models").first
    row.get_by_role("button", name=re.compile("Ask what is left")).click()
    expect(page.get_by_role("alert").or_(page.get_by_role("status")).first).to_contain_text("fault: ")
    expect(row.locator(".holding")).to_have_text("–")
    page.get_by_role("button", name="Ask all providers what is left").click()
    expect(page.get_by_text("1 of 2 providers have said what is left")).to_be_visible()


def test_the_first_load_is_small(visit, settled):
    page = visit(settled).log_in().page
    sizes = []
    page.on("requestfinished", lambda request: sizes.append(request.sizes()["responseBodySize"]))
    page.goto("/console/")
    page.wait_for_function(SETTLED)
    assert 20_000 < sum(sizes) < FIRST_LOAD_BYTES
