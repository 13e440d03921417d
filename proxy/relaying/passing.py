"""The way of an event that nothing is done to: from the provider's transport to the client's, in its frame.

Most of what a gateway does is this, so a step is left out here only where another place does it for many
events at once: what a stream says is looked at every few kilobytes, silence by sweeps.
"""

from __future__ import annotations

from ...plugins import StreamTranslator
from ..wire.answer import Answer
from ..wire.frames import Passing, event_frame, event_frames
from .tail import KEY, LOOK_BYTES, Tail


def passing(answer: Answer, tail: Tail, translator: StreamTranslator | None) -> Passing | None:
    """Return what takes events as reads of an upstream connection; None if all must be looked at.

    Nearly always a provider's event is one chunk in one read, and is known as that by its ends.
    """
    key = translator.key if translator is not None else b""
    if translator is not None and not key:
        return None
    write, frames, has_key = answer.frame_writer(), tail.frames, key != KEY
    look_at = answer.bytes_sent + LOOK_BYTES

    def take(read: bytes) -> bool:
        nonlocal look_at
        try:
            ends, expected, size = event_frames[len(read)] or event_frame(len(read))
        except IndexError:
            return False
        if ends(read) != expected or (key and read.find(key) >= 0):
            return False
        write(read)
        frames.append(read)
        answer.bytes_sent = sent = answer.bytes_sent + size
        if sent > look_at:
            look_at = sent + LOOK_BYTES
            tail.look(has_key=has_key)
        return True

    return take
