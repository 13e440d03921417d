"""Moving in: the old keys go on working at a running gateway, whatever the old database was."""

import random
import sqlite3
import time
from dataclasses import replace

import pytest
import sources
import support
from canalgate.proxy.importers import apply, bring_logs, plan_of, verify, with_source
from canalgate.proxy.store.requests import Filters
from sources import key

KINDS = ("sqlite", "mysql", "postgres")
NOW = 1_764_000_000


@pytest.fixture(scope="module", autouse=True)
def lane():
    """What is brought is the same on every lane; once is enough."""


@pytest.fixture
async def gateway(tmp_path):
    """A gateway that has a root user and nothing else."""
    async with support.gateway(tmp_path / "here") as made:
        yield made


@pytest.fixture
async def provider():
    answer = {"id": "x", "object": "chat.completion", "created": 1, "model": "up-m1",
              "choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"},
                           "finish_reason": "stop"}],
              "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}}  # fmt: skip
    async with support.provider(support.json_answer(answer)) as made:
        yield made


async def moved(gateway, kind, place):
    plan = await plan_of(kind, place)
    parts = gateway.parts
    report = await apply(parts.store, parts.vault, parts.plugins.adapters, plan, NOW)
    await gateway.live.catch_up()
    return report


@pytest.fixture(params=KINDS)
def database_kind(request):
    return request.param


@pytest.fixture
async def one_api(database_kind, gateway, provider, servers, tmp_path):
    rows = sources.one_api_rows(f"http://127.0.0.1:{provider.port}")
    rows["abilities"] = sources.abilities_of(rows["channels"])
    async with sources.source(database_kind, servers, tmp_path, sources.ONE_API, rows) as place:
        yield await moved(gateway, "oneapi", place), place


ONE_API_KEYS = [
    ("a padded key", key("a"), "m1", 200),
    ("a key without its sk-", key("a"), "m2", 200),
    ("a key of the root user, who was here", key("r"), "m1", 200),
    ("a key with models and networks", key("b"), "m1", 200),
    ("a model that the key may not use", key("b"), "m4", 403),
    ("a key that has expired", key("c"), "m1", 401),
    ("a key of a deleted user", key("d"), "m1", 401),
    ("a key of nobody", key("e"), "m1", 401),
    ("a key that is used up", key("f"), "m1", 402),
    ("a key whose networks are none", key("g"), "m1", 401),
    ("a key with a huge quota", key("h"), "m1", 200),
    ("a key of a disabled user", key("i"), "m1", 403),
    ("a disabled key", key("j"), "m1", 401),
    ("a model of a group it is not in", key("a"), "m4", 404),
    ("one of two channels of two keys", key("r"), "m4", 200),
    ("a key pinned to a channel", f"{key('r')}-1", "m1", 200),
]


async def test_one_api_keys_go_on_working_or_are_refused_as_before(one_api, gateway):
    got = {}
    for name, old, model, _ in ONE_API_KEYS:
        prefix = "" if "without" in name else "sk-"
        got[name] = (await gateway.chat(model, key=f"{prefix}{old}")).status
    assert got == {name: status for name, _, _, status in ONE_API_KEYS}


async def test_one_api_mapping_and_base_url_lead_to_the_same_model(one_api, gateway, provider):
    await gateway.chat("m1", key=f"sk-{key('a')}")
    asked = provider.asked[-1]
    assert asked.line.startswith("POST /v1/chat/completions ")
    assert (asked.json["model"], asked.header("authorization")) == ("up-m1", "Bearer sk-upstream-1")


async def test_one_api_numbers_names_and_money_are_kept(one_api, gateway):
    store = gateway.parts.store
    states = await store.accounts.states()
    users = {user.name: user for user in await store.users()}
    tokens = {token.name: token for token in await store.tokens()}
    assert (users["anna"].id, users["anna"].group) == (2, "vip")
    assert users["anna"].password_hash == sources.BCRYPT
    assert users["debtor"].role == 10
    assert states["user:2"][:3] == (10_000_000, 0, 500)
    assert states["user:4"].balance == 0
    assert users["off"].status == "disabled"
    assert tokens["some"].id == 3
    assert tokens["some"].models == ("m1", "m2")
    assert states["token:3"][:3] == (7_000_000, 0, 300)
    assert states["token:2"].balance is None
    assert tokens["huge"].expires_at is None
    assert await store.accounts.violations() == []


