"""Play an answer that an adapter or a plugin gives by itself, as if it came from a provider."""

from __future__ import annotations

import asyncio

from ...plugins import LocalAnswer, UpstreamResponse
from ..wire.answer import Answer
from .transfer import Transfer


async def play(local: LocalAnswer, transfer: Transfer) -> None:
    """Hand the parts to a transfer at their pace, and no faster than the client takes them."""
    player = _Player()
    transfer.set_source(player)
    transfer.on_head(UpstreamResponse(local.status, local.headers))
    for part in local.parts:
        await player.may_send.wait()
        transfer.on_body(part)
        if local.pause_s:
            await asyncio.sleep(local.pause_s)
    transfer.on_end(framed=True)


async def send(local: LocalAnswer, answer: Answer) -> None:
    """Give a plugin's answer to the client as it is."""
    parts = iter(local.parts)
    fields = local.headers.items()
    if not local.pause_s:
        answer.send(local.status, b"".join(parts), fields)
        return
    answer.start(local.status, fields)
    for part in parts:
        answer.write(part)
        await asyncio.sleep(local.pause_s)
    answer.finish()


class _Player:
    def __init__(self) -> None:
        self.may_send = asyncio.Event()
        self.may_send.set()

    def pause(self) -> None:
        self.may_send.clear()

    def resume(self) -> None:
        self.may_send.set()

    def expect_end(self) -> None:
        pass  # it comes anyway

    def abort(self) -> None:
        self.may_send.clear()
