"""FastGPT's calls about channels, as it makes them, and what comes back to the letter."""

import time

import pytest
import support
from canalgate.proxy.records import KeyFault
from fastgpt import ADMIN, call, done

KEY = "sk-0123456789abcdef"
MASK = "sk-0********cdef"
NEW = {
    "type": 1, "name": "one", "base_url": "", "models": ["gpt-4o"], "model_mapping": {}, "key": KEY,
    "priority": 1,
}  # fmt: skip


@pytest.fixture
async def gateway(tmp_path):
    async with support.gateway(tmp_path, admin={"key": ADMIN}) as made:
        yield made


async def channel(gateway):
    (row,) = await done(gateway, "GET", "/api/channels/all?page=1&perPage=10")
    return row


@pytest.mark.parametrize(
    ("path", "nothing"),
    [
        ("/api/channels/all", []),
        ("/api/channels", {"channels": [], "total": 0}),
        ("/api/channels/search?keyword=x", {"channels": [], "total": 0}),
        ("/api/logs/search?p=1&per_page=20", {"logs": [], "total": 0}),
        ("/api/dashboardv2/", []),
    ],
)
async def test_where_there_is_nothing_lists_are_empty_and_never_null(gateway, path, nothing):
    assert await done(gateway, "GET", path) == nothing


async def test_a_new_channel_is_listed_as_fastgpt_wants_it(gateway):
    began = int(time.time()) * 1000
    await done(gateway, "POST", "/api/channel/", NEW)
    row = await channel(gateway)
    assert row.pop("created_at") >= began
    assert row == {
        "id": 1, "name": "one", "type": 1, "key": MASK, "base_url": "", "proxy_url": "", "models": ["gpt-4o"],
        "model_mapping": {}, "status": 1, "priority": 1, "sets": ["default"], "configs": {},
        "request_count": 0, "used_amount": 0, "retry_count": 0, "balance": 0, "balance_threshold": 0,
        "balance_updated_at": 0,
        "enabled_auto_balance_check": False, "skip_tls_verify": False, "enabled_no_permission_ban": False,
        "warn_error_rate": 0, "max_error_rate": 0,
    }  # fmt: skip


FORMS = [
    ("GET", "/api/channels/all", None),
    ("GET", "/api/channels/type_metas", None),
    ("POST", "/api/channel", {**NEW, "name": "two"}),
    ("PUT", "/api/channel/1", {"name": "new"}),
    ("POST", "/api/channel/1/status", {"status": 2}),
    ("DELETE", "/api/channel/1", None),
    ("GET", "/api/logs/search", None),
    ("GET", "/api/dashboardv2", None),
]


@pytest.mark.parametrize("form", ["{}", "{}/", "/{}//"])
@pytest.mark.parametrize(("method", "path", "body"), FORMS, ids=[f"{m} {p}" for m, p, _ in FORMS])
async def test_every_call_works_with_any_slashes_and_without_a_redirect(gateway, form, method, path, body):
    await done(gateway, "POST", "/api/channel/", NEW)
    await done(gateway, method, form.format(path), body)


@pytest.mark.parametrize("key", [ADMIN, "the-admin-key"])
@pytest.mark.parametrize("scheme", ["Bearer ", "bearer ", ""])
async def test_the_admin_key_is_taken_with_and_without_bearer_and_its_beginning(gateway, scheme, key):
    fields = f"Authorization: {scheme}{key}\r\n"
    request = gateway.request("/api/channels/all", None, "GET", fields, "none")
    assert support.parse_answer(await gateway.raw(request)).status == 200


CALLS = [*FORMS, ("GET", "/api/logs/detail/1", None)]


@pytest.mark.parametrize(("method", "path", "body"), CALLS, ids=[f"{m} {p}" for m, p, _ in CALLS])
async def test_without_the_admin_key_nothing_is_shown_or_done(gateway, method, path, body):
    answer = await call(gateway, method, path, body, gateway.key)
    assert (answer.status, set(answer.json), answer.json["success"]) == (401, {"success", "message"}, False)
    assert await gateway.parts.store.channels() == []


@pytest.mark.parametrize("key", ["none", "wrong", "sk-", "sk-the-admin-ke", "sk-sk-the-admin-key", "é"])
async def test_what_is_not_the_admin_key_opens_nothing(gateway, key):
    assert (await call(gateway, "GET", "/api/channels/all", key=key)).status == 401