async def test_one_api_channels_have_their_settings(one_api, gateway):
    rows = {row.name: row for row in await gateway.parts.store.channels()}
    assert rows["main"].id == 1
    assert rows["main"].groups == ("default", "vip")
    assert rows["azure"].options == {"api_version": "2024-03-01-preview", "dots": "strip"}
    assert (rows["aws"].key, rows["aws"].options) == ("AKIA1|aws-secret", {"region": "eu-west-1"})
    assert rows["aws"].mapping == {"claude-3-haiku-20240307": "anthropic.claude-3-haiku-20240307-v1:0"}
    assert rows["broken"].status == "disabled"
    assert set(rows) == {"main", "azure", "aws", "broken", "two keys"}


async def test_one_api_prices_and_codes_come(one_api, gateway):
    store = gateway.parts.store
    prices = await store.prices.all()
    assert (prices["m1"].prompt, prices["m1"].completion) == (1_000_000, 4_000_000)
    assert set(prices) == {"m1", "m2"}
    assert await store.prices.group_ratios() == {"default": 1_000_000, "vip": 800_000}
    assert await store.codes.redeem("c" * 32, 2, NOW) == 4000
    with pytest.raises(Exception, match="used already"):
        await store.codes.redeem("d" * 32, 2, NOW)


async def test_what_one_api_has_and_we_have_not_is_said_with_the_reason(one_api):
    report, _ = one_api
    said = {one.what: one.why for one in report.left_out}
    for number, reason in ((4, "Replicate"), (5, "not known"), (8, "raw proxy"), (9, "Vertex AI")):
        assert any(what.startswith(f"channel {number} ") and reason in why for what, why in said.items()), (
            number
        )
    assert any("deleted_0123" in what for what in said)
    assert any("model mapping" in what for what in said)
    assert any("debt of 250" in why for why in said.values())
    assert any("openrouter/auto" in what for what in said)


async def test_a_second_run_changes_nothing(one_api, gateway):
    _, place = one_api
    store = gateway.parts.store
    before = await everything(store)
    again = await moved(gateway, "oneapi", place)
    assert {item.fate for item in again.items} == {"there"}
    assert await everything(store) == before


async def everything(store):
    tables = (
        "users",
        "tokens",
        "channels",
        "accounts",
        "codes",
        "model_prices",
        "user_groups",
        "imports",
        "state",
    )
    return {table: await store.database.all(f"SELECT * FROM {table}") for table in tables}


async def test_the_two_are_compared_and_what_stayed_behind_is_a_difference(one_api, gateway):
    _, place = one_api
    parts = gateway.parts
    found = await verify(parts.store, parts.plugins.adapters, await plan_of("oneapi", place))
    assert {(one.what, one.source, one.here) for one in found} == {
        ("channels of 'flux' for group 'default'", "4", "none"),
        ("channels of 'm9' for group 'default'", "5", "none"),
        ("channels of 'gemini-pro' for group 'default'", "9", "none"),
        ("quota left of users", str(5 * 10**14 + 10_000_007), "10000007"),  # root was here, without limit
    }


async def test_a_charge_and_a_lost_channel_are_differences(one_api, gateway):
    _, place = one_api
    parts = gateway.parts
    await parts.store.accounts.credit("user:2", 5, "topup", "", "test", NOW)
    await parts.store.remove_channel(1)
    found = await verify(parts.store, parts.plugins.adapters, await plan_of("oneapi", place))
    what = {one.what for one in found}
    assert {"number of channels", "quota left of users", "channels of 'm1' for group 'vip'"} <= what


