"""Move in from another gateway, over its database. Files are for the command: here nobody names one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from dataclasses import asdict
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from ...errors import GatewayError
from ...importers import Report, SourceError, apply, bring_logs, with_source
from ...manage.refused import Refused
from ...store.trail import Deed
from ..fields import Given, Shown
from ..operations import Call, Operations
from ..serving import OWNER
from ..streams import LINES, Stream, lines

operations = Operations("imports")

Dsn = Annotated[str, Meta(min_length=1, max_length=2000)]
_KINDS = ("user", "token", "channel", "code", "price", "group")


class Import(Given, frozen=True, kw_only=True):
    """What to move in from.

    `dsn` is `USER:PASSWORD@tcp(HOST:PORT)/NAME` or `postgres://...`. `dry_run` says what would come and
    changes nothing; `logs` brings the call log too, as history.
    """

    kind: Literal["oneapi", "newapi", "aiproxy"]
    dsn: Dsn
    dry_run: bool = False
    logs: bool = False


class Brought(Shown, frozen=True, kw_only=True):
    """A thing: what it is there, what it becomes, and whether it is `new`, `joined` or was `there` before.

    `our_id` is 0 where it has no number, or has none yet.
    """

    kind: str
    source_id: str
    name: str
    becomes: str
    fate: str
    our_id: int


class Left(Shown, frozen=True, kw_only=True):
    """Something that does not come, or not as it was, and why."""

    kind: str
    what: str
    why: str


class Counted(Shown, frozen=True, kw_only=True):
    """How many things of a kind were treated so."""

    kind: str
    new: int
    joined: int
    there: int
    left_out: int


class ImportReport(Shown, frozen=True, kw_only=True):
    """What came, or would. `log_rows` of the call log are there; `logs_brought` came, null if none was to."""

    source: str
    dry_run: bool
    counts: list[Counted]
    items: list[Brought]
    left_out: list[Left]
    log_rows: int
    logs_brought: int | None


class ImportLine(Shown, frozen=True, kw_only=True):
    """How far it is: `done` of `total` of what is being done. The last line has the report."""

    what: str
    done: int
    total: int
    report: ImportReport | None


@operations.run("/imports", "root", LINES)
async def import_gateway(call: Call, body: Import) -> Stream[ImportLine]:
    """Move in from another gateway. It goes on if who asks leaves; one at a time.

    All of it comes or nothing, what came before is left alone, and the source is not changed.
    """
    if call.desk.importing.locked():
        raise GatewayError(409, "another import is under way here", code="import_running")
    call.note(f"import:{body.kind}", dry_run=body.dry_run, logs=body.logs)
    return Stream(lines(_lines(call, body)), LINES)


async def _lines(call: Call, body: Import) -> AsyncGenerator[ImportLine, None]:
    far = _Far()
    work = call.request.app[OWNER].start(_run(call, body, far), "import")
    work.add_done_callback(lambda _: far.moved.set())
    while not work.done():
        await far.moved.wait()
        far.moved.clear()
        if not work.done():
            yield ImportLine(what=far.what, done=far.done, total=far.total, report=None)
    yield ImportLine(what="done", done=1, total=1, report=work.result())


class _Far:
    """How far an import is. Who looks too late sees only the latest."""

    def __init__(self) -> None:
        self.what, self.done, self.total = "connecting", 0, 0
        self.moved = asyncio.Event()

    def __call__(self, what: str, done: int, total: int) -> None:
        self.what, self.done, self.total = what, done, total
        self.moved.set()


async def _run(call: Call, body: Import, far: _Far) -> ImportReport:
    async with call.desk.importing:
        try:
            report, brought = await _import(call, body, far)
        except SourceError as exc:
            raise Refused("dsn", str(exc)) from exc
    shown = _shown(report, brought)
    if not body.dry_run:
        counts = {one.kind: one.new for one in shown.counts}
        deed = Deed(
            0, int(time.time()), call.actor.name, "import_finished", f"import:{body.kind}", call.address,
            {"source": report.source, "new": counts, "logs": brought},
        )  # fmt: skip
        await call.desk.store.trail.write(deed)
        await call.desk.live.catch_up()
    return shown


async def _import(call: Call, body: Import, far: _Far) -> tuple[Report, int | None]:
    desk, now = call.desk, int(time.time())
    async with with_source(body.kind, body.dsn.strip(), allow_files=False, progress=far) as (plan, source):
        report = await apply(
            desk.store, desk.vault, desk.adapters, plan, now, progress=far, dry_run=body.dry_run
        )
        if not body.logs or body.dry_run or source is None:
            return report, None
        brought, _ = await bring_logs(desk.store, source, body.kind, plan, now, far)
        await desk.store.requests.fold()
        return report, brought


def _shown(report: Report, brought: int | None) -> ImportReport:
    counts = [
        Counted(
            kind=kind, new=report.count(kind, "new"), joined=report.count(kind, "joined"),
            there=report.count(kind, "there"), left_out=sum(one.kind == kind for one in report.left_out),
        )
        for kind in _KINDS
    ]  # fmt: skip
    return ImportReport(
        source=report.source, dry_run=report.is_dry, counts=counts,
        items=msgspec.convert([asdict(item) for item in report.items], list[Brought]),
        left_out=msgspec.convert([asdict(one) for one in report.left_out], list[Left]),
        log_rows=report.log_rows, logs_brought=brought,
    )  # fmt: skip
