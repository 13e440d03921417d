"""What the admin API tells of the installation itself: events, settings, plugins, gateways."""

import canalgate
import pytest
import support
from admin_client import ADMIN_KEY, Client
from canalgate.proxy.records import Event

SECRET = "a-secret-of-the-settings"


async def test_events_are_listed_newest_first_page_by_page_and_by_kind_and_subject(root, gateway):
    for number in range(4):
        kind = "key_refused" if number % 2 else "channel_back"
        event = Event(0, 100 + number, kind, f"channel:{number}", {"n": number})
        await gateway.parts.store.events.add(event)
    page = (await root.get("/events?limit=3")).json
    assert [one["detail"]["n"] for one in page["data"]] == [3, 2, 1]
    rest = (await root.get(f"/events?limit=3&after={page['next']}")).json
    assert ([one["at"] for one in rest["data"]], rest["next"]) == ([100], None)
    refused = (await root.get("/events?kind=key_refused")).json["data"]
    assert [one["subject"] for one in refused] == ["channel:3", "channel:1"]
    assert len((await root.get("/events?subject=channel:2")).json["data"]) == 1


@pytest.mark.parametrize("query", ["after=0", "after=x", "limit=0", "limit=201", "kind=%00", "sort=at"])
async def test_a_list_of_events_that_makes_no_sense_is_refused(root, query):
    assert (await root.get(f"/events?{query}")).status == 400


async def test_settings_in_force_are_shown_without_secrets(tmp_path):
    settings = {
        "admin": {"key": ADMIN_KEY, "root_token": SECRET, "setup_secret": SECRET},
        "events": {"webhook": f"http://h/{SECRET}"},
        "plugins": {"settings": {"mine": {"password": SECRET}}},
        "routing": {"attempts": 7},
    }
    async with support.gateway(tmp_path, **settings) as gateway:
        answer = await Client(gateway, f"Bearer {ADMIN_KEY}").get("/options")
    found = {(one["section"], one["name"]): one for one in answer.json["data"]}
    assert SECRET.encode() not in answer.body
    assert ADMIN_KEY.encode() not in answer.body
    attempts = found["routing", "attempts"]
    assert (attempts["value"], attempts["default"], attempts["changed"]) == (7, 4, True)
    hidden = found["admin", "key"]
    assert (hidden["value"], hidden["secret"], hidden["changed"]) == (None, True, True)
    assert found["plugins", "settings"]["value"] == {"mine": ["password"]}
    assert found["data", "dir"]["value"] == str(tmp_path)
    assert not found["server", "host"]["secret"]


async def test_plugins_say_where_they_are_from_and_why_one_has_failed(tmp_path):
    folder = tmp_path / "plugins"
    folder.mkdir(mode=0o755)
    (folder / "broken.py").write_text("raise ValueError('out of order')\n")
    async with support.gateway(tmp_path, admin={"key": ADMIN_KEY}) as gateway:
        listed = (await Client(gateway, f"Bearer {ADMIN_KEY}").get("/plugins")).json["data"]
    found = {one["name"]: one for one in listed}
    broken = found["broken"]
    assert (broken["state"], broken["source"]) == ("failed", str(folder / "broken.py"))
    assert "out of order" in broken["reason"]
    assert found["openai"]["state"] == "on"
    assert "openai" in found["openai"]["adapters"]
    assert (found["prometheus"]["state"], found["prometheus"]["reason"]) == ("off", "not enabled")


async def test_about_tells_version_database_and_gateways(root, gateway):
    about = (await root.get("/about")).json
    assert (about["version"], about["database"]) == (canalgate.__version__, "sqlite")
    assert 0 <= about["uptime_s"] < 600
    assert [(one["id"], one["is_this"]) for one in about["instances"]] == [(gateway.live.name, True)]


async def test_the_unit_of_money_is_a_dollar_where_nothing_is_set(gateway):
    answer = await Client(gateway).get("/money")
    assert answer.json == {"currency": "USD", "per_dollar": "1", "quota_per_dollar": 500_000}


async def test_the_unit_of_money_is_the_operator_s(tmp_path):
    async with support.gateway(tmp_path, money={"currency": "CNY", "per_dollar": "7.25"}) as gateway:
        answer = await Client(gateway).get("/money")
        assert answer.json == {"currency": "CNY", "per_dollar": "7.25", "quota_per_dollar": 500_000}
