"""Who one is: setting up, logging in and out, one's own password, access token and balance."""

from __future__ import annotations

import hmac
import time

from ...errors import GatewayError, forbidden
from ...keys.vault import is_awaiting_setup
from ...manage import users
from ...records import User
from .. import sessions
from ..fields import Given, Id, Name, Shown, Word
from ..operations import Call, Operations
from .balances import Balance, balance_of, role_name

operations = Operations("account")


class Setup(Given, frozen=True, kw_only=True):
    """The secret of the first start, and the root user's password from now on."""

    secret: Word
    password: Word


class SetupState(Shown, frozen=True, kw_only=True):
    """Whether the root user still awaits a password."""

    awaiting: bool


class Login(Given, frozen=True, kw_only=True):
    """A name and its password."""

    name: Word
    password: Word


class NewPassword(Given, frozen=True, kw_only=True):
    """The password one has, and the one to have."""

    old: Word
    new: Word


class Redemption(Given, frozen=True, kw_only=True):
    """A redemption code."""

    code: Name


class Redeemed(Shown, frozen=True, kw_only=True):
    """What a code has added, and how the balance stands."""

    quota: int
    balance: Balance


class AccessToken(Shown, frozen=True, kw_only=True):
    """An access token. It is shown only now."""

    access_token: str


class Me(Shown, frozen=True, kw_only=True):
    """Who asks. The admin key is nobody's: it has no id, group or balance."""

    id: int | None
    name: str
    role: str
    group: str | None
    balance: Balance | None


@operations.get("/setup", "public")
async def show_setup(call: Call) -> SetupState:
    """Say whether the root user still awaits a password, for pages that ask for it."""
    root = await call.desk.store.user(users.ROOT_NAME)
    return SetupState(awaiting=root is not None and is_awaiting_setup(root.password_hash))


@operations.post("/setup", "public", status=200, once=False)
async def set_up(call: Call, body: Setup) -> None:
    """Set the root user's password with the secret of the first start, once."""
    desk = call.desk
    desk.door.knock(call.address, "setup secret", time.monotonic())
    root = await desk.store.user(users.ROOT_NAME)
    if root is None or not is_awaiting_setup(root.password_hash):
        raise GatewayError(409, "the root user has a password already", code="setup_done")
    if not hmac.compare_digest(root.password_hash, desk.vault.setup_hash(body.secret)):
        raise GatewayError(401, "wrong setup secret", code="wrong_secret", param="secret")
    hashed = await desk.door.hashed(users.checked_password(body.password))
    await users.set_password(desk.store, root, hashed)
    desk.door.welcome(call.address, "setup secret")
    call.note(f"user:{root.id}")
    call.noted.actor = "setup secret"


@operations.post("/login", "public", status=200, once=False)
async def log_in(call: Call, body: Login) -> Me:
    """Begin a session, which is in the cookie of the answer. Whoever guesses has to wait."""
    user, session = await sessions.log_in(call.desk, body.name, body.password, call.address)
    await sessions.log_out(call.desk, sessions.session_of(call.request))
    call.note(f"user:{user.id}")
    call.noted.actor, call.noted.session = user.name, session
    return await shown_me(call, user)


@operations.post("/logout", "user", once=False)
async def log_out(call: Call) -> None:
    """End the session that the cookie holds."""
    await sessions.log_out(call.desk, sessions.session_of(call.request))
    call.note(f"user:{call.actor.user_id or ''}")
    call.noted.session = ""


@operations.get("/me", "user")
async def show_me(call: Call) -> Me:
    """Show who asks, and how their balance stands."""
    actor = call.actor
    if actor.user_id is None:
        return Me(id=None, name=actor.name, role=role_name(actor.role), group=None, balance=None)
    return await shown_me(call, await own(call))


@operations.put("/me/password", "user")
async def change_own_password(call: Call, body: NewPassword) -> None:
    """Change one's own password. All sessions end; the one that asks gets a new cookie."""
    user, desk = await own(call), call.desk
    await confirm(call, user, body.old, "old")
    hashed = await desk.door.hashed(users.checked_password(body.new))
    await users.set_password(desk.store, user, hashed)
    call.note(f"user:{user.id}")
    if sessions.session_of(call.request):
        call.noted.session = await sessions.open_session(desk, user)


@operations.post("/me/access-token", "user", once=False)
async def make_access_token(call: Call) -> AccessToken:
    """Make an access token, by which programs act for one. The one before works no longer."""
    user = await own(call)
    token = await sessions.new_access_token(call.desk, user)
    call.note(f"user:{user.id}")
    return AccessToken(access_token=token)


@operations.delete("/me/access-token", "user")
async def remove_access_token(call: Call) -> None:
    """Take one's access token away."""
    user = await own(call)
    await call.desk.store.sessions.unset_access_token(user.id)
    call.note(f"user:{user.id}")


@operations.post("/me/redeem", "user", status=200, once=False)
async def redeem_code(call: Call, body: Redemption, idempotency_key: str) -> Redeemed:
    """Add a code's worth to one's own balance."""
    user, store = await own(call), call.desk.store
    now = int(time.time())
    quota = await store.codes.redeem(body.code, user.id, now, idempotency_key)
    call.note(f"user:{user.id}", quota=quota)
    return Redeemed(quota=quota, balance=await balance_of(store, user))


async def confirm(call: Call, user: User, password: str, field: str) -> None:
    """Check the password of who asks. Raises GatewayError 403 naming the field, or 429 for who guesses."""
    door = call.desk.door
    door.knock(call.address, user.name, time.monotonic())
    if not await door.is_password(password, user.password_hash):
        raise GatewayError(403, "wrong password", type="permission_error", code="wrong_password", param=field)
    door.welcome(call.address, user.name)


async def own(call: Call) -> User:
    """Return the account of who asks. Raises GatewayError 403 for the admin key, which is nobody's."""
    user_id: Id | None = call.actor.user_id
    if user_id is None:
        raise forbidden("the admin key is no account: log in, or use an access token", "no_account")
    return await users.find(call.desk.store, user_id)


async def shown_me(call: Call, user: User) -> Me:
    """Return who a user is, and how their balance stands."""
    balance = await balance_of(call.desk.store, user)
    return Me(id=user.id, name=user.name, role=role_name(user.role), group=user.group, balance=balance)
