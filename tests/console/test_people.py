"""What ordinary users see, and what administrators do with the mouse."""

import re
import tarfile

from playwright.sync_api import expect
from visitors import PASSWORD, ask, enter, go, picture

USERS_PAGES = ["Overview", "Tokens", "Call log", "Playground"]


def test_an_ordinary_user_sees_their_own_pages_alone(visit, settled):
    page = enter(visit, settled, name="anna")
    links = page.get_by_role("navigation").get_by_role("listitem")
    assert links.all_inner_texts() == USERS_PAGES
    go(page, "/tokens")
    assert page.get_by_role("cell", name="fastgpt", exact=True).count() == 1
    assert page.get_by_role("cell", name="website", exact=True).count() == 0
    go(page, "/channels")
    expect(page.get_by_role("heading", name="There is no such page")).to_be_visible()


def test_a_code_is_made_and_redeemed(visit, settled):
    page = enter(visit, settled)
    go(page, "/codes")
    page.get_by_role("button", name="New codes").click()
    page.get_by_label("Worth").fill("2.50")
    page.get_by_role("button", name="Make the codes").click()
    code = page.get_by_role("dialog").locator("pre").inner_text()
    anna = enter(visit, settled, name="anna")
    go(anna, "/account")
    anna.get_by_label("Code").fill(code)
    anna.get_by_role("button", name="Redeem a code").click()
    expect(anna.get_by_text("$2.50 added to your balance")).to_be_visible()
    expect(anna.get_by_text("+$2.50")).to_be_visible()


def test_a_backup_is_made_by_the_password_and_kept_as_a_file(visit, settled, tmp_path):
    page = enter(visit, settled)
    go(page, "/settings?tab=backup")
    page.get_by_label("Password now").fill("wrong")
    page.get_by_role("button", name="Make a backup", exact=True).click()
    expect(page.get_by_role("alert")).to_be_visible()
    page.get_by_label("Password now").fill(PASSWORD)
    with page.expect_download() as download:
        page.get_by_role("button", name="Make a backup", exact=True).click()
    download.value.save_as(tmp_path / "kept.tar.gz")
    assert re.fullmatch(r"canalgate-[\d-]+\.tar\.gz", download.value.suggested_filename)
    with tarfile.open(tmp_path / "kept.tar.gz") as archive:
        assert "canalgate.db" in archive.getnames()
    expect(page.get_by_text(f"canalgate restore {download.value.suggested_filename}")).to_be_visible()


def test_a_setting_is_changed_in_place_and_what_is_wrong_with_it_stands_at_it(visit, settled):
    page = enter(visit, settled)
    go(page, "/settings?tab=options")
    page.get_by_label("Search settings").fill("routing.attempts")
    page.get_by_role("button", name="Edit: routing.attempts").click()
    value = page.get_by_label("Value")
    value.fill("0")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("expected a number up to 20")
    expect(value).to_have_attribute("aria-invalid", "true")
    value.fill("6")
    picture(page, "dialog-option-light")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("set here · default 4")).to_be_visible()
    page.get_by_role("button", name="Edit: routing.attempts").click()
    page.get_by_role("button", name="As in the file").click()
    expect(page.get_by_text("set here ·")).to_have_count(0)


def test_a_setting_that_waits_for_a_start_and_one_of_the_environment_say_so(visit, settled):
    page = enter(visit, settled)
    go(page, "/settings?tab=options")
    page.get_by_label("Search settings").fill("demo.enabled")
    page.get_by_role("button", name="Edit: demo.enabled").click()
    page.get_by_label("Value").select_option("false")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("After the next start: false")).to_be_visible()
    page.get_by_role("button", name="Edit: demo.enabled").click()
    page.get_by_role("button", name="As in the file").click()
    expect(page.get_by_text("After the next start")).to_have_count(0)
    page.get_by_label("Search settings").fill("routing.retry_pause_s")
    expect(page.get_by_text("Set in the environment")).to_be_visible()
    expect(page.get_by_role("button", name="Edit: routing.retry_pause_s")).to_have_count(0)


def test_what_adapters_and_ways_say_is_chinese_where_the_console_is(visit, settled):
    page = enter(visit, settled, "zh")
    go(page, "/channels")
    page.get_by_role("button", name="新建渠道").or_(page.locator(".head button.primary")).first.click()
    page.get_by_role("dialog").locator("select").first.select_option("azure")
    expect(page.get_by_label("Entra 租户")).to_be_visible()
    picture(page, "dialog-azure-zh")
    page.keyboard.press("Escape")
    go(page, "/models?search=gpt-4o-mini")
    page.locator("tbody button").first.click()
    expect(page.get_by_role("dialog").get_by_text("不提供该模型").first).to_be_attached()


