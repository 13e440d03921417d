"""What every operation has in common: strict bodies, pages, tags, idempotency, the audit trail."""

import asyncio

import pytest
import support
from admin_client import ADMIN_KEY, Client

CHANNEL = {
    "type": "openai",
    "name": "a",
    "models": ["m"],
    "base_url": "http://h/v1",
    "key": "sk-1234567890wxyz",
}

BAD = [
    ("POST", "/channels", b"{", None), ("POST", "/channels", b"[]", None), ("POST", "/channels", b"", None),
    ("POST", "/channels", b'"\xff"', None), ("POST", "/channels", b"[" * 200_000, None),
    ("POST", "/channels", {**CHANNEL, "colour": 1}, "colour"),
    ("POST", "/channels", {**CHANNEL, "priority": "1"}, "priority"),
    ("POST", "/channels", {**CHANNEL, "priority": 1.5}, "priority"),
    ("POST", "/channels", b'{"type":"a","name":"a","models":["m"],"priority":1%b}' % (b"0" * 30), "priority"),
    ("POST", "/channels", {**CHANNEL, "models": ["m", 7]}, "models[1]"),
    ("POST", "/channels", {**CHANNEL, "models": []}, "models"),
    ("POST", "/channels", {**CHANNEL, "models": [" "]}, "models"),
    ("POST", "/channels", {**CHANNEL, "name": "a\0b"}, "name"),
    ("POST", "/channels", {**CHANNEL, "name": "\x1b[2J"}, "name"),
    ("POST", "/channels", {**CHANNEL, "name": "x" * 192}, "name"),
    ("POST", "/channels", {**CHANNEL, "type": "gone"}, "type"),
    ("POST", "/channels", {**CHANNEL, "ratio": "1,2"}, "ratio"),
    ("POST", "/channels", {**CHANNEL, "status": "off"}, "status"),
    ("POST", "/channels", {**CHANNEL, "times": {"idle_s": -1}}, "times.idle_s"),
    ("POST", "/channels", {**CHANNEL, "times": {"idel_s": 1}}, "times.idel_s"),
    ("POST", "/channels", {**CHANNEL, "proxy": "nonsense"}, "proxy"),
    ("POST", "/channels", {**CHANNEL, "options": {"unknown": "x"}}, "options"),
    ("POST", "/channels", {"name": "a", "models": ["m"]}, "type"),
    ("GET", "/channels?limit=0", None, "limit"), ("GET", "/channels?limit=many", None, "limit"),
    ("GET", "/channels?limit=201", None, "limit"), ("GET", "/channels?after=-1", None, "after"),
    ("GET", "/channels?colour=red", None, "colour"), ("GET", "/channels?limit=1&limit=2", None, "limit"),
    ("GET", "/channels?search=%00", None, "search"), ("PUT", "/groups/a%00b", {"ratio": "1"}, "name"),
    ("PATCH", "/channels/1", {"mapping": {"m": "a\0"}}, "mapping.m"),
    ("PATCH", "/channels/1", {"models": ["m", "a\0"]}, "models[1]"), ("GET", "/me?x=1", None, "x"),
    ("GET", "/channels/0", None, "id"), ("GET", "/channels/x", None, "id"),
    ("GET", "/channels/99999999999999999999", None, "id"), ("GET", "/logs?after=x", None, "after"),
    ("POST", "/users", {"name": "bob", "role": "king"}, "role"),
    ("POST", "/users", {"name": "bob", "role": "root"}, "role"),
    ("POST", "/users", {"name": "bob", "quota": -1}, "quota"),
    ("POST", "/users", {"name": "bob", "password": "short"}, "password"),
    ("POST", "/users/1/topup", {"amount": 0}, "amount"),
    ("POST", "/tokens", {"name": "t", "user_id": 1, "subnets": ["10.0.0.0/99"]}, "subnets"),
    ("POST", "/tokens", {"name": "t", "user_id": 1, "expires_at": 5}, "expires_at"),
    ("POST", "/codes", {"quota": 0}, "quota"), ("POST", "/codes", {"quota": 5, "count": 1001}, "count"),
    ("PUT", "/prices/m", {}, "price"), ("PUT", "/prices/m", {"prompt": "-1"}, "prompt"),
    ("PUT", "/prices/m", {"prompt": 2.5}, "prompt"), ("PUT", "/prices/m", {"prompt": "1e999"}, "prompt"),
    ("PUT", "/groups/vip", {"ratio": "-1"}, "ratio"), ("PUT", "/limits/nobody", {}, "subject"),
    ("PUT", "/limits/user:*", {"requests_per_minute": -1}, "requests_per_minute"),
    ("GET", "/usage?by=colour", None, "by"), ("GET", "/usage?by=channel&user_id=1", None, "by"),
    ("GET", "/usage?span=hour&since=0", None, "since"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "body", "field"), BAD)
