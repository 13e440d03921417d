"""The answers that need no provider: models, health, status."""

from __future__ import annotations

import time
from collections.abc import Callable

from ... import __version__
from ..auth import Principal
from ..billing.money import QUOTA_PER_DOLLAR
from ..errors import GatewayError, no_such_model
from ..routing.snapshot import Snapshot
from .cors import PREFLIGHT_FIELD
from .endpoints import not_allowed
from .inbound import Inbound

_STARTED_AT = int(time.time())


def models(snapshot: Snapshot, principal: Principal) -> dict[str, object]:
    """The models this token may use, in OpenAI's shape."""
    return {
        "object": "list",
        "data": [_model(snapshot, principal, name) for name in _visible(snapshot, principal)],
    }


def model(snapshot: Snapshot, principal: Principal, name: str) -> dict[str, object]:
    """One model. Raises GatewayError 404 if the token may not use it."""
    if name not in _visible(snapshot, principal):
        raise no_such_model(name)
    return _model(snapshot, principal, name)


def preflight(inbound: Inbound) -> dict[str, object]:
    """Answer a browser that asks what a page may do, which the answer's head says. Others get 405."""
    if PREFLIGHT_FIELD not in inbound.headers:
        raise not_allowed(inbound.method, inbound.path)
    return {}


def status() -> dict[str, object]:
    """One API's status page and AI Proxy's in one. What nobody can log in by here is off or empty."""
    off = ("email_verification", "github_oauth", "wechat_login", "turnstile_check", "oidc")
    empty = (
        "github_client_id", "lark_client_id", "logo", "footer_html", "wechat_qrcode", "server_address",
        "turnstile_site_key", "top_up_link", "chat_link", "oidc_client_id", "oidc_well_known",
        "oidc_authorization_endpoint", "oidc_token_endpoint", "oidc_userinfo_endpoint",
    )  # fmt: skip
    data = {
        "version": __version__, "start_time": _STARTED_AT, "startTime": _STARTED_AT,
        "system_name": "canalgate", "quota_per_unit": QUOTA_PER_DOLLAR, "display_in_currency": True,
        **dict.fromkeys(off, False), **dict.fromkeys(empty, ""),
    }  # fmt: skip
    return {"success": True, "message": "", "data": data}


def ready(is_draining: Callable[[], bool]) -> dict[str, object]:
    """Say that work is taken. Raises GatewayError 503 once the gateway is stopping."""
    if is_draining():
        raise GatewayError(503, "the gateway is stopping", type="server_error", code="stopping")
    return {"status": "ready"}


def _visible(snapshot: Snapshot, principal: Principal) -> list[str]:
    allowed = principal.token.models
    return [name for name in snapshot.models(principal.user.group) if not allowed or name in allowed]


def _model(snapshot: Snapshot, principal: Principal, name: str) -> dict[str, object]:
    route = principal.user.group, name
    first = (snapshot.by_model.get(route) or snapshot.stand_ins[route][0])[0]
    return {"id": name, "object": "model", "created": first.row.created_at, "owned_by": first.adapter.name}
