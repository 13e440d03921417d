"""The newcomer's way: from a gateway that has never run to the first streamed answer, and over a restart."""

import re

import processes
import visitors
from playwright.sync_api import expect


def set_up(page, secret=visitors.SECRET):
    page.goto("/")
    expect(page.get_by_role("heading", name="Welcome to canalgate")).to_be_visible()
    page.get_by_label("Setup secret").fill(secret)
    page.get_by_label("Password", exact=True).fill(visitors.PASSWORD)
    page.get_by_label("Password again").fill(visitors.PASSWORD)
    page.get_by_role("button", name="Set the password").click()


def add_demo_channel(page):
    page.get_by_label("Provider").select_option("demo")
    page.get_by_role("button", name="Add and test").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("1 of 1 work")).to_be_visible()
    dialog.get_by_role("button", name="Close").click()


def test_a_newcomer_gets_a_streamed_answer_in_three_steps(visit, fresh):
    page = visit(fresh).page
    set_up(page)
    add_demo_channel(page)
    page.get_by_role("button", name="Make the token").click()
    curl = page.locator("pre", has_text="curl ")
    expect(curl).to_contain_text(re.compile(rf"127\.0\.0\.1:{fresh.port}/v1/chat/completions"))
    expect(curl).to_contain_text(re.compile(r"Bearer sk-\w{20,}"))
    page.get_by_role("tab", name="FastGPT").click()
    expect(page.locator("pre", has_text="OPENAI_BASE_URL=")).to_be_visible()
    page.get_by_role("button", name="Try it in the playground").click()
    page.get_by_label("Message").fill("is anybody there?")
    page.get_by_role("button", name="Send").click()
    answer = page.get_by_role("log").get_by_role("article").last
    expect(answer).to_contain_text("You said: is anybody there?")
    expect(answer).to_contain_text("first token")


def test_a_wrong_setup_secret_is_said_and_nothing_typed_is_lost(visit, fresh):
    page = visit(fresh).page
    set_up(page, "quite another secret")
    expect(page.get_by_text("That is not the setup secret")).to_be_visible()
    expect(page.get_by_label("Setup secret")).to_have_value("quite another secret")
    expect(page.get_by_label("Password", exact=True)).to_have_value(visitors.PASSWORD)


def test_the_console_goes_on_after_the_gateway_has_started_again(visit, fresh, tmp_path):
    page = visit(fresh).page
    set_up(page)
    add_demo_channel(page)
    page.get_by_role("link", name="Channels").click()
    expect(page.get_by_role("button", name="Demo", exact=True)).to_be_visible()
    port = fresh.port
    fresh.stop()
    page.get_by_role("link", name="Tokens").click()
    expect(page.get_by_text("The gateway does not answer")).to_be_visible()
    again = processes.start(tmp_path, "again", "--port", str(port))
    try:
        page.get_by_role("button", name="Try again").click()
        expect(page.get_by_role("cell", name="first", exact=True)).to_be_visible()
        page.get_by_role("link", name="Channels").click()
        expect(page.get_by_role("button", name="Demo", exact=True)).to_be_visible()
    finally:
        again.stop()