async def test_bad_input_is_a_400_that_names_the_field_and_nothing_is_kept(root, method, path, body, field):
    store = root.gateway.parts.store
    before = await store.generation()
    answer = await root.ask(method, path, body)
    assert (answer.status, answer.error["param"]) == (400, field), answer.body
    assert await store.generation() == before
    assert (await root.get("/audit")).json["data"] == []


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""]
)
async def test_only_json_is_read(root, kind):
    answer = await root.post("/channels", CHANNEL, Content_Type=kind)
    assert (answer.status, answer.error["code"]) == (415, "unsupported_type")


async def test_a_body_that_is_too_large_is_refused(root):
    answer = await root.post("/channels", b" " * (1024 * 1024 + 1))
    assert answer.status == 413


MISSING = [
    ("GET", "/channels/7", None), ("PATCH", "/channels/7", {}), ("DELETE", "/channels/7", None),
    ("GET", "/tokens/7", None), ("PATCH", "/tokens/7", {}), ("DELETE", "/tokens/7", None),
    ("GET", "/users/7", None), ("PATCH", "/users/7", {}), ("POST", "/users/7/topup", {"amount": 1}),
    ("PUT", "/users/7/password", {"password": "long enough"}),
    ("POST", "/tokens", {"name": "a", "user_id": 7}),
    ("GET", "/codes/7", None), ("PATCH", "/codes/7", {"status": "disabled"}), ("DELETE", "/prices/m", None),
    ("DELETE", "/limits/user:1", None), ("PUT", "/limits/user:7", {}), ("PUT", "/limits/token:07", {}),
    ("PUT", "/limits/channel:99999999999999999999", {}), ("GET", "/logs/" + "0" * 24, None),
    ("GET", "/logs/nonsense", None), ("GET", "/nonsense", None), ("GET", "/channels/7/keys", None),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "body"), MISSING)
async def test_what_is_not_there_is_a_404(root, method, path, body):
    answer = await root.ask(method, path, body)
    assert answer.status == 404
    assert answer.error["code"] in ("not_found", "unknown_url")


async def test_a_method_that_is_not_there_names_those_that_are(root):
    answer = await root.delete("/channels")
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD, POST")
    assert answer.error["code"] == "method_not_allowed"


async def test_answers_are_not_stored_and_do_not_say_what_serves(root):
    headers = (await root.get("/me")).headers
    assert (headers["cache-control"], headers["x-content-type-options"]) == ("no-store", "nosniff")
    assert "server" not in headers


async def test_a_walk_over_pages_sees_everything_once(root):
    for number in range(5):
        await root.post("/users", {"name": f"user {number}"})
    seen, after = [], "0"
    while after is not None:
        page = (await root.get(f"/users?limit=2&after={after}")).json
        seen += [user["name"] for user in page["data"]]
        after = page["next"]
    assert seen == ["root", *(f"user {number}" for number in range(5))]


async def made(root, **more):
    answer = await root.post("/channels", {**CHANNEL, **more})
    assert answer.status == 201, answer.body
    return answer


async def test_an_edit_of_what_has_changed_since_it_was_read_is_refused(root):
    tag = (await made(root)).headers["etag"]
    assert (await root.get("/channels/1")).headers["etag"] == tag
    first = await root.patch("/channels/1", {"name": "b"}, If_Match=tag)
    assert first.status == 200
    assert first.headers["etag"] != tag
    for again in (
        await root.patch("/channels/1", {"name": "c"}, If_Match=tag),
        await root.delete("/channels/1", If_Match=tag),
    ):
        assert (again.status, again.error["code"]) == (412, "precondition_failed")
    assert (await root.get("/channels/1")).json["name"] == "b"


@pytest.mark.parametrize("wanted", ["*", '"x", {tag}', "{tag}"])
async def test_an_edit_of_what_is_as_it_was_read_is_made(root, wanted):
    tag = (await made(root)).headers["etag"]
    answer = await root.patch("/channels/1", {"name": "b"}, If_Match=wanted.replace("{tag}", tag))
    assert answer.status == 200


async def test_a_tag_changes_with_a_secret(root):
    tag = (await made(root)).headers["etag"]
    assert (await root.patch("/channels/1", {"key": "sk-other-key-wxyz"})).headers["etag"] != tag


async def test_of_many_edits_at_once_none_is_lost(root):
    await made(root, options={}, mapping={})
    fields = [{"name": "b"}, {"priority": 3}, {"weight": 5}, {"ratio": "2"}, {"groups": ["vip"]}]
    answers = await asyncio.gather(*(root.patch("/channels/1", field) for field in fields))
    assert [answer.status for answer in answers] == [200] * 5
    channel = (await root.get("/channels/1")).json
    assert {name: channel[name] for field in fields for name in field} == {
        name: value for field in fields for name, value in field.items()
    }


