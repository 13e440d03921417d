"""Names that One API and AI Proxy have for settings in the environment: what each becomes here.

Pure, and complete for One API: a name of its manual that has no setting here is in the table with the reason.
`config.py` reads those that have one, `canalgate check` tells of all that are set, and
docs/moving-environment.md shows the table.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal["used", "needless", "elsewhere"]


def _as_it_is(text: str) -> tuple[str, ...]:
    return (text,)


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a name becomes: `settings` of ours, or nothing, and why. `what` is said to people.

    `read` turns its value into those of the settings, as our own names would have them; an empty one leaves
    the setting as it is. Raises ValueError saying what is expected.
    """

    what: str
    settings: tuple[str, ...] = ()
    read: Callable[[str], tuple[str, ...]] = _as_it_is
    is_lost: bool = False

    @property
    def kind(self) -> Kind:
        """Whether a setting takes it, nothing is missing without it, or somebody has to do something."""
        return "used" if self.settings else "elsewhere" if self.is_lost else "needless"


def _seconds(text: str) -> tuple[str, ...]:
    return ("" if re.fullmatch(r"0+(\.0*)?", text) else text,)


def _days(text: str) -> tuple[str, ...]:
    if not re.fullmatch(r"-?\d{1,9}", text, re.ASCII):
        raise ValueError("expected a whole number of hours")
    return ("" if int(text) < 0 else str(math.ceil(int(text) / 24)),)


def _times(seconds: int) -> Callable[[str], tuple[str, ...]]:
    def read(text: str) -> tuple[str, ...]:
        return (str(seconds * _whole(text)),)

    return read


def _one_more(text: str) -> tuple[str, ...]:
    return (str(1 + _whole(text)),)


def _whole(text: str) -> int:
    if not re.fullmatch(r"\d{1,9}", text, re.ASCII):
        raise ValueError("expected a whole number")
    return int(text)


def _level(text: str) -> tuple[str, ...]:
    return ("debug" if text == "true" else "",)


def _listen(text: str) -> tuple[str, ...]:
    host, colon, port = text.rpartition(":")
    if not colon:
        raise ValueError("expected HOST:PORT")
    return host.strip("[]") or "0.0.0.0", port


def _here(what: str, *settings: str, read: Callable[[str], tuple[str, ...]] = _as_it_is) -> Meaning:
    return Meaning(what, settings, read)


def _lost(what: str) -> Meaning:
    return Meaning(what, is_lost=True)


_REDIS = Meaning("no Redis: gateways learn of changes and share balances through the database")
_POOL = Meaning("connections are opened as they are needed")
_METRIC = Meaning("a channel is judged by its own failures, never by mistakes of clients")
_IMPORT = "`canalgate import oneapi` reads it"

