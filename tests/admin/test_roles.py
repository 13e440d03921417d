"""Every path of the admin API, and what each kind of caller is told: a path without a row fails."""

import pytest
from admin_client import Client, person
from canalgate.proxy.admin.operations import PREFIX
from canalgate.proxy.admin.resources import OPERATIONS

CALLERS = ("nobody", "disabled", "user", "admin", "root", "key")

ANYBODY = dict.fromkeys(CALLERS, True)
USERS = {"nobody": 401, "disabled": 403, "user": True, "admin": True, "root": True, "key": True}
ADMINS = {**USERS, "user": 403}
ROOT = {**ADMINS, "admin": 403}

PATHS = {
    "GET /openapi.json": ANYBODY,
    "GET /docs": ANYBODY,
    "GET /money": ANYBODY,
    "GET /setup": ANYBODY,
    "POST /setup": ANYBODY,
    "POST /login": ANYBODY,
    "GET /sign-up": ANYBODY,
    "POST /sign-up": ANYBODY,
    "GET /me/invitation": USERS,
    "POST /logout": USERS,
    "GET /me": USERS,
    "PUT /me/password": USERS,
    "POST /me/access-token": USERS,
    "DELETE /me/access-token": USERS,
    "POST /me/redeem": USERS,
    "GET /me/credits": USERS,
    "GET /me/sessions": USERS,
    "DELETE /me/sessions": USERS,
    "DELETE /me/sessions/{id}": USERS,
    "GET /users/{id}/sessions": ADMINS,
    "DELETE /users/{id}/sessions": ADMINS,
    "GET /users/{id}/credits": ADMINS,
    "DELETE /users/{id}": ADMINS,
    "POST /channels/{id}/reveal": ADMINS,
    "GET /adapters": ADMINS,
    "GET /channels": ADMINS,
    "POST /channels": ADMINS,
    "GET /channels/{id}": ADMINS,
    "PATCH /channels/{id}": ADMINS,
    "DELETE /channels/{id}": ADMINS,
    "GET /channels/{id}/health": ADMINS,
    "POST /channels/{id}/test": ADMINS,
    "POST /channels/test": ADMINS,
    "POST /channels/{id}/models/fetch": ADMINS,
    "POST /channels/{id}/balance": ADMINS,
    "POST /channels/{id}/models/sync": ADMINS,
    "GET /models": ADMINS,
    "GET /models/{model}": ADMINS,
    "PUT /models/{model}/route": ADMINS,
    "DELETE /models/{model}/route": ADMINS,
    "GET /route": ADMINS,
    "GET /tokens": USERS,
    "POST /tokens": USERS,
    "GET /tokens/{id}": USERS,
    "PATCH /tokens/{id}": USERS,
    "DELETE /tokens/{id}": USERS,
    "GET /users": ADMINS,
    "POST /users": ADMINS,
    "GET /users/{id}": ADMINS,
    "PATCH /users/{id}": ADMINS,
    "PUT /users/{id}/password": ADMINS,
    "POST /users/{id}/topup": ADMINS,
    "GET /groups": ADMINS,
    "PUT /groups/{name}": ROOT,
    "GET /codes": ADMINS,
    "POST /codes": ADMINS,
    "GET /codes/{id}": ADMINS,
    "PATCH /codes/{id}": ADMINS,
    "GET /prices": ADMINS,
    "PUT /prices/{model}": ROOT,
    "DELETE /prices/{model}": ROOT,
    "GET /limits": ADMINS,
    "PUT /limits/{subject}": ADMINS,
    "DELETE /limits/{subject}": ADMINS,
    "GET /logs": USERS,
    "GET /logs/{request_id}": USERS,
    "GET /logs/tail": USERS,
    "GET /logs/export": USERS,
    "GET /usage": USERS,
    "GET /audit": ROOT,
    "POST /imports": ROOT,
    "GET /backup": ROOT,
    "POST /backup": ROOT,
    "GET /events": ADMINS,
    "GET /options": ADMINS,
    "PUT /options/{name}": ROOT,
    "DELETE /options/{name}": ROOT,
    "GET /plugins": ADMINS,
    "GET /about": ADMINS,
}


@pytest.fixture
async def callers(gateway, root):
    store, vault = gateway.parts.store, gateway.parts.vault
    await store.sessions.set_access_token(1, vault.token_hash("access-token-of-root"), 1)
    return {
        "nobody": Client(gateway),
        "disabled": await person(gateway, "daniel", "root", status="disabled"),
        "user": await person(gateway, "anna", "user"),
        "admin": await person(gateway, "adam", "admin"),
        "root": Client(gateway, "access-token-of-root", user_id=1),
        "key": root,
    }


async def served(gateway):
    """Methods and paths that are routed, without the form with a slash."""
    site = await gateway.site()
    routes = [(route.method, route.resource.canonical) for route in site.router.routes()]
    return {
        f"{method} {path.removeprefix(PREFIX)}"
        for method, path in routes
        if path.startswith(PREFIX) and method != "HEAD" and not path.endswith("/")
    }


async def test_every_path_has_a_row_and_every_row_a_path(gateway):
    assert await served(gateway) == set(PATHS)


def test_every_operation_has_a_description_and_a_name_of_its_own():
    assert all(operation.text for operation in OPERATIONS)
    assert len({operation.name for operation in OPERATIONS}) == len(OPERATIONS)


@pytest.mark.parametrize("row", PATHS)
@pytest.mark.parametrize("slash", ["", "/"])
async def test_who_may_ask_is_answered_and_nobody_else(callers, row, slash):
    method, path = row.split()
    path = path.replace("{id}", "999").replace("{request_id}", "x").replace("{", "").replace("}", "")
    # What goes on for minutes is asked what it does not know.
    asked = f"{path}{slash}?nonsense=1" if path == "/logs/tail" else path + slash
    told = {}
    for who, client in callers.items():
        # A body that nobody takes: who may ask is told so, with a 400 that names the field.
        body = {"nonsense": 1} if method in ("POST", "PUT", "PATCH") else None
        answer = await client.ask(method, asked, body)
        refused = answer.status in (401, 403) and answer.error["code"] in (
            "invalid_api_key", "role_too_low", "account_disabled",
        )  # fmt: skip
        told[who] = answer.status if refused else True
        assert answer.status < 500
    assert told == PATHS[row]
