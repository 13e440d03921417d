"""Two management APIs at one place: who asks decides which of them answers."""

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from canalgate.proxy.admin.desk import Desk
from canalgate.proxy.admin.dialects import add_dialects
from canalgate.proxy.admin.site import make_site
from canalgate.proxy.config import Admin, Config


def says(word):
    async def handler(request):
        return web.json_response([word, *request.match_info.values()])

    return handler


AI_PROXY = {("GET", "/api/channel/{id}"): says("ai proxy"), ("GET", "/api/ours/"): says("ai proxy")}
ONE_API = {("GET", "/api/channel/{id}"): says("one api"), ("GET", "/api/theirs"): says("one api")}


@pytest.fixture
async def client():
    site = make_site(Desk(Config(admin=Admin(key="sk-key")), *[None] * 6))
    add_dialects(site, AI_PROXY, ONE_API)
    async with TestClient(TestServer(site)) as made:
        yield made


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize(
    ("path", "key", "status", "said"),
    [
        ("/api/channel/5", "Bearer sk-key", 200, ["ai proxy", "5"]),
        ("/api/channel/5", "key", 200, ["ai proxy", "5"]),
        ("/api/channel/5", "Bearer other", 200, ["one api", "5"]),
        ("/api/channel/5", "", 200, ["one api", "5"]),
        ("/api/ours", "Bearer key", 200, ["ai proxy"]),
        ("/api/ours", "Bearer other", 401, {"success": False, "message": "this page needs the admin key"}),
        ("/api/theirs", "Bearer key", 200, ["one api"]),
        ("/api/theirs", "", 200, ["one api"]),
    ],
)
async def test_who_asks_decides_who_answers(client, path, slash, key, status, said):
    answer = await client.get(
        path + slash, headers={"Authorization": key} if key else {}, allow_redirects=False
    )
    assert (answer.status, await answer.json()) == (status, said)


def test_a_place_that_is_spelt_in_two_ways_is_refused():
    site = make_site(Desk(Config(), *[None] * 6))
    with pytest.raises(ValueError, match="are the same place"):
        add_dialects(site, AI_PROXY, {("PUT", r"/api/channel/{number:\d+}"): says("one api")})
