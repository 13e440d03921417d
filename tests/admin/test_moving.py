"""Moving in over the admin API: progress as it comes, all or nothing, and no file and no secret."""

import json

import pytest
import sources
from canalgate.proxy.admin.site import DESK
from sources import key
from support import json_answer


@pytest.fixture(params=["postgres", "mysql"])
async def place(request, provider, servers, tmp_path):
    """The address of a database of One API, whose provider answers."""
    provider.says(json_answer({"id": "c", "choices": [], "usage": None}))
    rows = sources.one_api_rows(f"http://127.0.0.1:{provider.port}")
    rows["abilities"] = sources.abilities_of(rows["channels"])
    async with sources.source(request.param, servers, tmp_path, sources.ONE_API, rows) as dsn:
        yield dsn


def lines(answer):
    assert answer.status == 200, answer.body
    return [json.loads(line) for line in answer.body.splitlines()]


async def test_a_gateway_is_moved_in_with_its_log_and_a_second_time_nothing_comes(root, gateway, place):
    dry = lines(await root.post("/imports", {"kind": "oneapi", "dsn": place, "dry_run": True}))[-1]["report"]
    assert dry["dry_run"]
    assert (await root.get("/users?search=anna")).json["data"] == []
    answer = await root.post("/imports", {"kind": "oneapi", "dsn": place, "logs": True})
    *progress, last = lines(answer)
    assert all(one["report"] is None and one["what"] for one in progress)
    report = last["report"]
    counts = {one["kind"]: one for one in report["counts"]}
    assert counts["user"]["new"] > 0
    assert counts == {one["kind"]: one for one in dry["counts"]}
    assert report["logs_brought"] > 0
    assert (await root.get("/users?search=anna")).json["data"][0]["group"] == "vip"
    assert (await gateway.chat("m1", key=f"sk-{key('b')}")).status == 200
    again = lines(await root.post("/imports", {"kind": "oneapi", "dsn": place, "logs": True}))[-1]["report"]
    assert {one["new"] for one in again["counts"]} == {0}
    assert again["logs_brought"] == 0
    acts = [one["act"] for one in (await root.get("/audit?subject=import:oneapi")).json["data"]]
    assert acts == ["import_finished", "import_gateway"] * 2 + ["import_gateway"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"kind": "oneapi"}, "dsn"), ({"kind": "litellm", "dsn": "x"}, "kind"),
        ({"kind": "oneapi", "dsn": ""}, "dsn"), ({"kind": "oneapi", "dsn": "/etc/passwd"}, "dsn"),
        ({"kind": "oneapi", "dsn": "sqlite:///etc/passwd"}, "dsn"),
        ({"kind": "newapi", "dsn": "root:hidden@tcp(127.0.0.1:1)/db"}, "dsn"),
        ({"kind": "aiproxy", "dsn": "postgres://root:hidden@127.0.0.1:1/db"}, "dsn"),
        ({"kind": "oneapi", "dsn": "x", "dry_run": 1}, "dry_run"),
    ],
)  # fmt: skip
async def test_what_cannot_be_read_is_refused_without_its_password(root, body, field):
    answer = await root.post("/imports", body)
    assert (answer.status, answer.error["param"]) == (400, field)
    assert b"hidden" not in answer.body
    assert b"hidden" not in (await root.get("/audit")).body


async def test_one_import_at_a_time(root, gateway):
    async with gateway.front._full._site[DESK].importing:
        answer = await root.post("/imports", {"kind": "oneapi", "dsn": "postgres://h/db"})
    assert (answer.status, answer.error["code"]) == (409, "import_running")