@pytest.mark.parametrize("key", ["none", "x"])
async def test_without_an_admin_key_in_the_settings_nobody_has_it(tmp_path, key):
    async with support.gateway(tmp_path) as made:
        assert (await call(made, "GET", "/api/channels/all", key=key)).status == 401


BAD = [
    (b"", "body"),
    (b"{", "body"),
    (b"\xff", "body"),
    (b"[]", "body"),
    (b"null", "body"),
    (b"[" * 100_000, "body"),
    ({**NEW, "type": None}, "type"),
    ({**NEW, "type": "1"}, "type"),
    ({**NEW, "type": 42}, "type"),
    ({**NEW, "type": 2**63}, "type"),
    ({**NEW, "name": ""}, "name"),
    ({**NEW, "name": 5}, "name"),
    ({**NEW, "name": "a\0b"}, "name"),
    ({**NEW, "name": "x" * 192}, "name"),
    ({**NEW, "models": []}, "models"),
    ({**NEW, "models": None}, "models"),
    ({**NEW, "models": "gpt-4o"}, "models"),
    ({**NEW, "models": ["a", ""]}, "models"),
    ({**NEW, "models": [1]}, "models"),
    ({**NEW, "model_mapping": []}, "model_mapping"),
    ({**NEW, "model_mapping": {"a": 1}}, "model_mapping"),
    ({**NEW, "base_url": "ftp://h"}, "channel"),
    ({**NEW, "base_url": "http://h/?a=1"}, "channel"),
    ({**NEW, "key": "a b"}, "channel"),
    ({**NEW, "key": MASK}, "key"),
    ({**NEW, "key": f"{KEY}\na b"}, "channel"),
    ({**NEW, "proxy_url": "gopher://h"}, "proxy_url"),
    ({**NEW, "priority": -1}, "priority"),
    ({**NEW, "priority": 1_000_001}, "priority"),
    ({**NEW, "priority": 1.5}, "priority"),
    ({**NEW, "status": 4}, "status"),
    ({**NEW, "configs": {"unheard_of": 1}}, "configs"),
    ({**NEW, "sets": "default"}, "sets"),
    ({**NEW, "skip_tls_verify": True}, "skip_tls_verify"),
    ({**NEW, "balance_threshold": 1}, "balance_threshold"),
]


@pytest.mark.parametrize(("body", "field"), BAD, ids=range(len(BAD)))
async def test_a_channel_that_cannot_be_is_refused_by_its_field_and_nothing_kept(gateway, body, field):
    answer = await call(gateway, "POST", "/api/channel/", body)
    assert (answer.status, answer.json["success"]) == (400, False)
    assert answer.json["message"].startswith(field)
    assert "0123456789" not in answer.json["message"]
    assert await gateway.parts.store.channels() == []


BAD_EDITS = [(body, field) for body, field in BAD if field not in ("type", "body")]
BAD_EDITS = [(body, field) for body, field in BAD_EDITS if body["name"] and body["models"]]
BAD_EDITS += [
    ({"key": "sk-0********wxyz"}, "key"),
    ({"type": 42}, "type"),
    ({"type": 50, "base_url": ""}, "base_url"),
]


@pytest.mark.parametrize(("body", "field"), [one for one in BAD_EDITS if one[0].get("key") != MASK])
async def test_an_edit_that_cannot_be_is_refused_and_nothing_changed(gateway, body, field):
    await done(gateway, "POST", "/api/channel/", NEW)
    before = await gateway.parts.store.channels()
    answer = await call(gateway, "PUT", "/api/channel/1", body)
    assert (answer.status, answer.json["message"].partition(":")[0].partition("[")[0]) == (400, field)
    assert await gateway.parts.store.channels() == before


@pytest.mark.parametrize(
    "names", [["a b", "ü/鸭:1.0", "\U0001f986", "x" * 500], ["no-such-model-anywhere"], ["../..", "a?b=c#d"]]
)
async def test_no_name_of_a_model_is_refused(gateway, names):
    await done(gateway, "POST", "/api/channel/", {**NEW, "models": names, "model_mapping": {names[0]: "up"}})
    row = await channel(gateway)
    assert (row["models"], row["model_mapping"]) == (names, {names[0]: "up"})


async def test_a_body_in_chunks_is_read(gateway):
    data = b'{"type": 1, "name": "n", "models": ["m"]}'
    head = f"POST /api/channel/ HTTP/1.1\r\nHost: g\r\nAuthorization: Bearer {ADMIN}\r\nConnection: close\r\n"
    framed = b"Transfer-Encoding: chunked\r\n\r\n" + support.chunk(data[:9]) + support.chunk(data[9:])
    answer = support.parse_answer(await gateway.raw(head.encode() + framed + support.STREAM_END))
    assert (answer.status, (await channel(gateway))["name"]) == (200, "n")


