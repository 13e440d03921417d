"""What a stream that passes by says, in case its end with the usage does not come.

A meter sees OpenAI's events as the client gets them, in pieces that may end anywhere. EventCount counts the
events that carry text, which for most providers is one token each; TextCount keeps their text. Neither is
asked while the provider reports usage at the end.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import ClassVar

from .text import Said, parsed, take_event

Count = Callable[[Sequence[str]], int]
"""Counts the tokens of some texts together."""

_MOST_HELD = 64 * 1024
"""A line longer than this is a picture or nonsense; the rest of it is not looked at."""

_PARSED = 24
"""How many events EventCount parses."""

_MOST_SAMPLED_CHARS = 4096

_KEYS = tuple(
    (b'%b":%b"' % (name, space), b'%b":%b""' % (name, space))
    for name in (b"content", b"arguments", b"reasoning_content", b"reasoning", b"text", b'"delta')
    for space in (b"", b" ")
)
"""How an event that has text begins it, and how one that has none does.

A quote inside JSON text is escaped, so these bytes are no text.
"""


class StreamMeter(ABC):
    """Fed with the pieces of one stream. `events` that have text were seen so far."""

    needs_body: ClassVar[bool] = False
    """Whether the request is to be counted too, when the stream has ended: then its body is kept."""

    __slots__ = ("_held", "_skips", "events")

    def __init__(self) -> None:
        self._held = b""
        self._skips = False
        self.events = 0

    def add(self, data: bytes) -> None:
        """Take the next piece."""
        end = max(data.rfind(b"\n"), data.rfind(b"\r")) + 1
        if not end:
            self._hold(data)
            return
        lines, rest = self._held + data[:end], data[end:]
        if self._skips:
            lines, self._skips = lines[lines.find(data[end - 1 : end]) + 1 :], False
        self._held = b""
        self._hold(rest)
        self._take(lines)

    def add_events(self, lines: bytes, events: int) -> None:
        """Take whole lines, nearly always so many events; sizes of chunks may stand between them."""
        self.add(lines)

    def completion(self, count: Count) -> int:
        """Return how many tokens the stream has brought. Slow: `count` may be a tokenizer."""
        if self._held and not self._skips:
            held, self._held = self._held, b""
            self._take(held)
        return self._tokens(count)

    def thoughts(self, count: Count) -> int:
        """Return how many of these tokens are thoughts, as far as that is known."""
        return 0

    @abstractmethod
    def _take(self, lines: bytes) -> None:
        """Look at whole lines."""

    @abstractmethod
    def _tokens(self, count: Count) -> int:
        """Say how many tokens there are in what was taken."""

    def _hold(self, data: bytes) -> None:
        if self._skips:
            return
        self._held += data
        if len(self._held) > _MOST_HELD:
            self._held, self._skips = b"", True
            self.events += 1


class EventCount(StreamMeter):
    """Counts events and does not keep them.

    The first events are parsed, to see how their text begins and how much they hold: where that is clearly
    more than one token each (Gemini's hold dozens), the count is raised by as much. The others are counted
    by their keys.
    """

    __slots__ = ("_key", "_left", "_sample", "_sampled_events")

    def __init__(self) -> None:
        super().__init__()
        self._left = _PARSED
        self._key = _KEYS[0]
        self._sample = ""
        self._sampled_events = 0

    def add(self, data: bytes) -> None:
        """Take the next piece; quicker than usual, where lines end as they do nearly always."""
        end = data.rfind(b"\n") + 1
        if not end or self._skips or len(data) - end > _MOST_HELD:
            super().add(data)
            return
        lines = self._held + data[:end] if self._held else data[:end]
        self._held = data[end:]
        self._take(lines)

    def add_events(self, lines: bytes, events: int) -> None:
        """Take whole lines; quicker where each event has text, and has it where the first ones had it."""
        key, empty = self._key
        if self._left or self._held or self._skips or lines.count(key) - lines.count(empty) != events:
            self.add(lines)
        else:
            self.events += events

    def _take(self, lines: bytes) -> None:
        if self._left:
            lines = self._look_closely(lines)
        events = lines.count(b"data:")
        key, empty = self._key
        found = lines.count(key) - lines.count(empty)
        if found != events:  # not all have text, or not where the first ones had it
            found = sum(lines.count(key) - lines.count(empty) for key, empty in _KEYS)
        self.events += min(found, events)

    def _look_closely(self, lines: bytes) -> bytes:
        """Parse some lines and return the others."""
        at, break_ = 0, b"\n" if b"\n" in lines else b"\r"
        while self._left and at < len(lines):
            end = lines.find(break_, at)
            end = len(lines) if end < 0 else end
            line, at = lines[at:end], end + 1
            if line.startswith(b"data:"):
                self._left -= 1
                said = Said()
                take_event(said, parsed(line[5:]))
                if said.size():
                    self.events += 1
                    self._learn(line, said)
        return lines[at:]

    def _learn(self, line: bytes, said: Said) -> None:
        key, empty = self._key
        if line.count(key) != 1 or empty in line:
            self._key = next((pair for pair in _KEYS if line.count(pair[0]) == 1), self._key)
        if len(self._sample) < _MOST_SAMPLED_CHARS:
            self._sampled_events += 1
            self._sample += "".join([*said.content, *said.thoughts, *said.calls])

    def _tokens(self, count: Count) -> int:
        if not self._sampled_events:
            return self.events
        sampled = count([self._sample])
        if 2 * sampled < 5 * self._sampled_events:
            return self.events
        return self.events * sampled // self._sampled_events


class TextCount(StreamMeter):
    """Keeps the text of a stream, for providers that are not known to report usage."""

    needs_body = True
    __slots__ = ("said",)

    def __init__(self) -> None:
        super().__init__()
        self.said = Said()

    def thoughts(self, count: Count) -> int:
        return count(["".join(self.said.thoughts)])

    def _take(self, lines: bytes) -> None:
        said = self.said
        for line in lines.splitlines():
            if line.startswith(b"data:"):
                before = said.pieces()
                take_event(said, parsed(line[5:]))
                self.events += said.pieces() > before
        said.join()

    def _tokens(self, count: Count) -> int:
        return count(self.said.texts()) + self.thoughts(count)
