"""Making an account by oneself, where that is let, and inviting others to."""

from __future__ import annotations

import time
from typing import Literal

from ...billing.money import parse_balance, parse_quota
from ...errors import forbidden
from ...manage import users
from ...manage.invitations import accepted, code_of
from ...manage.refused import Refused
from ...records import DEFAULT_GROUP, ENABLED, ROLE_USER, User
from .. import sessions
from ..fields import Given, Name, Shown, Word
from ..operations import Call, Operations
from .account import Me, own, shown_me

operations = Operations("account")

SignUp = Literal["closed", "invited", "open"]


class SignUpState(Shown, frozen=True, kw_only=True):
    """Who may make an account: nobody, who has an invitation, or anybody."""

    sign_up: SignUp


class NewAccount(Given, frozen=True, kw_only=True):
    """An account to be made. `invitation` is the code of a user who has invited one."""

    name: Name
    password: Word
    invitation: Word = ""


class InvitationShown(Shown, frozen=True, kw_only=True):
    """The code by which one invites others, and what it gives to both, in quota."""

    code: str
    invited: int
    inviter: int
    sign_up: SignUp


@operations.get("/sign-up", "public")
async def show_sign_up(call: Call) -> SignUpState:
    """Say whether one can make an account by oneself, for pages that offer it."""
    return SignUpState(sign_up=call.desk.settings.config.users.sign_up)


@operations.post("/sign-up", "public", status=200, once=False)
async def sign_up(call: Call, body: NewAccount) -> Me:
    """Make an account and begin a session. Both sides of an invitation get gifts; who makes many waits."""
    desk, config = call.desk, call.desk.settings.config
    if config.users.sign_up == "closed":
        raise forbidden("accounts are made by administrators here", "sign_up_closed")
    desk.sign_ups.knock(call.address, "sign-up", time.monotonic())
    if config.users.sign_up == "invited" and not body.invitation.strip():
        raise Refused("invitation", "expected the code of who has invited you")
    invitation = None
    if body.invitation.strip():
        invitation = await accepted(desk.store, desk.vault, body.invitation, config.quota)
    hashed = await desk.door.hashed(users.checked_password(body.password))
    new = User(0, body.name, ROLE_USER, DEFAULT_GROUP, ENABLED, int(time.time()), hashed)
    user = await users.create(desk.store, new, parse_balance(config.quota.new_user), invitation)
    by = {"invited_by": invitation.by.name} if invitation else {}
    call.note(f"user:{user.id}", name=user.name, **by)
    call.noted.actor, call.noted.session = user.name, await sessions.open_session(desk, user)
    return await shown_me(call, user)


@operations.get("/me/invitation", "user")
async def show_invitation(call: Call) -> InvitationShown:
    """Show the code by which one invites others, and what it gives."""
    user, config = await own(call), call.desk.settings.config
    return InvitationShown(
        code=code_of(call.desk.vault, user.id), invited=parse_quota(config.quota.invited),
        inviter=parse_quota(config.quota.inviter), sign_up=config.users.sign_up,
    )  # fmt: skip
