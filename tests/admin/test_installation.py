"""What the admin API tells of the installation itself: events, settings, plugins, gateways."""

import canalgate
import pytest
import support
from admin_client import ADMIN_KEY, Client
from canalgate.proxy.config import Config, Data
from canalgate.proxy.host import opened, running
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


async def option(client, name):
    listed = (await client.get("/options")).json["data"]
    return next(one for one in listed if f"{one['section']}.{one['name']}" == name)


async def test_a_setting_that_holds_at_once_does_and_stays(tmp_path):
    async with support.gateway(tmp_path, admin={"key": ADMIN_KEY}, quota={"new_user": "1usd"}) as gateway:
        root = Client(gateway, f"Bearer {ADMIN_KEY}")
        assert (await option(root, "quota.new_user"))["source"] == "file"
        changed = (await root.put("/options/quota.new_user", {"value": "7usd"})).json
        assert (changed["value"], changed["source"], changed["restart"]) == ("7usd", "console", False)
        made = (await root.post("/users", {"name": "eva"})).json
        assert made["balance"]["remaining"] == 3_500_000
        deed = (await root.get("/audit")).json["data"][1]
        assert (deed["act"], deed["subject"]) == ("set_option", "option:quota.new_user")
        assert deed["detail"] == {"value": ["1usd", "7usd"]}
        async with opened(gateway.parts.settings.base) as again:
            assert again.config.quota.new_user == "7usd"
        assert (await root.delete("/options/quota.new_user")).status == 204
        assert gateway.parts.settings.config.quota.new_user == "1usd"


async def test_a_setting_that_does_not_waits_for_the_next_start(root, gateway, tmp_path):
    changed = (await root.put("/options/demo.enabled", {"value": False})).json
    assert (changed["value"], changed["waiting"], changed["next"]) == (True, True, False)
    async with opened(Config(data=Data(dir=str(tmp_path)))) as parts:
        assert parts.config.demo.enabled is False


async def test_another_gateway_on_the_same_database_follows(root, gateway, tmp_path):
    async with running(gateway.parts.settings.base) as (_, relay, live):
        await root.put("/options/routing.attempts", {"value": 9})
        await live.catch_up()
        assert relay.config.routing.attempts == 9


async def test_the_route_that_is_explained_goes_by_the_mode_that_is_set(root, gateway):
    await root.put("/options/routing.mode", {"value": "latency"})
    assert (await root.get("/route?model=demo")).json["mode"] == "latency"


@pytest.mark.parametrize(("name", "value", "status", "param"), [
    ("routing.attempts", 0, 400, "value"), ("routing.attempts", "9", 400, "value"),
    ("routing.mode", "best", 400, "value"), ("routing.mode", None, 400, "value"),
    ("quota.invited", "1 euro", 400, "value"), ("server.early_heartbeat_s", [1], 400, "value"),
    ("admin.key", "x" * 30, 409, "name"), ("data.database", "sqlite:x", 409, "name"),
    ("server.port", 80, 409, "name"), ("upstream.private", True, 409, "name"),
    ("plugins.enabled", "prometheus", 409, "name"), ("routing.colour", 1, 404, None), ("x", 1, 404, None),
])  # fmt: skip
async def test_a_setting_that_cannot_be_is_refused_and_nothing_is_kept(
    root, gateway, name, value, status, param
):
    answer = await root.put(f"/options/{name}", {"value": value})
    assert (answer.status, answer.error["param"]) == (status, param)
    assert await gateway.parts.store.settings.all() == {}


async def test_what_the_environment_says_is_not_changed_here(tmp_path, monkeypatch):
    monkeypatch.setenv("CANALGATE_ROUTING__ATTEMPTS", "4")
    async with support.gateway(tmp_path, admin={"key": ADMIN_KEY}) as gateway:
        root = Client(gateway, f"Bearer {ADMIN_KEY}")
        answer = await root.put("/options/routing.attempts", {"value": 9})
        assert (answer.status, answer.error["code"]) == (409, "fixed_environment")
        shown = await option(root, "routing.attempts")
        assert (shown["source"], shown["fixed"]) == ("environment", "environment")


async def test_what_was_never_set_cannot_be_forgotten(root):
    assert (await root.delete("/options/routing.mode")).status == 404
    assert (await root.delete("/options/nothing")).status == 404


async def test_each_setting_says_what_it_is_and_what_it_is_for(root):
    shown = await option(root, "routing.mode")
    assert (shown["kind"], shown["choices"][0]) == ("choice", "priority")
    assert "Order of a model's channels" in shown["help"]
    kinds = {name: (await option(root, name))["kind"] for name in ("demo.enabled", "routing.retry_share")}
    assert kinds == {"demo.enabled": "switch", "routing.retry_share": "number"}


async def test_the_unit_of_money_is_a_dollar_where_nothing_is_set(gateway):
    answer = await Client(gateway).get("/money")
    assert answer.json == {"currency": "USD", "per_dollar": "1", "quota_per_dollar": 500_000}


async def test_the_unit_of_money_is_the_operator_s(tmp_path):
    async with support.gateway(tmp_path, money={"currency": "CNY", "per_dollar": "7.25"}) as gateway:
        answer = await Client(gateway).get("/money")
        assert answer.json == {"currency": "CNY", "per_dollar": "7.25", "quota_per_dollar": 500_000}