async def test_new_api_keys_go_on_working(database_kind, gateway, provider, servers, tmp_path):
    rows = sources.new_api_rows(f"http://127.0.0.1:{provider.port}")
    rows["channels"][0]["setting"] = "{}"
    rows["abilities"] = sources.abilities_of(rows["channels"])
    async with sources.source(database_kind, servers, tmp_path, sources.NEW_API, rows) as place:
        report = await moved(gateway, "newapi", place)
    got = {
        letter + model: (await gateway.chat(model, key=f"sk-{key(letter)}")).status
        for letter, model in (("k", "m1"), ("k", "m9"), ("l", "m1"), ("m", "m9"), ("n", "m1"), ("o", "m5"))
    }
    assert got == {"km1": 200, "km9": 403, "lm1": 401, "mm9": 200, "nm1": 401, "om5": 200}
    store = gateway.parts.store
    channels = {row.name: row for row in await store.channels()}
    assert channels["main"].weight == 3
    assert channels["deep"].type == "deepseek"
    assert (channels["aws"].key, channels["aws"].options["region"]) == ("AKIA2|aws-secret-2", "us-east-2")
    assert (channels["zhipu"].type, channels["zhipu"].key) == ("zhipu", "c.d")
    prices = await store.prices.all()
    assert (prices["m1"].cached, prices["mj_imagine"].call) == (200_000, 10**11)
    assert [code.id for code in await store.codes.list()] == [1]
    said = {one.what: one.why for one in report.left_out}
    assert said["GroupRatio"] == "it is not a JSON object"
    assert any("group 'svip'" in what for what in said)
    assert any("gone" in what and why == "it was deleted" for what, why in said.items())


async def test_ai_proxy_keys_go_on_working_and_sets_are_kept(
    database_kind, gateway, provider, servers, tmp_path
):
    rows = sources.ai_proxy_rows(f"http://127.0.0.1:{provider.port}")
    async with sources.source(database_kind, servers, tmp_path, sources.AI_PROXY, rows) as place:
        report = await moved(gateway, "aiproxy", place)
        parts = gateway.parts
        differences = await verify(parts.store, parts.plugins.adapters, await plan_of("aiproxy", place))
    got = {
        letter + model: (await gateway.chat(model, key=f"sk-{key(letter)}")).status
        for letter, model in (("p", "m1"), ("p", "m2"), ("q", "m2"), ("q", "m7"), ("p", "m7"), ("s", "m1"))
    }
    assert got == {"pm1": 200, "pm2": 403, "qm2": 200, "qm7": 200, "pm7": 403, "sm1": 401}
    store = gateway.parts.store
    users = {user.name: user for user in await store.users()}
    assert (users["ns-both"].group, users["ns-off"].status) == ("default+fast", "disabled")
    assert [(one.source_id, one.our_id) for one in report.renumbered if one.kind == "token"] == [("1", 3)]
    state = await store.accounts.state("token:3")
    assert state.credited == 1_000_000
    assert state.used == 125_000
    assert (await store.limits.all())["token:3"].day_budget == 1_750_000
    channels = {row.name: row for row in await store.channels()}
    assert (channels["main"].weight, channels["fast"].weight) == (10, 20)
    assert channels["aws"].options["region"] == "ap-southeast-1"
    assert channels["azure"].options == {"api_version": "2025-01-01", "dots": "keep"}
    prices = await store.prices.all()
    assert (prices["m1"].prompt, prices["m1"].completion, prices["m1"].cached) == (
        2_000_000,
        4_000_000,
        1_000_000,
    )
    assert "m2" not in prices
    assert prices["m7"].call == 10**10
    assert {one.what for one in differences if one.what.startswith("channels")} == {
        f"channels of 'pdf' for group {group!r}" for group in ("default", "default+fast")
    }


CONFIG = """
model_list:
  - model_name: m1
    litellm_params: {{model: openai/up-m1, api_base: "{url}/v1", api_key: os.environ/UPSTREAM_KEY}}
  - model_name: m2
    litellm_params: {{model: openai/m2, api_base: "{url}/v1", api_key: os.environ/UPSTREAM_KEY,
      input_cost_per_token: 0.000002, rpm: 5}}
  - model_name: claude
    litellm_params: {{model: bedrock/anthropic.claude-3-haiku-20240307-v1:0, aws_access_key_id: AKIA4,
      aws_secret_access_key: aws-secret-4, aws_region_name: us-west-2}}
  - model_name: "anthropic/*"
    litellm_params: {{model: "anthropic/*", api_key: sk-wild}}
  - model_name: lost
    litellm_params: {{model: groq/llama, api_key: os.environ/NOT_SET}}
  - model_name: nowhere
    litellm_params: {{model: sagemaker/x}}
router_settings: {{model_group_alias: {{other: m1}}}}
general_settings: {{master_key: sk-master-1234}}
litellm_settings: {{drop_params: true}}
"""


