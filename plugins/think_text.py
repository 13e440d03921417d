"""Find the thoughts in one text that comes in pieces, and say of each piece what of it is what.

Thoughts stand between an opening tag, which only white space may precede, and the closing tag of the same
name, or the end of the text where there is none. A text is taken in pieces and given back in the same
pieces, each split. Used by `think_split`; knows nothing of events and JSON.
"""

from __future__ import annotations

from collections import deque

_DROPPED, _REASONING, _CONTENT = range(3)


class TaggedText:
    """The text of one choice; `tags` are names, as `think`.

    `waiting` is the end of it that may be a tag, `settled` says that the rest can have none.
    """

    __slots__ = ("_closing", "_runs", "_tags", "settled", "waiting")

    def __init__(self, tags: tuple[str, ...]) -> None:
        self._tags = tags
        self._closing = ""
        self._runs: deque[tuple[int, int]] = deque()
        self.settled = False
        self.waiting = ""

    def take(self, text: str) -> None:
        """Add a piece and weigh what is known of it now."""
        self.waiting += text
        if not self._closing and not self.settled:
            self._look_for_opening()
        if self._closing and not self.settled:
            self._look_for_closing()
        if self.settled:
            self._mark(_CONTENT, len(self.waiting))

    def end(self) -> None:
        """Something other than text follows: what waits is no tag."""
        self.settled = self.settled or not self._closing
        self._mark(_CONTENT if self.settled else _REASONING, len(self.waiting))

    def give(self, text: str) -> tuple[str, str]:
        """Return the reasoning and the content in the piece that is next to be given back."""
        said = ["", "", ""]
        while text:
            kind, count = self._runs.popleft()
            said[kind] += text[:count]
            if count > len(text):
                self._runs.appendleft((kind, count - len(text)))
            text = text[count:]
        return said[_REASONING], said[_CONTENT]

    def _mark(self, kind: int, count: int) -> None:
        if count:
            self._runs.append((kind, count))
            self.waiting = self.waiting[count:]

    def _look_for_opening(self) -> None:
        text = self.waiting.lstrip()
        for name in self._tags:
            tag = f"<{name}>"
            if text.startswith(tag):
                self._mark(_DROPPED, len(self.waiting) - len(text) + len(tag))
                self._closing = f"</{name}>"
                return
            if tag.startswith(text):
                return
        self.settled = True

    def _look_for_closing(self) -> None:
        before, found, _ = self.waiting.partition(self._closing)
        if found:
            self._mark(_REASONING, len(before))
            self._mark(_DROPPED, len(found))
            self.settled = True
            return
        cut = self.waiting.rfind("<", max(0, len(self.waiting) - len(self._closing)))
        is_tag = cut >= 0 and self._closing.startswith(self.waiting[cut:])
        self._mark(_REASONING, cut if is_tag else len(self.waiting))
