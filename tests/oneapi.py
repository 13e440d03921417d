"""Programs that speak One API's management API to a gateway: what its tests share."""

import secrets
from dataclasses import dataclass

import support
from canalgate.proxy.records import ENABLED, ROLES, User

ADMIN_KEY = "the-admin-key-of-this-test"
PASSWORD = "correct horse"
REPLY = support.json_answer(
    {
        "id": "c", "object": "chat.completion", "created": 1, "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1000, "completion_tokens": 10, "total_tokens": 1010},
    }
)  # fmt: skip


@dataclass
class Console:
    """A program that acts for a user by their access token; by nobody's where it is empty."""

    gateway: support.Gateway
    token: str = ""
    user: User | None = None
    bearer: str = "Bearer "

    async def send(self, method, path, body=None, headers=""):
        auth = f"Authorization: {self.bearer}{self.token}\r\n" if self.token else ""
        request = self.gateway.request(path, body, method, headers + auth, "none")
        return support.parse_answer(await self.gateway.raw(request))

    async def ask(self, method, path, body=None):
        """Send, and return what is under `data` of a success."""
        answer = await self.send(method, path, body)
        assert answer.status == 200, answer.body
        assert answer.json["success"] is True, answer.json
        assert answer.json["message"] == ""
        return answer.json.get("data")

    async def refused(self, method, path, body=None):
        """Send, and return the message of a failure, which has status 200."""
        answer = await self.send(method, path, body)
        assert answer.status == 200, answer.body
        assert answer.json["success"] is False, answer.json
        assert "data" not in answer.json
        return answer.json["message"]

    async def only(self, path):
        """The one row of a list."""
        (row,) = await self.ask("GET", path)
        return row


async def console_of(gateway, name, role, **fields):
    store, vault = gateway.parts.store, gateway.parts.vault
    user = await store.user(name)
    if user is None:
        quota = fields.pop("quota", None)
        user = await store.add_user(User(0, name, ROLES[role], "default", ENABLED, 1, **fields), quota)
    token = secrets.token_hex(16)
    await store.sessions.set_access_token(user.id, vault.token_hash(token), 1)
    await gateway.live.catch_up()
    return Console(gateway, token, user)


def running(tmp_path):
    """A gateway with an admin key."""
    return support.gateway(tmp_path, admin={"key": ADMIN_KEY})


def chat(model="m"):
    """The body of a request."""
    return {"model": model, "messages": [{"role": "user", "content": "hi"}]}