ONE_API: Mapping[str, Meaning] = {
    "PORT": _here("the port; which addresses it is on says `server.host`", "server.port"),
    "GIN_MODE": Meaning("there is no such framework"),
    "DEBUG": _here("`true` makes the log talkative; bodies are never in it", "log.level", read=_level),
    "DEBUG_SQL": Meaning("statements are not logged"),
    "SQL_DSN": _here("the database, in the form it has there; it must be an empty one", "data.database"),
    "LOG_SQL_DSN": _lost(f"the call log is in the same database; {_IMPORT}"),
    "SQLITE_PATH": _lost(f"our own file is in `data.dir`; {_IMPORT}"),
    "SQLITE_BUSY_TIMEOUT": Meaning("one thread writes, and waits as long as it must"),
    "SQL_MAX_IDLE_CONNS": _POOL,
    "SQL_MAX_OPEN_CONNS": _POOL,
    "SQL_MAX_LIFETIME": _POOL,
    "SQL_CONN_MAX_LIFETIME": _POOL,
    "REDIS_CONN_STRING": _REDIS,
    "REDIS_MASTER_NAME": _REDIS,
    "REDIS_PASSWORD": _REDIS,
    "MEMORY_CACHE_ENABLED": Meaning("routing is always in memory"),
    "SYNC_FREQUENCY": Meaning("a change is seen by every gateway within a tenth of a second"),
    "SESSION_SECRET": Meaning("sessions are in the database; several gateways share `data.secret_key`"),
    "NODE_TYPE": Meaning("every gateway is the same; the first one makes the tables"),
    "FRONTEND_BASE_URL": Meaning("every gateway has all pages"),
    "POLLING_INTERVAL": Meaning("tests of all channels pause for nothing"),
    "CHANNEL_TEST_FREQUENCY": _here(
        "how often every channel is tested, in minutes", "routing.test_every_s", read=_times(60)
    ),
    "CHANNEL_UPDATE_FREQUENCY": Meaning("One API does not read it either"),
    "BATCH_UPDATE_ENABLED": Meaning(
        "requests are always booked together, from a journal that survives a crash"
    ),
    "BATCH_UPDATE_INTERVAL": Meaning("they are booked every `ledger.flush_s`, a fifth of a second"),
    "GLOBAL_API_RATE_LIMIT": _lost("limits are set for tokens, users and groups: `canalgate limit`"),
    "GLOBAL_WEB_RATE_LIMIT": Meaning("pages are not limited, attempts to log in are slowed down"),
    "RELAY_TIMEOUT": _here(
        "how long an answer may take to begin; one that has begun is not cut",
        "upstream.first_byte_s",
        read=_seconds,
    ),
    "RELAY_PROXY": _lost("a proxy is set for each channel: `canalgate channel edit ID --proxy URL`"),
    "USER_CONTENT_REQUEST_PROXY": Meaning("images are never fetched to count them"),
    "USER_CONTENT_REQUEST_TIMEOUT": Meaning("images are never fetched to count them"),
    "GEMINI_SAFETY_SETTING": _lost("the option `safety` of a Gemini channel"),
    "GEMINI_VERSION": _lost("the base URL of a Gemini channel ends with the version"),
    "THEME": Meaning("there is one console"),
    "ENABLE_METRIC": _METRIC,
    "METRIC_QUEUE_SIZE": _METRIC,
    "METRIC_SUCCESS_RATE_THRESHOLD": _METRIC,
    "METRIC_SUCCESS_CHAN_SIZE": _METRIC,
    "METRIC_FAIL_CHAN_SIZE": _METRIC,
    "INITIAL_ROOT_TOKEN": _here("the first start only: the key of root's token", "admin.root_token"),
    "INITIAL_ROOT_ACCESS_TOKEN": _here(
        "the first start only: root's access token for the pages", "admin.root_access_token"
    ),
    "ENFORCE_INCLUDE_USAGE": Meaning("usage is always asked for, and left out where the client did not ask"),
    "TEST_PROMPT": Meaning("a test says hi"),
    "ONLY_ONE_LOG_FILE": Meaning("the log goes to standard error"),
    "TIKTOKEN_CACHE_DIR": Meaning("tokenizers are never downloaded"),
    "DATA_GYM_CACHE_DIR": Meaning("tokenizers are never downloaded"),
    "TZ": Meaning("days, months and the log are UTC"),
}
"""Names of One API."""

AI_PROXY: Mapping[str, Meaning] = {
    "LISTEN": _here("address and port", "server.host", "server.port", read=_listen),
    "REDIS": _REDIS,
    "REDIS_KEY_PREFIX": _REDIS,
    "RETRY_TIMES": _here(
        "how many more channels are asked after the first", "routing.attempts", read=_one_more
    ),
    "LOG_STORAGE_HOURS": _here(
        "how long the call log is kept, in whole days", "ledger.keep_days", read=_days
    ),
    "LOG_DETAIL_STORAGE_HOURS": _here(
        "how long bodies of failed requests are kept", "log.keep_bodies_s", read=_times(3600)
    ),
    "DISABLE_MODEL_CONFIG": Meaning("no model needs a configuration"),
    "ADMIN_KEY": _here("the key of administrators", "admin.key"),
}
"""Names of AI Proxy that One API has not."""

OWN: Mapping[str, Meaning] = {
    "CANALGATE_ADMIN_KEY": _here("the key of administrators", "admin.key"),
    "CANALGATE_SETUP_SECRET": _here("with which root's password is set, once", "admin.setup_secret"),
}
"""Short names of our own."""

NAMES: Mapping[str, Meaning] = {**ONE_API, **AI_PROXY, **OWN}
"""All of them. Of two that become the same setting the later counts."""


def understood(environ: Mapping[str, str]) -> Iterator[tuple[str, Meaning]]:
    """Yield the names that are set to something, in the order in which they count."""
    for name, meaning in NAMES.items():
        if environ.get(name):
            yield name, meaning
