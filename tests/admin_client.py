"""A client of the admin API in tests: who it asks as, and what it is answered."""

from dataclasses import dataclass

import support
from canalgate.proxy.keys.vault import hash_password
from canalgate.proxy.records import ENABLED, ROLES, User

ADMIN_KEY = "the-admin-key-of-the-tests"
PASSWORD = "correct horse"
HASHED = hash_password(PASSWORD)


@dataclass
class Client:
    """Asks with this `Authorization`, or with this cookie. `user_id` is None for the admin key."""

    gateway: support.Gateway
    authorization: str = ""
    cookie: str = ""
    user_id: int | None = None

    async def ask(self, method, path, body=None, **headers):
        """Ask a path below /api/v1; names of header fields are written with underscores."""
        if self.authorization:
            headers.setdefault("authorization", self.authorization)
        if self.cookie:
            headers.setdefault("cookie", self.cookie)
        fields = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        request = self.gateway.request(f"/api/v1{path}", body, method, fields, key="none")
        return support.parse_answer(await self.gateway.raw(request))

    async def get(self, path, **headers):
        return await self.ask("GET", path, None, **headers)

    async def post(self, path, body=None, **headers):
        return await self.ask("POST", path, body, **headers)

    async def put(self, path, body, **headers):
        return await self.ask("PUT", path, body, **headers)

    async def patch(self, path, body, **headers):
        return await self.ask("PATCH", path, body, **headers)

    async def delete(self, path, **headers):
        return await self.ask("DELETE", path, None, **headers)


async def person(gateway, name, role, status=ENABLED, quota=None, hashed=HASHED):
    """Add a user and return a client that acts for them by an access token."""
    store = gateway.parts.store
    user = await store.add_user(User(0, name, ROLES[role], "default", status, 1, hashed), quota)
    token = f"access-token-of-{name}"
    await store.sessions.set_access_token(user.id, gateway.parts.vault.token_hash(token), 1)
    return Client(gateway, token, user_id=user.id)