async def test_a_body_that_is_too_large_is_refused_in_the_envelope(tmp_path):
    async with support.gateway(tmp_path, admin={"key": ADMIN}, server={"max_body_bytes": 1000}) as made:
        answer = await call(made, "POST", "/api/channel/", {**NEW, "name": "x" * 2000})
    assert (answer.status, answer.json["success"]) == (413, False)


@pytest.mark.parametrize(
    ("priority", "shown"), [(None, 10), (0, 10), (1, 1), (100, 100), (1_000_000, 1_000_000)]
)
async def test_a_priority_is_a_share_of_the_traffic(gateway, priority, shown):
    await done(gateway, "POST", "/api/channel/", {**NEW, "priority": priority})
    assert (await channel(gateway))["priority"] == shown
    (row,) = await gateway.parts.store.channels()
    assert (row.weight, row.priority) == (shown, 0)


EDITS = [
    ({}, {}),
    ({"name": "new"}, {"name": "new"}),
    ({"name": "", "type": 0, "priority": 0}, {}),
    ({"models": ["a", "b", "a"]}, {"models": ["a", "b"]}),
    ({"model_mapping": {"a": "b"}}, {"model_mapping": {"a": "b"}}),
    ({"model_mapping": None, "configs": None, "sets": None, "sets_of": 1}, {}),
    ({"priority": 50}, {"priority": 50}),
    ({"status": 2}, {"status": 2}),
    ({"status": 3}, {}),
    ({"key": MASK}, {}),
    ({"key": "sk-another-key-0987"}, {"key": "sk-a********0987"}),
    ({"proxy_url": "http://u:p@h:1"}, {"proxy_url": "http://u:********@h:1"}),
    ({"sets": ["vip"]}, {"sets": ["vip"]}),
    ({"configs": {"tidy": "on"}}, {"configs": {"tidy": "on"}}),
    ({"base_url": "http://h/v1/chat/completions"}, {"base_url": "http://h/v1"}),
    ({"type": 25}, {"type": 25}),
]


@pytest.mark.parametrize(("edit", "changes"), EDITS, ids=range(len(EDITS)))
async def test_an_edit_changes_what_is_sent_and_nothing_else(gateway, edit, changes):
    await done(gateway, "POST", "/api/channel/", NEW)
    before = await channel(gateway)
    assert await done(gateway, "PUT", "/api/channel/1", edit) == before | changes
    assert await channel(gateway) == before | changes


async def test_the_mask_of_a_key_keeps_the_key(gateway):
    await done(gateway, "POST", "/api/channel/", NEW)
    await done(gateway, "PUT", "/api/channel/1", {**NEW, "key": MASK, "status": 1})
    assert (await gateway.parts.store.channels())[0].key == KEY


async def test_what_a_form_does_not_know_survives_its_edit(gateway):
    made = await gateway.add_channel(
        "http://h/v1", "m", priority=7, weight=3, ratio=2_000_000, groups=("vip",)
    )
    await done(
        gateway,
        "PUT",
        f"/api/channel/{made.id}",
        {**NEW, "base_url": "http://h/v1", "key": "new", "priority": 4},
    )
    (row,) = await gateway.parts.store.channels()
    assert (row.priority, row.weight, row.ratio, row.groups) == (7, 4, 2_000_000, ("vip",))


@pytest.mark.parametrize(("status", "kept"), [(1, "enabled"), (2, "disabled")])
async def test_a_switched_channel_acts_at_once(gateway, status, kept):
    await done(gateway, "POST", "/api/channel/", {**NEW, "status": 3 - status})
    await done(gateway, "POST", "/api/channel/1/status", {"status": status})
    assert gateway.live.snapshot.usable[1].row.status == kept
    assert (("default", "gpt-4o") in gateway.live.snapshot.by_model) == (status == 1)


@pytest.mark.parametrize("body", [{}, {"status": 0}, {"status": 3}, {"status": "1"}, {"status": None}, [1]])
async def test_a_status_that_is_none_is_refused(gateway, body):
    await done(gateway, "POST", "/api/channel/", NEW)
    answer = await call(gateway, "POST", "/api/channel/1/status", body)
    assert (answer.status, answer.json["success"]) == (400, False)
    assert (await channel(gateway))["status"] == 1


