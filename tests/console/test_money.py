"""Money in the operator's currency: shown everywhere, and typed without losing a digit."""

import json

import pytest
from playwright.sync_api import expect
from visitors import PHONE, WIDE, ask, enter, go, picture

LOOKS = [("en", "light", WIDE), ("zh", "dark", PHONE)]
PAGES = ("/", "/tokens", "/users", "/users?tab=limits", "/codes", "/logs", "/models", "/account")


@pytest.mark.parametrize(("language", "theme", "size"), LOOKS)
def test_no_page_speaks_of_dollars(visit, in_yuan, language, theme, size):
    page = enter(visit, in_yuan, language, theme, size)
    for path in PAGES:
        go(page, path)
        text = page.locator("main").inner_text()
        name = path.strip("/").replace("?tab=", "-") or "overview"
        picture(page, f"yuan-{name}-{language}-{size['width']}", full_page=True)
        assert "$" not in text and "dollar" not in text.lower() and "美元" not in text, path
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
    go(page, "/users")
    expect(page.get_by_text("¥180.00").first).to_be_visible()  # 12,500,000 quota are $25


def sent(page, act):
    """Return what an act of the page sends."""
    with page.expect_request(lambda one: one.method in ("POST", "PATCH", "PUT")) as caught:
        act()
    return caught.value.post_data_json


SUMS = [
    ("1", 69_444),  # 69,444.44
    ("7.2", 500_000),
    ("0.000001", 0),
    ("¥10.5", 729_167),
    ("123456789.12", 8_573_388_133_333),
]


def test_what_is_typed_is_sent_as_quota_and_comes_back_as_it_was_typed(visit, in_yuan):
    page = enter(visit, in_yuan)
    for typed, quota in SUMS:
        go(page, "/tokens")
        page.get_by_role("button", name="New token").first.click()
        dialog = page.get_by_role("dialog")
        expect(dialog.get_by_text("In Chinese Yuan.")).to_be_visible()
        dialog.get_by_label("Name", exact=True).fill(f"sum {typed}")
        dialog.locator(".money input[type=checkbox]").uncheck()
        dialog.locator(".money input:not([type=checkbox])").fill(typed)
        picture(page, "yuan-token")
        body = sent(page, lambda dialog=dialog: dialog.get_by_role("button", name="Make the token").click())
        assert body["quota"] == quota
        expect(dialog.get_by_text("sk-").first).to_be_visible()  # it is made
        page.keyboard.press("Escape")
        expect(dialog).to_have_count(0)
        go(page, "/")
        go(page, "/tokens?search=sum")
        row = page.get_by_role("row").filter(has=page.get_by_text(f"sum {typed}", exact=True))
        row.get_by_role("button", name="Edit").click()
        kept = dialog.locator(".money input:not([type=checkbox])").input_value()
        assert kept == ("0" if not quota else typed.lstrip("¥"))
        page.keyboard.press("Escape")
        expect(dialog).to_have_count(0)


def test_what_is_no_sum_is_refused_in_the_words_of_the_unit(visit, in_yuan):
    page = enter(visit, in_yuan, "zh")
    go(page, "/codes")
    page.get_by_role("button", name="新建兑换码").first.click()
    dialog = page.get_by_role("dialog")
    dialog.locator(".money input").fill("1,5")
    dialog.locator("form").evaluate("form => form.requestSubmit()")
    expect(dialog.get_by_text("请输入金额（人民币），例如 12.50")).to_be_visible()


def test_prices_are_typed_in_the_unit_and_kept_in_dollars(visit, in_yuan):
    ask(in_yuan, "/prices/demo-reasoning", {"prompt": "0.123456", "completion": "1"}, "PUT")
    page = enter(visit, in_yuan)
    go(page, "/models?search=demo-reasoning")
    expect(page.get_by_text("¥7.20").first).to_be_visible()
    page.get_by_role("button", name="Open").first.click()
    dialog = page.get_by_role("dialog")
    fields = dialog.locator(".prices input")
    assert [fields.nth(at).input_value() for at in (0, 1)] == ["0.88888", "7.2"]
    fields.nth(1).fill("14.4")
    picture(page, "yuan-price")
    body = sent(page, lambda: dialog.get_by_role("button", name="Set the price").click())
    assert body == {"prompt": "0.123456", "completion": "2"}, json.dumps(body)
