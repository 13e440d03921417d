"""Settings that the root user changes while gateways run, kept in the database over the file.

What is in the environment goes before them, the file and the defaults behind. Some hold at once in every
gateway on the database (`LIVE`), the others from a gateway's next start. What is needed before the database
is open, is the machine's own, a secret, or keeps administrators within bounds is none of them (`FIXED`).
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Literal

import msgspec

from .config import Config, check, convert, from_environment, is_secret
from .errors import ConfigError
from .prices.amounts import read_amount

log = logging.getLogger(__name__)

Fixed = Literal["secret", "start", "guard", "environment"]
"""Why a setting cannot be changed here."""

FIXED: Mapping[str, Fixed] = {
    **dict.fromkeys(
        ("server.host", "server.port", "server.grace_s", "server.notice_s", "data.dir", "upstream.ca_file"),
        "start",
    ),
    **dict.fromkeys(
        ("log.format", "log.level", "plugins.dir", "plugins.enabled", "plugins.disabled", "prices.file"),
        "start",
    ),
    **dict.fromkeys(("server.trusted_proxies", "upstream.private", "upstream.allow"), "guard"),
    "plugins.settings": "start",
}
LIVE = frozenset(
    (
        "routing.mode", "routing.attempts", "routing.retry_pause_s", "routing.deadline_s",
        "routing.continuation",
        "server.send_idle_s", "upstream.max_reply_bytes", "users.sign_up",
        "quota.new_user", "quota.invited", "quota.inviter",
    )
)  # fmt: skip
"""What is looked at for each request, so that it holds at once."""

_NOTHING: Mapping[str, Any] = MappingProxyType({})


class Settings:
    """The settings of an installation, in their layers.

    `start` is what this gateway has started with, `config` what holds now, `coming` what would if it started
    now.
    """

    def __init__(
        self, base: Config, stored: Mapping[str, Any] = _NOTHING, environ: Mapping[str, str] = os.environ
    ) -> None:
        self.base = base
        self._given = frozenset(
            f"{section}.{name}" for section, names in from_environment(environ).items() for name in names
        )
        self.stored: Mapping[str, Any] = stored
        self.start = self.config = self.coming = self.over(stored)
        self.followers: list[Callable[[Config], None]] = []

    def why_fixed(self, name: str) -> Fixed | None:
        """Say why a setting is not for the console; None where it is. `name` is `quota.invited`, say."""
        if name in self._given:
            return "environment"
        section, _, key = name.partition(".")
        return FIXED.get(name, "secret" if is_secret(section, key) else None)

    def over(self, stored: Mapping[str, Any]) -> Config:
        """Return what a gateway that starts has with this in the database.

        A value that makes no sense any more, with another file or another program, is left out and told of.
        """
        config, left = self.base, {name: stored[name] for name in stored if self.why_fixed(name) is None}
        while True:  # as some make sense only with others
            problems = {}
            for name, value in left.items():
                try:
                    config = with_value(config, name, value)
                except ConfigError as exc:
                    problems[name] = exc
            if len(problems) == len(left):
                break
            left = {name: left[name] for name in problems}
        for name, problem in problems.items():
            log.warning("setting left out name=%s problem=%s", name, problem)
        return config

    def follow(self, stored: Mapping[str, Any]) -> None:
        """Take over what is in the database now; of it, what can hold at once holds."""
        if stored == self.stored:
            return
        coming, config = self.over(stored), self.start
        for name in LIVE:
            config = _replaced(config, name, value_of(coming, name))
        self.stored, self.coming, self.config = stored, coming, config
        for follower in self.followers:
            follower(config)


def names() -> list[str]:
    """Every setting with its section, in the order of the file."""
    return [
        f"{section.name}.{one.name}"
        for section in msgspec.structs.fields(Config)
        for one in msgspec.structs.fields(section.type)
    ]


def value_of(config: Config, name: str) -> Any:
    """Return a setting's value."""
    section, _, key = name.partition(".")
    return getattr(getattr(config, section), key)


def with_value(config: Config, name: str, value: Any) -> Config:
    """Return settings with another value. Raises ConfigError where it, or all together, make no sense."""
    section, _, key = name.partition(".")
    if name not in names():
        raise ConfigError(f"there is no setting {name[:100]!r}")
    part = convert({section: {key: value}}, Config, "")
    changed = _replaced(config, name, value_of(part, name))
    check(changed)
    if name in ("prices.default_prompt", "prices.default_completion"):  # `check` leaves them to who uses them
        try:
            read_amount(key, value)
        except ValueError as exc:
            raise ConfigError(f"{name} = {exc}") from None
    return changed


@cache
def helps() -> Mapping[str, str]:
    """What each setting is for, in the words of config.example.toml."""
    text, found, section = (files("canalgate") / "config.example.toml").read_text("utf-8"), {}, ""
    for head, why, key in re.findall(r"(?m)^\[(\w+)\]$|^# (.+)\n#(\w+) = ", text):
        section = head or section
        if key:
            found[f"{section}.{key}"] = why
    return found


def _replaced(config: Config, name: str, value: Any) -> Config:
    section, _, key = name.partition(".")
    part = msgspec.structs.replace(getattr(config, section), **{key: value})
    return msgspec.structs.replace(config, **{section: part})