async def test_litellm_models_and_the_master_key_come(gateway, provider, tmp_path, monkeypatch):
    monkeypatch.setenv("UPSTREAM_KEY", "sk-from-the-environment")
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG.format(url=f"http://127.0.0.1:{provider.port}"))
    rows = {
        "LiteLLM_VerificationToken": [{"token": "9f" * 32, "key_name": "sk-...abcd", "key_alias": "anna's"}],
        "LiteLLM_UserTable": [{"user_id": "u1", "user_email": "anna@example.com", "max_budget": 10.0,
                               "spend": 4.0,
                               "user_role": "internal_user"}],
        "LiteLLM_ProxyModelTable": [{"model_name": "x", "litellm_params": "{}"}],
    }  # fmt: skip
    database = sources.fill_file(tmp_path / "litellm.db", sources.LITELLM, rows)
    parts = gateway.parts
    plan = await plan_of("litellm", str(config), database=database)
    report = await apply(parts.store, parts.vault, parts.plugins.adapters, plan, NOW)
    await gateway.live.catch_up()
    assert (await gateway.chat("other", key="sk-master-1234")).status == 200
    assert provider.asked[-1].json["model"] == "up-m1"
    assert provider.asked[-1].header("authorization") == "Bearer sk-from-the-environment"
    channels = await parts.store.channels()
    assert [row.models for row in channels] == [("m1", "m2", "other"), ("claude",)]
    assert (channels[1].key, channels[1].options) == ("AKIA4|aws-secret-4", {"region": "us-west-2"})
    assert (await parts.store.prices.all())["m2"].prompt == 2_000_000
    said = {one.what: one.why for one in report.left_out}
    assert "NOT_SET" in next(why for what, why in said.items() if "lost" in what)
    assert any("anthropic/*" in what for what in said)
    assert "SHA-256" in said['key "anna\'s"']
    anna = next(user for user in await parts.store.users() if user.name == "anna@example.com")
    assert (await parts.store.accounts.state(f"user:{anna.id}")).balance == 3_000_000
    again = await apply(parts.store, parts.vault, parts.plugins.adapters, plan, NOW)
    assert {item.fate for item in again.items} == {"there"}


@pytest.mark.parametrize("seed", range(3))
async def test_random_rows_never_break_the_whole(seed, tmp_path, gateway):
    """Any value in any column: what makes sense comes, the rest is left out, and the money adds up."""
    rng = random.Random(seed)
    odd = [None, "", " ", "\x01", "[]", "{}", "[", '{"a":1}', "null", "-1", -1, 0, 1, 2, 3, 10**12,
           sources.FAR, -sources.FAR, 1.5, "a,b", "sk-", "é" * 300, b"\xff\xfe"]  # fmt: skip
    rows = {
        table: [
            {**{column.split(":")[0]: rng.choice(odd) for column in columns.split()}, "id": number,
             **({"user_id": rng.randint(1, 40)} if table == "tokens" else {})}
            for number in range(1, 60)
        ]
        for table, columns in sources.ONE_API.items()
        if table not in ("options", "abilities")
    }  # fmt: skip
    path = tmp_path / "odd.db"
    sources.fill_file(path, sources.ONE_API, {})
    with sqlite3.connect(path) as connection:
        for table, some in rows.items():
            for row in some:
                names = ", ".join(f'"{name}"' for name in row)
                marks = ", ".join("?" * len(row))
                connection.execute(f'INSERT INTO "{table}" ({names}) VALUES ({marks})', list(row.values()))
    connection.close()
    await moved(gateway, "oneapi", str(path))
    assert await gateway.parts.store.accounts.violations() == []