def test_who_is_invited_makes_an_account_by_the_link_and_both_get_their_gifts(visit, settled):
    for name, value in (("users.sign_up", "invited"), ("quota.invited", "2usd"), ("quota.inviter", "3usd")):
        ask(settled, f"/options/{name}", {"value": value}, "PUT")
    try:
        anna = enter(visit, settled, name="anna")
        go(anna, "/account")
        link = anna.locator("pre", has_text="sign-up?code=")
        picture(anna, "account-invitation", full_page=True)
        address = link.inner_text()
        visitor = visit(settled)
        visitor.page.goto("/console/")
        visitor.page.get_by_role("link", name="Make one").click()
        expect(visitor.page.get_by_role("heading", name="Make an account")).to_be_visible()
        visitor.page.goto(address)
        expect(visitor.page.get_by_label("Invitation code")).to_have_value(address.partition("code=")[2])
        visitor.page.get_by_label("Name").fill("anna")
        visitor.page.get_by_label("Password", exact=True).fill(PASSWORD)
        visitor.page.get_by_label("Password again").fill(PASSWORD)
        picture(visitor.page, "sign-up")
        visitor.page.get_by_role("button", name="Make an account").click()
        expect(visitor.page.get_by_role("alert")).to_be_visible()
        visitor.page.get_by_label("Name").fill("eva")
        visitor.page.get_by_role("button", name="Make an account").click()
        expect(visitor.page.get_by_role("main").get_by_text("$2.00")).to_be_visible()
        anna.reload()
        expect(anna.get_by_text("has invited eva")).to_be_visible()
    finally:
        for name in ("users.sign_up", "quota.invited", "quota.inviter"):
            ask(settled, f"/options/{name}", None, "DELETE")


def test_a_channel_is_changed_in_place_and_in_the_drawer(visit, settled):
    page = enter(visit, settled)
    go(page, "/channels?search=DeepSeek")
    page.get_by_role("spinbutton", name="Weight: DeepSeek").fill("7")
    page.keyboard.press("Tab")
    page.get_by_role("switch", name=re.compile("DeepSeek")).click()
    expect(page.get_by_role("cell", name="Off", exact=True)).to_be_visible()
    page.get_by_role("switch", name=re.compile("DeepSeek")).click()
    page.get_by_role("button", name="DeepSeek", exact=True).click()
    drawer = page.get_by_role("dialog")
    assert "sk-1234567890abcd" not in drawer.inner_html()
    expect(drawer.get_by_label("Weight")).to_have_value("7")
    drawer.get_by_label("Price ratio").fill("a lot")
    drawer.get_by_role("button", name="Save", exact=True).click()
    expect(drawer.get_by_role("alert")).to_be_visible()
    expect(drawer.get_by_label("Price ratio")).to_have_value("a lot")
    drawer.get_by_label("Price ratio").fill("1.5")
    drawer.get_by_role("button", name="Save", exact=True).click()
    expect(drawer).to_have_count(0)


def test_filters_of_the_log_are_in_the_address_and_survive_a_reload(visit, settled):
    page = enter(visit, settled)
    go(page, "/logs")
    page.get_by_label("Outcome").select_option("true")
    expect(page).to_have_url(re.compile("failed=true"))
    page.reload()
    expect(page.get_by_label("Outcome")).to_have_value("true")
    expect(page.get_by_role("row").nth(1)).to_be_visible()
    assert page.locator("tbody .badge.good").count() == 0


def test_the_tail_shows_a_request_as_it_ends(visit, settled):
    page = enter(visit, settled)
    expect(page.get_by_text("live", exact=True)).to_be_visible()
    settled.chat("sk-nobody's", "a model of the tail")
    expect(
        page.locator("li", has_text="a model of the tail").or_(page.locator("li", has_text="401")).first
    ).to_be_visible()


def test_two_models_answer_side_by_side_and_reasoning_is_shown(visit, settled):
    page = enter(visit, settled)
    go(page, "/playground")
    page.get_by_role("button", name="Make one for this tab").click()
    expect(page.get_by_label("Model", exact=True)).to_be_enabled()
    page.get_by_label("Compare two models").check()
    page.get_by_label("Model 1").select_option("demo")
    page.get_by_label("Model 2").select_option("demo-reasoning")
    page.get_by_label("Message").fill("hello")
    page.get_by_role("button", name="Send").click()
    answers = page.get_by_text("You said: hello")
    expect(answers).to_have_count(2)
    expect(page.get_by_text("Reasoning", exact=True)).to_be_visible()
    picture(page, "playground")