async def test_a_token_that_is_asked_for_twice_is_made_once(root):
    body = {"name": "t", "user_id": 1}
    first = await root.post("/tokens", body, Idempotency_Key="k")
    again = await root.post("/tokens/", body, Idempotency_Key="k")
    assert (first.status, first.body) == (again.status, again.body) == (201, first.body)
    assert again.headers["idempotent-replayed"] == "true"
    assert len((await root.get("/tokens")).json["data"]) == 2  # with the gateway's own


async def test_the_same_at_the_same_time_is_made_once(root):
    body = {"name": "t", "user_id": 1}
    answers = await asyncio.gather(*(root.post("/tokens", body, Idempotency_Key="k") for _ in range(5)))
    assert {answer.status for answer in answers} <= {201, 409}
    assert len((await root.get("/tokens")).json["data"]) == 2


async def test_a_key_for_something_else_is_refused_and_one_that_failed_is_free(root, anna):
    assert (await root.post("/tokens", {"name": "t", "user_id": 77}, Idempotency_Key="k")).status == 404
    assert (await root.post("/tokens", {"name": "t", "user_id": 1}, Idempotency_Key="k")).status == 201
    assert (await root.post("/tokens", {"name": "u", "user_id": 1}, Idempotency_Key="k")).status == 409
    assert (await anna.post("/tokens", {"name": "u"}, Idempotency_Key="k")).status == 201
    assert (await root.post("/tokens", {"name": "u", "user_id": 1}, Idempotency_Key="x" * 192)).status == 409


async def test_a_kept_answer_is_sealed(root, tmp_path):
    key = (await root.post("/tokens", {"name": "t", "user_id": 1}, Idempotency_Key="k")).json["key"]
    files = [path.read_bytes() for path in tmp_path.iterdir() if path.is_file()]
    assert not [data for data in files if key.encode() in data]


async def test_every_change_is_in_the_audit_trail_with_who_and_whence(root, admin):
    await made(admin)
    await root.patch("/channels/1", {"name": "b", "key": "sk-other-key-wxyz", "status": "disabled"})
    await root.patch("/channels/1", {"name": "b"})
    await admin.delete("/channels/1")
    await admin.delete("/channels/1")  # is not there any more, so nothing is done
    rows = (await root.get("/audit?subject=channel:1")).json["data"]
    assert [(row["actor"], row["act"], row["detail"]) for row in rows] == [
        ("adam", "remove_channel", {"name": "b"}),
        ("admin key", "change_channel", {}),
        (
            "admin key", "change_channel",
            {"name": ["a", "b"], "status": ["enabled", "disabled"], "key": "changed"},
        ),
        ("adam", "create_channel", {"name": "a", "type": "openai", "models": ["m"]}),
    ]  # fmt: skip
    assert {row["address"] for row in rows} == {"127.0.0.1"}
    assert len((await root.get("/audit?actor=adam&limit=1")).json["data"]) == 1


@pytest.mark.parametrize("turns", [0, 1, 5, 20])
async def test_no_change_is_without_its_row_though_its_client_leaves(tmp_path, turns):
    async with support.gateway(tmp_path, admin={"key": ADMIN_KEY}) as gateway:
        fields = f"Authorization: Bearer {ADMIN_KEY}\r\n"
        request = gateway.request("/api/v1/tokens", {"name": "t", "user_id": 1}, "POST", fields, "none")
        _, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        writer.write(request)
        await writer.drain()
        for _ in range(turns):
            await asyncio.sleep(0)
        writer.transport.abort()
    async with support.opened_store(tmp_path) as store:
        assert len(await store.tokens()) - 1 == len(await store.trail.page(2**62, 10))


@pytest.mark.parametrize("path", ["/openapi.json", "/docs"])
async def test_the_description_needs_no_key_and_runs_no_script(gateway, path):
    answer = await Client(gateway).get(path)
    assert answer.status == 200
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert b"<script" not in answer.body


async def test_the_document_describes_what_is_served(gateway):
    document = (await Client(gateway).get("/openapi.json")).json
    assert document["openapi"] == "3.1.0"
    channel = document["paths"]["/api/v1/channels/{id}"]["patch"]
    assert {one["name"] for one in channel["parameters"]} == {"id", "If-Match"}
    assert channel["requestBody"]["content"]["application/json"]["schema"]["$ref"].endswith("/ChannelChange")
    assert "key" not in document["components"]["schemas"]["Channel"]["properties"]