@pytest.mark.parametrize("kind", ["oneapi", "newapi", "aiproxy"])
async def test_the_call_log_comes_once_and_charges_nobody(kind, database_kind, gateway, servers, tmp_path):
    schema, rows = {
        "oneapi": (sources.ONE_API, sources.one_api_rows("http://127.0.0.1:9")),
        "newapi": (sources.NEW_API, sources.new_api_rows("http://127.0.0.1:9")),
        "aiproxy": (sources.AI_PROXY, sources.ai_proxy_rows("http://127.0.0.1:9")),
    }[kind]
    store, parts = gateway.parts.store, gateway.parts
    async with (
        sources.source(database_kind, servers, tmp_path, schema, rows) as place,
        with_source(kind, place) as (plan, source),
    ):
        await apply(store, parts.vault, parts.plugins.adapters, plan, NOW)
        accounts = await store.accounts.states()
        first = await bring_logs(store, source, kind, plan, NOW)
        again = await bring_logs(store, source, kind, plan, NOW)
    assert first == {"oneapi": (1, 3), "newapi": (2, 0), "aiproxy": (2, 0)}[kind]
    assert again == (0, 0)
    assert await store.accounts.states() == accounts
    entries, _ = await store.requests.page(Filters(), None, 10)
    known = await store.imports.known(plan.source)
    numbers = {"oneapi": ("2", "3", "1"), "newapi": ("7", "21", "31"), "aiproxy": ("ns-admin", "1", "1")}[
        kind
    ]
    whose = tuple(
        known[what, number] for what, number in zip(("user", "token", "channel"), numbers, strict=True)
    )
    assert {(one.user_id, one.token_id, one.channel_id) for one in entries} == {whose}
    charged = {"oneapi": 12, "newapi": 9, "aiproxy": 1000}[kind]
    assert sum(one.charged for one in entries) == charged
    assert (
        sorted(one.status for one in entries)
        == {"oneapi": [200], "newapi": [200, 502], "aiproxy": [200, 429]}[kind]
    )
    (total,) = await store.requests.totals("day", 0, NOW, over_time=False)
    assert (total.requests, total.charged) == (len(entries), charged)


async def test_a_hundred_thousand_log_rows_come_in_reasonable_time(tmp_path, gateway):
    rows = sources.one_api_rows("http://127.0.0.1:9")
    path = sources.fill_file(tmp_path / "long.db", sources.ONE_API, {**rows, "logs": []})
    with sqlite3.connect(path) as connection:
        connection.executemany(
            "INSERT INTO logs (id, user_id, created_at, type, token_name, model_name, quota, prompt_tokens,"
            " completion_tokens, channel_id) VALUES (?, 2, ?, 2, 'some', ?, 3, 10, 20, 1)",
            ((number, 1_750_000_000 + number * 50, f"m{number % 20}") for number in range(1, 100_001)),
        )
    connection.close()
    store, parts, seen = gateway.parts.store, gateway.parts, []
    async with with_source("oneapi", path) as (plan, source):
        await apply(store, parts.vault, parts.plugins.adapters, plan, NOW)
        began = time.monotonic()
        came = await bring_logs(store, source, "oneapi", plan, NOW, lambda *step: seen.append(step))
        took_s = time.monotonic() - began
    assert came == (100_000, 0)
    assert seen[-1] == ("call log", 100_000, 100_000)
    (total,) = await store.requests.totals("day", 0, NOW, over_time=False)
    assert (total.requests, total.prompt_tokens, total.charged) == (100_000, 1_000_000, 300_000)
    assert took_s < 60


async def test_channels_alone_can_be_asked_for(tmp_path, gateway):
    path = sources.fill_file(tmp_path / "a.db", sources.ONE_API, sources.one_api_rows("http://127.0.0.1:9"))
    parts = gateway.parts
    plan = (await plan_of("oneapi", path)).channels_only()
    report = await apply(parts.store, parts.vault, parts.plugins.adapters, plan, NOW)
    assert {item.kind for item in report.items} == {"channel"}
    assert {one.kind for one in report.left_out} == {"channel"}
    assert len(await parts.store.users()) == 1


async def test_two_gateways_can_move_into_one(tmp_path, gateway):
    parts = gateway.parts
    for name in ("a.db", "b.db"):
        rows = sources.one_api_rows("http://127.0.0.1:9")
        for row in rows["tokens"]:
            row["key"] = row["key"].strip() + name[0]
        rows["users"] = [{**row, "username": f"{row['username']} of {name}"} for row in rows["users"]]
        path = sources.fill_file(tmp_path / name, sources.ONE_API, rows)
        plan = await plan_of("oneapi", path)
        await apply(parts.store, parts.vault, parts.plugins.adapters, plan, NOW)
    users = {user.name: user for user in await parts.store.users()}
    tokens = [token for token in await parts.store.tokens() if token.name == "all"]
    assert {token.user_id for token in tokens} == {users["anna of a.db"].id, users["anna of b.db"].id}
    new = await parts.store.add_user(replace(users["anna of a.db"], name="new"))
    assert new.id > max(user.id for user in users.values())