async def test_a_channel_all_of_whose_keys_were_refused_says_so_until_it_is_changed(gateway):
    await done(gateway, "POST", "/api/channel/", NEW)
    store, key_hash = gateway.parts.store, gateway.parts.vault.key_hash(KEY)
    for change in (
        ("PUT", "/api/channel/1", {"status": 3}),
        ("POST", "/api/channel/1/status", {"status": 1}),
    ):
        await store.faults.add(KeyFault(1, key_hash, "credential", "", 1))
        assert (await channel(gateway))["status"] == 3
        await done(gateway, *change)
        assert (await channel(gateway))["status"] == 1


MISSING = [
    ("GET", "/api/channel/7", None),
    ("PUT", "/api/channel/7", {"name": "x"}),
    ("POST", "/api/channel/7/status", {"status": 1}),
    ("DELETE", "/api/channel/7", None),
    ("DELETE", "/api/channel/0", None),
    ("DELETE", "/api/channel/99999999999999999", None),
    ("GET", "/api/logs/detail/7", None),
    ("GET", "/api/logs/detail/99999999999999999", None),
]


@pytest.mark.parametrize(("method", "path", "body"), MISSING)
async def test_what_is_not_there_is_not_found(gateway, method, path, body):
    answer = await call(gateway, method, path, body)
    assert (answer.status, answer.json["success"]) == (404, False)
    assert "record not found" in answer.json["message"]


@pytest.mark.parametrize(
    "path", ["/api/channel/x", "/api/channel/-1", "/api/logs/detail/1.5", "/api/nothing"]
)
async def test_a_path_that_is_none_is_an_error_in_json(gateway, path):
    answer = await call(gateway, "GET", path)
    assert (answer.status, answer.error["code"]) == (404, "unknown_url")


async def test_a_deleted_channel_is_gone_with_what_was_kept_beside_it(gateway):
    await done(gateway, "POST", "/api/channel/", {**NEW, "type": 47, "base_url": "http://h/v1"})
    assert (await channel(gateway))["type"] == 47
    await done(gateway, "DELETE", "/api/channel/1")
    assert await done(gateway, "GET", "/api/channels/all") == []
    assert await gateway.parts.store.numbers.all() == {}
    assert 1 not in gateway.live.snapshot.usable


@pytest.mark.parametrize("body", [[1, 2, 9], {"ids": [1, 2, 9]}])
async def test_many_channels_are_deleted_at_once(gateway, body):
    await done(gateway, "POST", "/api/channel/", {**NEW, "key": "a\nb\nc"})
    await done(gateway, "POST", "/api/channels/batch_delete", body)
    assert (await channel(gateway))["id"] == 3


async def test_a_page_of_channels_has_the_number_of_all(gateway):
    await done(gateway, "POST", "/api/channel/", {**NEW, "key": "a\nb\nc"})
    page = await done(gateway, "GET", "/api/channels/?page=2&per_page=2&search=GPT")
    assert ([row["id"] for row in page["channels"]], page["total"]) == ([3], 3)
    assert (await done(gateway, "GET", "/api/channels/search?keyword=other"))["total"] == 0


async def test_the_status_needs_no_key_and_serves_both_kinds_of_clients(gateway):
    answer = await call(gateway, "GET", "/api/status", key="none")
    data = answer.json["data"]
    assert (answer.status, answer.json["success"], data["startTime"]) == (200, True, data["start_time"])


async def test_an_unexpected_failure_is_said_without_its_text(gateway):
    async with gateway.parts.store.database.transaction() as transaction:
        await transaction.run("DROP TABLE channel_numbers")
    answer = await call(gateway, "GET", "/api/channels/all")
    assert (answer.status, answer.json) == (
        500, {"success": False, "message": "internal error of the gateway"},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "body: "),
        ({"dsn": 5}, "dsn: "),
        ({"dsn": " "}, "dsn: expected the address"),
        ({"dsn": "/etc/passwd"}, "dsn: "),
        ({"dsn": "sqlite:///etc/passwd"}, "dsn: "),
        ({"dsn": "oracle://root:hidden@h/db"}, "dsn: "),
        ({"dsn": "root:hidden@tcp(127.0.0.1:1)/db"}, "dsn: "),
        ({"dsn": "postgres://root:hidden@127.0.0.1:1/db"}, "dsn: "),
    ],
)
async def test_a_database_that_cannot_be_read_is_said_without_its_password(gateway, body, said):
    answer = await call(gateway, "POST", "/api/channels/import/oneapi", body)
    assert (answer.status, answer.json["success"]) == (400, False)
    assert answer.json["message"].startswith(said)
    assert b"hidden" not in answer.body
